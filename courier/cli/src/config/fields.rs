//! Every key there is: which section it stands in, what it takes, what counts without it, and what it means.
//!
//! Unknown keys are told from these rows, and the page of the manual and the comments of a starter file are made of them.

mod api;
mod auth;
mod certificate;
mod logging;

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The path of its section, `certificate.output`; empty at the top.
    pub section: &'static str,
    /// The key.
    pub key: &'static str,
    /// What it takes.
    pub kind: &'static str,
    /// What counts when it is not there.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// Whether it is a secret: a key with `_file` behind it names a file instead.
    pub is_secret: bool,
    /// The methods that it belongs to; none means all.
    pub methods: &'static [&'static str],
}

impl Field {
    const fn new(section: &'static str, [key, kind, default, meaning]: [&'static str; 4]) -> Self {
        Self {
            section,
            key,
            kind,
            default,
            meaning,
            is_secret: false,
            methods: &[],
        }
    }

    const fn secret(section: &'static str, row: [&'static str; 4]) -> Self {
        let mut field = Self::new(section, row);
        field.is_secret = true;
        field
    }

    const fn of(mut self, methods: &'static [&'static str]) -> Self {
        self.methods = methods;
        self
    }

    /// Its whole path.
    pub fn path(&self) -> String {
        if self.section.is_empty() {
            return self.key.to_owned();
        }
        format!("{}.{}", self.section, self.key)
    }
}

/// The keys at the top.
const TOP: &[Field] = &[
    Field::new("", ["version", "`1`", "`1`", "The version of the format."]),
    Field::new(
        "",
        [
            "allow_insecure_permissions",
            "bool",
            "`false`",
            "Lets the file hold secrets although others than its owner may read it.",
        ],
    ),
    Field::new(
        "",
        [
            "certificates",
            "list of maps",
            "–",
            "Several certificates, each with the keys of `certificate`, instead of `certificate`.",
        ],
    ),
];

/// The rows, section by section.
pub const FIELDS: [&[Field]; 5] = [
    TOP,
    api::FIELDS,
    auth::FIELDS,
    certificate::FIELDS,
    logging::FIELDS,
];

/// All rows in their order.
pub fn all() -> impl Iterator<Item = &'static Field> {
    FIELDS.into_iter().flatten()
}

/// The row of a key.
pub(super) fn find(section: &str, key: &str) -> Option<&'static Field> {
    all().find(|field| field.section == section && field.key == key)
}

/// Whether a section has a key.
pub(super) fn is_known(section: &str, key: &str) -> bool {
    let is_file = |field: &&Field| field.is_secret && key.strip_suffix("_file") == Some(field.key);
    find(section, key).is_some()
        || all()
            .filter(|field| field.section == section)
            .any(|field| is_file(&field))
        || subsections(section).any(|name| name == key)
}

/// The keys of a section, for a suggestion.
pub(super) fn keys_of(section: &str) -> impl Iterator<Item = &'static str> {
    let keys = all().filter(move |field| field.section == section);
    keys.map(|field| field.key).chain(subsections(section))
}

/// The sections right below one.
fn subsections(section: &str) -> impl Iterator<Item = &'static str> {
    all().filter_map(move |field| {
        if section.is_empty() {
            return (!field.section.is_empty() && !field.section.contains('.')).then_some(field.section);
        }
        let below = field.section.strip_prefix(section)?.strip_prefix('.')?;
        (!below.contains('.')).then_some(below)
    })
}
