//! Results for people (tables) and for machines (JSON).

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use super::Output;
use crate::cli::say::say;

/// Prints a list: `columns` are headings with the JSON pointer of their value.
pub(crate) fn list(output: Output, items: &Value, columns: &[(&str, &str)]) {
    if output == Output::Json {
        json(items);
        return;
    }
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(columns.iter().map(|(heading, _)| *heading));
    for item in items.as_array().map(Vec::as_slice).unwrap_or_default() {
        table.add_row(columns.iter().map(|(_, pointer)| text(item.pointer(pointer))));
    }
    say!("{table}");
}

/// Prints one thing: `rows` are names with the JSON pointer of their value; what is absent is left out.
pub(crate) fn one(output: Output, item: &Value, rows: &[(&str, &str)]) {
    if output == Output::Json {
        json(item);
        return;
    }
    for (name, pointer) in rows {
        let value = text(item.pointer(pointer));
        if !value.is_empty() {
            say!("{name:<16} {value}");
        }
    }
}

/// Prints JSON.
pub(crate) fn json(value: &Value) {
    say!("{}", serde_json::to_string_pretty(value).unwrap_or_default());
}

fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| text(Some(item)))
            .collect::<Vec<_>>()
            .join(", "),
        Some(other) => other.to_string(),
    }
}
