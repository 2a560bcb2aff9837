//! One mapping of the configuration, whose keys are taken out one after another; what is left at the end is not known.

use serde_json::{Map, Value};

use super::nearest::nearest;

/// A mapping and the names that were asked for.
#[derive(Debug)]
pub(super) struct Section {
    path: String,
    values: Map<String, Value>,
    known: Vec<&'static str>,
}

impl Section {
    /// The whole file.
    pub(super) fn top(tree: Value, problems: &mut Vec<String>) -> Self {
        Self::new(String::new(), Some(tree), problems)
    }

    fn new(path: String, value: Option<Value>, problems: &mut Vec<String>) -> Self {
        let values = match value {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(values)) => values,
            Some(_) => {
                let at = if path.is_empty() { "the file" } else { &path };
                problems.push(format!("{at}: must be a mapping of keys"));
                Map::new()
            }
        };
        Self {
            path,
            values,
            known: Vec::new(),
        }
    }

    /// A mapping in it; an empty one when it is not there.
    pub(super) fn section(&mut self, key: &'static str, problems: &mut Vec<String>) -> Self {
        let value = self.take(key);
        Self::new(self.at(key), value, problems)
    }

    /// A value that has to be there.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        problems: &mut Vec<String>,
        read: impl Fn(&str) -> Option<T>,
        wanted: &str,
    ) -> Option<T> {
        if self.values.get(key).is_none_or(Value::is_null) {
            self.take(key);
            problems.push(format!("{}: is missing: {wanted}", self.at(key)));
            return None;
        }
        self.optional(key, problems, read, wanted)
    }

    /// A value that may be there.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        problems: &mut Vec<String>,
        read: impl Fn(&str) -> Option<T>,
        wanted: &str,
    ) -> Option<T> {
        let value = self.take(key).filter(|value| !value.is_null())?;
        let read = text_of(&value).and_then(|text| read(&text));
        if read.is_none() {
            problems.push(format!("{}: must be {wanted}", self.at(key)));
        }
        read
    }

    /// Values, or a single one; none when it is not there.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        problems: &mut Vec<String>,
        read: impl Fn(&str) -> Option<T>,
        wanted: &str,
    ) -> Vec<T> {
        let values = match self.take(key) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(values)) => values,
            Some(single) => vec![single],
        };
        let mut all = Vec::new();
        for (index, value) in values.iter().enumerate() {
            match text_of(value).and_then(|text| read(&text)) {
                Some(value) => all.push(value),
                None => problems.push(format!("{}[{index}]: must be {wanted}", self.at(key))),
            }
        }
        all
    }

    /// Tells what nobody asked for.
    pub(super) fn close(self, problems: &mut Vec<String>) {
        for key in self.values.keys() {
            let near = nearest(key, &self.known);
            let hint = near.map(|near| format!("; did you mean `{near}`?"));
            problems.push(format!(
                "{}: there is no such key{}",
                self.at(key),
                hint.unwrap_or_default()
            ));
        }
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.values.remove(key)
    }

    fn at(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }
}

/// A scalar as it is written.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}
