//! References in values: `${NAME}`, `${NAME:-fallback}`, `${NAME:?message}`, `${file:PATH}`; `$${` is a plain `${`.
//!
//! They are looked for in strings that were parsed, never in the text: a secret with a colon or a newline in it stays one string. Keys
//! are never replaced, and neither are hooks: what looks like a reference there is the shell's.

use serde_json::Value;

use super::field;
use super::section::Reading;

/// Replaces all references; the paths of secrets that stand in the file itself.
pub(super) fn replace(value: &mut Value, reading: &Reading<'_>) -> Vec<String> {
    let mut literals = Vec::new();
    walk(value, String::new(), reading, &mut literals);
    literals
}

fn walk(value: &mut Value, path: String, reading: &Reading<'_>, literals: &mut Vec<String>) {
    if field::is_verbatim(&path) {
        return;
    }
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                walk(value, path, reading, literals);
            }
        }
        Value::Array(items) => {
            for (number, value) in items.iter_mut().enumerate() {
                walk(value, format!("{path}[{number}]"), reading, literals);
            }
        }
        Value::String(text) => {
            if !text.contains("${") {
                if field::is_secret(&path) && !text.is_empty() {
                    literals.push(path);
                }
                return;
            }
            let replaced = replaced(text, reading);
            match replaced {
                Ok(new) => *text = new,
                // Told once: what cannot be found out is as if it were not there.
                Err(what) => {
                    reading.problem(&path, what);
                    *value = Value::Null;
                }
            }
        }
        _ => {}
    }
}

/// A string with its references replaced.
fn replaced(text: &str, reading: &Reading<'_>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = after.get(2..).unwrap_or_default();
            continue;
        }
        out.push_str(before);
        let inside = after.get(2..).unwrap_or_default();
        let Some(end) = inside.find('}') else {
            return Err("has a `${` without its `}`; `$${` is a plain one".to_owned());
        };
        let (reference, after) = inside.split_at(end);
        out.push_str(&referred(reference, reading)?);
        rest = after.get(1..).unwrap_or_default();
    }
    out.push_str(rest);
    Ok(out)
}

/// What a reference stands for.
fn referred(reference: &str, reading: &Reading<'_>) -> Result<String, String> {
    if let Some(file) = reference.strip_prefix("file:") {
        return reading.secret_file(file);
    }
    let (name, otherwise) = match reference.split_once(':') {
        Some((name, otherwise)) => (name, Some(otherwise)),
        None => (reference, None),
    };
    let is_name = !name.is_empty()
        && name
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || octet == b'_');
    if !is_name {
        return Err("has a `${…}` that names no variable".to_owned());
    }
    if let Some(value) = reading.environment.var(name) {
        return Ok(value);
    }
    match otherwise.map(|text| text.split_at_checked(1)) {
        None => Err(format!("names the variable {name}, which is not set")),
        Some(Some(("-", fallback))) => Ok(fallback.to_owned()),
        Some(Some(("?", message))) => Err(format!("names the variable {name}, which is not set: {message}")),
        Some(_) => Err(format!(
            "refers to {name} in a form that is not known: write ${{{name}}}, ${{{name}:-fallback}} or ${{{name}:?message}}"
        )),
    }
}
