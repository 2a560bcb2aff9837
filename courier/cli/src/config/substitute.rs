//! References in texts: `${NAME}`, `${NAME:-fallback}`, `${NAME:?message}`, `${file:path}`, and `$${` for a literal `${`.
//!
//! They are filled in after the YAML was read: whatever a variable holds, it stays inside its text.

use std::path::Path;

use zeroize::Zeroizing;

use super::surroundings::Surroundings;

/// A text after its references were filled in.
pub(super) struct Filled {
    pub(super) text: Zeroizing<String>,
    /// Whether all of it stands in the file, or a part that is not a reference is a fallback that was used.
    pub(super) is_literal: bool,
}

/// Fills in the references of a text. What is wrong names the variable or the file, never a value.
pub(super) fn fill(text: &str, surroundings: &Surroundings<'_>) -> Result<Filled, String> {
    let mut filled = Zeroizing::new(String::with_capacity(text.len()));
    let mut has_reference = false;
    let mut has_fallback = false;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            filled.push_str(before);
            filled.push_str("${");
            rest = after;
            continue;
        }
        filled.push_str(before);
        let (reference, behind) = after
            .split_once('}')
            .ok_or_else(|| "`${` has no `}`; a literal `${` is written `$${`".to_owned())?;
        let value = value_of(reference, surroundings)?;
        has_reference = true;
        has_fallback |= value.1;
        filled.push_str(&value.0);
        rest = behind;
    }
    filled.push_str(rest);
    Ok(Filled {
        text: filled,
        is_literal: !has_reference || has_fallback,
    })
}

/// The value of a reference, and whether it is a fallback.
fn value_of(reference: &str, surroundings: &Surroundings<'_>) -> Result<(Zeroizing<String>, bool), String> {
    if let Some(path) = reference.strip_prefix("file:") {
        let path = match path.strip_prefix("$CREDENTIALS_DIRECTORY") {
            Some(below) => format!("{}{below}", credentials(surroundings)?),
            None => path.to_owned(),
        };
        let text = surroundings.secret_file(Path::new(&path))?;
        return Ok((text, false));
    }
    let (name, otherwise) = match reference.split_once(':') {
        Some((name, otherwise)) => (name, Some(otherwise)),
        None => (reference, None),
    };
    if !is_name(name) {
        return Err(
            "a reference is `${NAME}`, `${NAME:-fallback}`, `${NAME:?message}` or `${file:path}`; a literal `${` is written `$${`"
                .to_owned(),
        );
    }
    if let Some(value) = surroundings.environment.var(name) {
        return Ok((Zeroizing::new(value), false));
    }
    match otherwise.map(|otherwise| otherwise.split_at_checked(1)) {
        Some(Some(("-", fallback))) => Ok((Zeroizing::new(fallback.to_owned()), !fallback.is_empty())),
        Some(Some(("?", message))) => Err(format!("the variable {name} is not set: {message}")),
        Some(_) => Err(format!(
            "behind `${{{name}:` stands `-` and a fallback, or `?` and a message"
        )),
        None if name.starts_with("COURIER_") => Err(format!(
            "the variable {name} is not set; a command reads it itself when it is written ${name} or $${{{name}}}"
        )),
        None => Err(format!("the variable {name} is not set")),
    }
}

fn credentials(surroundings: &Surroundings<'_>) -> Result<String, String> {
    let directory = surroundings.environment.var("CREDENTIALS_DIRECTORY");
    directory.ok_or_else(|| "the variable CREDENTIALS_DIRECTORY is not set".to_owned())
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .chars()
            .all(|each| each.is_ascii_alphanumeric() || each == '_')
}
