//! The table of fields: what keys there are, of what type, and what they mean. The reader refuses every other key, and the reference of
//! the configuration is made from it.

mod api;
mod auth;
mod certificate;
mod discovery;
mod logging;
mod output;

use serde_json::Value;

use super::Problem;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A section with keys of its own.
    Section,
    /// A list of sections.
    Sections,
    /// A text.
    Text,
    /// A secret; `<key>_file` names a file with it.
    Secret,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Number,
    /// A length of time, as `90s`, `12h` or `30d`.
    Duration,
    /// A path; a relative one begins in the directory of the file.
    Path,
    /// A list of texts.
    Texts,
    /// A text for the shell, or a list of program and arguments. Nothing in it is replaced.
    Command,
    /// Names and values of the writer's choice.
    Free,
}

impl Kind {
    /// As the reference writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Section => "section",
            Self::Sections => "list of sections",
            Self::Text => "text",
            Self::Secret => "secret",
            Self::Flag => "true, false",
            Self::Number => "number",
            Self::Duration => "duration",
            Self::Path => "path",
            Self::Texts => "list",
            Self::Command => "command",
            Self::Free => "names and values",
        }
    }
}

/// A key.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its path; of a list without numbers.
    pub path: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// What it is when it is absent.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

const fn field(path: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Field {
    Field {
        path,
        kind,
        default,
        meaning,
    }
}

/// The keys at the top.
const TOP: &[Field] = &[
    field("version", Kind::Number, "1", "The form of the file."),
    field(
        "allow_insecure_permissions",
        Kind::Flag,
        "false",
        "Accepts a secret in a file that others may read.",
    ),
    field("api", Kind::Section, "", "How the appliance is reached."),
    field("auth", Kind::Section, "", "How the courier proves who it is."),
    field("certificate", Kind::Section, "", "The certificate."),
    field(
        "certificates",
        Kind::Sections,
        "",
        "Several certificates in place of `certificate`; each has a `name`.",
    ),
    field("logging", Kind::Section, "", "The log."),
    field(
        "discovery",
        Kind::Section,
        "",
        "Certificates on this host that are told to the appliance.",
    ),
];

/// Every key of the file. What stands under `certificate` stands in each section of `certificates` as well.
const TABLES: [&[Field]; 7] = [
    TOP,
    api::FIELDS,
    auth::FIELDS,
    certificate::FIELDS,
    output::FIELDS,
    logging::FIELDS,
    discovery::FIELDS,
];

/// Every key of the file, section by section.
pub fn fields() -> impl Iterator<Item = &'static Field> {
    TABLES.into_iter().flatten()
}

/// Keys that nobody knows, each with the one that was probably meant.
pub(super) fn unknown(value: &Value) -> Vec<Problem> {
    let mut found = Vec::new();
    walk(value, "", "", &mut found);
    found
}

/// `real` is the path as the file has it, `path` the one of the table.
fn walk(value: &Value, path: &str, real: &str, found: &mut Vec<Problem>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let join = |path: &str| {
                    if path.is_empty() {
                        key.clone()
                    } else {
                        format!("{path}.{key}")
                    }
                };
                let (inner, real) = (join(path), join(real));
                match kind_of(&inner) {
                    None => found.push(Problem::new(real, suggestion(path, key))),
                    Some(Kind::Free | Kind::Command) => {}
                    // The kinds of targets know their own keys.
                    Some(Kind::Sections) if inner.ends_with(".deploy") => {}
                    Some(Kind::Sections) => walk(value, "certificate", &real, found),
                    Some(_) => walk(value, &inner, &real, found),
                }
            }
        }
        Value::Array(items) if path == "certificate" => {
            for (number, item) in items.iter().enumerate() {
                walk(item, path, &format!("{real}[{number}]"), found);
            }
        }
        _ => {}
    }
}

fn kind_of(path: &str) -> Option<Kind> {
    let is_it = |field: &&Field| field.path == path;
    if let Some(field) = fields().find(is_it) {
        return Some(field.kind);
    }
    let without = path.strip_suffix("_file")?;
    let field = fields().find(|field| field.path == without)?;
    (field.kind == Kind::Secret).then_some(Kind::Path)
}

fn suggestion(section: &str, key: &str) -> String {
    let inside = fields().filter_map(|field| {
        let (parent, name) = field.path.rsplit_once('.').unwrap_or(("", field.path));
        (parent == section).then_some(name)
    });
    let nearest = inside.map(|name| (distance(key, name), name)).min();
    match nearest {
        Some((far, name)) if far <= name.len() / 2 => format!("is not known; is `{name}` meant?"),
        _ => "is not known".to_owned(),
    }
}

/// Levenshtein's distance.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, left) in one.chars().take(64).enumerate() {
        let mut diagonal = line;
        let mut last = line + 1;
        for (cell, right) in row.iter_mut().skip(1).zip(&other) {
            let above = *cell;
            *cell = (diagonal + usize::from(left != *right))
                .min(above + 1)
                .min(last + 1);
            diagonal = above;
            last = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

/// The path in the table of a path in the file: without numbers, and under `certificate`.
fn in_table(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut is_number = false;
    for character in path.chars() {
        match character {
            '[' => is_number = true,
            ']' => is_number = false,
            other if !is_number => plain.push(other),
            _ => {}
        }
    }
    match plain.strip_prefix("certificates.") {
        Some(rest) => format!("certificate.{rest}"),
        None => plain,
    }
}

/// Whether a value is taken as it stands.
pub(super) fn is_verbatim(path: &str) -> bool {
    kind_of(&in_table(path)) == Some(Kind::Command)
}

/// Whether a value is a secret. A header may be one, so that all are; the address of a proxy is one with a password in it.
pub(super) fn is_secret(path: &str, text: &str) -> bool {
    let path = in_table(path);
    if path == "api.proxy" {
        return text.contains('@');
    }
    if path.starts_with("certificate.deploy.") {
        // What a target calls its secrets only the target knows.
        let key = path.rsplit('.').next().unwrap_or_default();
        let words = ["password", "passphrase", "secret", "token", "api_key"];
        return !key.ends_with("_file") && words.iter().any(|word| key.contains(word));
    }
    kind_of(&path) == Some(Kind::Secret) || path.starts_with("auth.headers.")
}
