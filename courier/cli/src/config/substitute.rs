//! References in values: `${NAME}`, `${NAME:-fallback}`, `${NAME:?message}`, `${file:PATH}`; `$${` is a plain `${`.
//!
//! They are looked for in strings that were parsed, never in the text: a secret with a colon or a newline in it stays one string. Keys
//! are never replaced, and neither are hooks: what looks like a reference there is the shell's.

use serde_json::Value;
use zeroize::Zeroizing;

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
                if field::is_secret(&path, text) && !text.is_empty() {
                    literals.push(path);
                }
                return;
            }
            let replaced = replaced(text, reading);
            match replaced {
                Ok(new) => {
                    *text = new.text;
                    if new.has_fallback && field::is_secret(&path, text) {
                        literals.push(path);
                    }
                }
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
struct Replaced {
    text: String,
    /// Whether a part of it is a fallback, which stands in the file itself; or all of it, where there was no reference.
    has_fallback: bool,
}

fn replaced(text: &str, reading: &Reading<'_>) -> Result<Replaced, String> {
    let mut out = String::with_capacity(text.len());
    let mut has_reference = false;
    let mut has_fallback = false;
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
        let (value, is_fallback) = referred(reference, reading)?;
        has_reference = true;
        has_fallback |= is_fallback;
        out.push_str(&value);
        rest = after.get(1..).unwrap_or_default();
    }
    out.push_str(rest);
    Ok(Replaced {
        text: out,
        has_fallback: has_fallback || !has_reference,
    })
}

/// What a reference stands for, and whether that is its fallback.
fn referred(reference: &str, reading: &Reading<'_>) -> Result<(Zeroizing<String>, bool), String> {
    if let Some(file) = reference.strip_prefix("file:") {
        return Ok((reading.secret_file(file)?, false));
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
        return Ok((Zeroizing::new(value), false));
    }
    match otherwise.map(|text| text.split_at_checked(1)) {
        None => Err(format!("names the variable {name}, which is not set")),
        Some(Some(("-", fallback))) => Ok((Zeroizing::new(fallback.to_owned()), !fallback.is_empty())),
        Some(Some(("?", message))) => Err(format!("names the variable {name}, which is not set: {message}")),
        Some(_) => Err(format!(
            "refers to {name} in a form that is not known: write ${{{name}}}, ${{{name}:-fallback}} or ${{{name}:?message}}"
        )),
    }
}
