//! From a file to values: bounded before it is read, YAML 1.2, keys once, nesting and aliases within limits.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use super::ConfigFault;

/// Longest file, in octets.
const MAX_LEN: u64 = 1024 * 1024;
/// Deepest nesting.
const MAX_DEPTH: usize = 32;

/// What a file says.
pub(super) struct Read {
    pub(super) text: String,
    /// Whether others than its owner may read it.
    pub(super) is_readable_by_others: bool,
}

/// Reads a file. One that everybody may write to is refused: its hooks are commands.
pub(super) fn read(path: &Path) -> Result<Read, ConfigFault> {
    let failed = |source| ConfigFault::Unreadable {
        path: path.to_path_buf(),
        source,
    };
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.permissions().mode();
    if metadata.is_file() && mode & 0o002 != 0 {
        return Err(ConfigFault::Writable {
            path: path.to_path_buf(),
        });
    }
    let mut text = String::new();
    let read = (&mut file)
        .take(MAX_LEN + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > MAX_LEN {
        return Err(ConfigFault::TooLong {
            path: path.to_path_buf(),
            limit: MAX_LEN,
        });
    }
    Ok(Read {
        text,
        is_readable_by_others: mode & 0o044 != 0,
    })
}

/// The values of a text. The message of a fault names a place, and nothing that stands there.
pub(super) fn parse(text: &str) -> Result<Value, ConfigFault> {
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_LEN {
        return Err(ConfigFault::Syntax(format!("it is longer than {MAX_LEN} octets")));
    }
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        strict_booleans: true,
        // A secret or a mode that looks like a number stays what was written.
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_nodes: 20_000,
            max_aliases: 1_000,
            max_documents: 1,
        },
    };
    let value: Value = serde_saphyr::from_str_with_options(text, options).map_err(|error| fault(&error))?;
    match value {
        Value::Object(_) => Ok(value),
        _ => Err(ConfigFault::Syntax("its top level is no mapping".to_owned())),
    }
}

fn fault(error: &serde_saphyr::Error) -> ConfigFault {
    let place = error.location().map_or_else(String::new, |place| {
        format!(" at line {} column {}", place.line(), place.column())
    });
    let text = error.to_string();
    // Of what the parser says only the kind is told: the rest may quote a secret.
    let kinds = [
        ("duplicate", "a key stands there twice"),
        ("depth", "it is nested too deep"),
        ("budget", "it is larger or deeper than any configuration"),
        ("alias", "its aliases cannot be followed"),
        ("anchor", "an anchor is missing"),
        ("tag", "a tag is not known"),
    ];
    let lower = text.to_ascii_lowercase();
    let kind = kinds.iter().find(|(word, _)| lower.contains(word));
    ConfigFault::Syntax(format!(
        "{}{place}",
        kind.map_or("it cannot be parsed", |(_, kind)| kind)
    ))
}
