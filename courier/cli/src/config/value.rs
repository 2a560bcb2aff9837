//! What the YAML says, before anything is known of its meaning.
//!
//! YAML 1.2 core schema, one document, no key twice, no foreign tag, bounded in length, depth and in what aliases may unfold to. What is
//! wrong is told with its place and never with the text that stands there: it may be a secret.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Error;
use zeroize::Zeroizing;

/// Longest file read, in octets.
pub const MAX_LEN: usize = 1024 * 1024;
/// Deepest nesting.
const MAX_DEPTH: usize = 16;
/// Most nodes, those that aliases unfold to included.
const MAX_NODES: usize = 20_000;

/// A node.
#[derive(Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(Zeroizing<String>),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

impl Value {
    /// What it is, for a message.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// Reads a whole file.
pub(super) fn read(text: &str) -> Result<Value, String> {
    if text.len() > MAX_LEN {
        return Err(format!("the file is longer than {MAX_LEN} octets"));
    }
    let mut budget = serde_saphyr::Budget::default();
    budget.max_depth = MAX_DEPTH;
    budget.flow_nesting_limit = MAX_DEPTH;
    budget.max_nodes = MAX_NODES;
    budget.max_events = MAX_NODES * 2;
    budget.max_aliases = 1000;
    budget.max_anchors = 1000;
    let mut options = serde_saphyr::Options::default();
    options.budget = Some(budget);
    options.alias_limits.max_total_replayed_events = MAX_NODES;
    options.strict_booleans = true;
    options.leading_zero_numbers_as_strings = true;
    options.underscored_numbers_as_strings = true;
    options.reject_unsupported_tags = true;
    options.with_snippet = false;
    serde_saphyr::from_str_with_options::<Option<Value>>(text, options)
        .map(|value| value.unwrap_or(Value::Map(Vec::new())))
        .map_err(|error| told(&error))
}

/// The place and what is wrong there, without the text that stands there.
fn told(error: &Error) -> String {
    let why = match error.without_snippet() {
        Error::AliasError { error, .. } => reason(error.without_snippet()),
        error => reason(error),
    };
    match error.location() {
        Some(at) if at.line() > 0 => format!("line {}, column {}: {why}", at.line(), at.column()),
        _ => why,
    }
}

fn reason(error: &Error) -> String {
    match error {
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            let key: String = key.chars().take(60).flat_map(char::escape_debug).collect();
            format!("the key `{key}` stands there twice")
        }
        Error::DuplicateMappingKey { .. } => "a key stands there twice".to_owned(),
        Error::MultipleDocuments { .. } => "there is more than one document".to_owned(),
        Error::UnsupportedTag { .. } | Error::TaggedEnumMismatch { .. } => "tags are not used".to_owned(),
        Error::UnknownAnchor { .. } => "there is no anchor of that name".to_owned(),
        Error::Eof { .. } => "the file ends too early".to_owned(),
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            format!("too much: at most {MAX_DEPTH} levels and {MAX_NODES} values, aliases unfolded")
        }
        Error::NonFiniteFloat { .. } => "the number is not finite".to_owned(),
        Error::RecursiveReferencesRequireWeakTypes { .. } => "an alias refers to itself".to_owned(),
        _ => "this is no YAML that can be read".to_owned(),
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        // A number beyond the range of every field: the field says so.
        Ok(i64::try_from(value).map_or_else(|_| Value::Text(value.to_string().into()), Value::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(Zeroizing::new(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(Zeroizing::new(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Value::Map(map))
    }
}
