//! A section while it is read: every value by its key, every problem with its path.
//!
//! A reader goes on after a problem with the default of the field, so that all problems are told at once; nothing that was read is used
//! when there is one.

use std::cell::RefCell;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;

use super::fields;
use super::nearest::nearest;
use super::scalar;
use super::substitute::{Filled, fill};
use super::surroundings::Surroundings;
use super::value::Value;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The path of the key, `auth.client_secret`; empty when it is the file as a whole.
    pub path: String,
    /// What is wrong; never a value that may be secret.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return f.write_str(&self.text);
        }
        write!(f, "{}: {}", self.path, self.text)
    }
}

/// What is found while the sections are read.
pub(super) struct Findings<'a> {
    pub(super) surroundings: Surroundings<'a>,
    pub(super) allow_unknown: bool,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<String>>,
    /// The paths of secrets that stand in the file themselves.
    literal_secrets: RefCell<Vec<String>>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(surroundings: Surroundings<'a>, allow_unknown: bool) -> Self {
        Self {
            surroundings,
            allow_unknown,
            problems: RefCell::default(),
            warnings: RefCell::default(),
            literal_secrets: RefCell::default(),
        }
    }

    pub(super) fn problem(&self, path: impl Into<String>, text: impl Into<String>) {
        let problem = Problem {
            path: path.into(),
            text: text.into(),
        };
        let mut problems = self.problems.borrow_mut();
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }

    pub(super) fn warning(&self, text: impl Into<String>) {
        self.warnings.borrow_mut().push(text.into());
    }

    pub(super) fn literal_secret(&self, path: String) {
        self.literal_secrets.borrow_mut().push(path);
    }

    pub(super) fn literal_secrets(&self) -> Vec<String> {
        self.literal_secrets.borrow().clone()
    }

    pub(super) fn into_parts(self) -> (Vec<Problem>, Vec<String>) {
        (self.problems.into_inner(), self.warnings.into_inner())
    }
}

/// A map of the file, or what stands for one that is not there.
#[derive(Clone)]
pub(super) struct Section<'v> {
    pub(super) findings: &'v Findings<'v>,
    path: String,
    /// Its path in the table of fields: without the numbers of lists.
    pattern: &'static str,
    entries: &'v [(String, Value)],
}

impl<'v> Section<'v> {
    /// The map under a path; anything else is a problem.
    pub(super) fn new(
        findings: &'v Findings<'v>,
        path: String,
        pattern: &'static str,
        value: Option<&'v Value>,
    ) -> Self {
        let entries: &[_] = match value {
            Some(Value::Map(entries)) => entries,
            None | Some(Value::Null) => &[],
            Some(other) => {
                findings.problem(&path, format!("is {}, where a map is expected", other.kind()));
                &[]
            }
        };
        let section = Self {
            findings,
            path,
            pattern,
            entries,
        };
        section.look_for_strangers();
        section
    }

    /// The section below a key.
    pub(super) fn below(&self, key: &str, pattern: &'static str) -> Self {
        Self::new(self.findings, self.path_of(key), pattern, self.raw(key))
    }

    /// The sections of a list below a key.
    pub(super) fn each_below(&self, key: &str, pattern: &'static str) -> Vec<Self> {
        let items = self.list(key).iter().enumerate();
        items
            .map(|(number, item)| {
                let path = format!("{}[{number}]", self.path_of(key));
                Self::new(self.findings, path, pattern, Some(item))
            })
            .collect()
    }

    fn look_for_strangers(&self) {
        for (key, _) in self.entries {
            if fields::is_known(self.pattern, key) {
                continue;
            }
            let text = match nearest(key, fields::keys_of(self.pattern)) {
                Some(name) => format!("there is no such key; perhaps `{name}` is meant"),
                None => "there is no such key".to_owned(),
            };
            let path = self.path_of(&scalar::printable(key));
            if self.findings.allow_unknown {
                self.findings.warning(format!("{path}: {text}"));
            } else {
                self.findings.problem(path, text);
            }
        }
    }

    /// The path of a key.
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            return key.to_owned();
        }
        format!("{}.{key}", self.path)
    }

    pub(super) fn problem(&self, key: &str, text: impl Into<String>) {
        self.findings.problem(self.path_of(key), text);
    }

    /// The keys that are there.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'v str> {
        self.entries.iter().map(|(key, _)| key.as_str())
    }

    /// A value that is there and is not nothing.
    pub(super) fn raw(&self, key: &str) -> Option<&'v Value> {
        let found = self.entries.iter().find(|(name, _)| name == key);
        found
            .map(|(_, value)| value)
            .filter(|value| !matches!(value, Value::Null))
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.raw(key).is_some()
    }

    /// Whether a text stands in the file itself.
    pub(super) fn is_literal(&self, key: &str) -> bool {
        matches!(self.raw(key), Some(Value::Text(text)) if !text.contains("${"))
    }

    fn list(&self, key: &str) -> &'v [Value] {
        match self.raw(key) {
            Some(Value::List(items)) => items,
            Some(other) => {
                self.problem(key, format!("is {}, where a list is expected", other.kind()));
                &[]
            }
            None => &[],
        }
    }

    fn filled(&self, path: &str, value: &Value) -> Option<Filled> {
        let Value::Text(text) = value else {
            let hint = match value {
                Value::List(_) | Value::Map(_) => "",
                _ => "; write it in quotes",
            };
            let kind = value.kind();
            self.findings
                .problem(path, format!("is {kind}, where a text is expected{hint}"));
            return None;
        };
        match fill(text, &self.findings.surroundings) {
            Ok(filled) => Some(filled),
            Err(why) => {
                self.findings.problem(path, why);
                None
            }
        }
    }

    /// A text.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        let filled = self.filled(&self.path_of(key), self.raw(key)?)?;
        Some(filled.text.as_str().to_owned())
    }

    /// A text that must be there and hold something; the empty text with a problem otherwise.
    pub(super) fn needed(&self, key: &str) -> String {
        if !self.has(key) {
            self.problem(key, "is missing");
            return String::new();
        }
        let text = self.text(key);
        if text.as_deref() == Some("") {
            self.problem(key, "is empty");
        }
        text.unwrap_or_default()
    }

    /// What a text means.
    pub(super) fn parsed<T>(&self, key: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(key)?;
        self.noted(key, parse(&text))
    }

    /// The value, or the reason as a problem.
    pub(super) fn noted<T>(&self, key: &str, result: Result<T, String>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(why) => {
                self.problem(key, why);
                None
            }
        }
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let text = match self.raw(key)? {
            // `min_tls: 1.2`
            Value::Float(number) => number.to_string(),
            _ => self.text(key)?,
        };
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.problem(key, format!("is none of {}", words.join(", ")));
        }
        found.map(|(_, value)| *value)
    }

    /// True or false.
    pub(super) fn flag(&self, key: &str, default: bool) -> bool {
        match self.raw(key) {
            None => default,
            Some(Value::Bool(flag)) => *flag,
            Some(Value::Text(_)) => {
                let words = [("true", true), ("false", false)];
                self.choice(key, &words).unwrap_or(default)
            }
            Some(other) => {
                self.problem(
                    key,
                    format!("is {}, where true or false is expected", other.kind()),
                );
                default
            }
        }
    }

    /// A whole number within bounds.
    pub(super) fn number<T>(&self, key: &str, least: T, most: T) -> Option<T>
    where
        T: TryFrom<i64> + FromStr + PartialOrd + fmt::Display + Copy,
    {
        let number = match self.raw(key)? {
            Value::Integer(number) => T::try_from(*number).ok(),
            Value::Text(_) => self.text(key)?.parse().ok(),
            _ => None,
        };
        let within = number.filter(|number| (&least..=&most).contains(&number));
        if within.is_none() {
            self.problem(key, format!("is no whole number from {least} to {most}"));
        }
        within
    }

    /// A time span such as `90s`, `12h`, `30d` or `1h30m`.
    pub(super) fn duration(&self, key: &str) -> Option<Duration> {
        if let Some(Value::Integer(_) | Value::Float(_)) = self.raw(key) {
            self.problem(key, scalar::NO_DURATION);
            return None;
        }
        self.parsed(key, scalar::duration)
    }

    /// A path, made absolute.
    pub(super) fn path(&self, key: &str) -> Option<PathBuf> {
        let path = self.parsed(key, scalar::path)?;
        Some(self.findings.surroundings.absolute(Path::new(&path)))
    }

    /// A list of texts.
    pub(super) fn texts(&self, key: &str) -> Vec<String> {
        let items = self.list(key).iter().enumerate();
        let path = self.path_of(key);
        let texts = items.filter_map(|(number, item)| self.filled(&format!("{path}[{number}]"), item));
        texts.map(|filled| filled.text.as_str().to_owned()).collect()
    }

    /// A secret: a text, or the content of the file that `<key>_file` names.
    pub(super) fn secret(&self, key: &str) -> Option<SecretString> {
        let file_key = format!("{key}_file");
        if !self.has(&file_key) {
            return self.secret_at(&self.path_of(key), self.raw(key)?);
        }
        if self.has(key) {
            self.problem(&file_key, format!("stands beside `{key}`: one of the two"));
        }
        let path = self.parsed(&file_key, scalar::path)?;
        let text = self.noted(
            &file_key,
            self.findings.surroundings.secret_file(Path::new(&path)),
        )?;
        Some(SecretString::from(text.as_str()))
    }

    fn secret_at(&self, path: &str, value: &Value) -> Option<SecretString> {
        let filled = self.filled(path, value)?;
        if filled.text.is_empty() {
            self.findings.problem(path, "is empty");
            return None;
        }
        if filled.is_literal {
            self.findings.literal_secret(path.to_owned());
        }
        Some(SecretString::from(filled.text.as_str()))
    }

    /// A map of texts that may be secret, such as headers; `is_secret` looks at the key.
    pub(super) fn secrets(&self, key: &str, is_secret: impl Fn(&str) -> bool) -> Vec<(String, SecretString)> {
        let entries = match self.raw(key) {
            Some(Value::Map(entries)) => entries.as_slice(),
            Some(other) => {
                self.problem(key, format!("is {}, where a map is expected", other.kind()));
                &[]
            }
            None => &[],
        };
        let texts = entries.iter().filter_map(|(name, value)| {
            let path = format!("{}.{}", self.path_of(key), scalar::printable(name));
            let text = if is_secret(name) {
                self.secret_at(&path, value)?
            } else {
                SecretString::from(self.filled(&path, value)?.text.as_str())
            };
            Some((name.clone(), text))
        });
        texts.collect()
    }

    /// Whatever stands there, for somebody who knows more of it; the texts of `is_secret` keys are taken for secrets.
    pub(super) fn json(&self, path: &str, value: &Value, is_secret: bool) -> Option<serde_json::Value> {
        use serde_json::Value as Json;
        Some(match value {
            Value::Null => Json::Null,
            Value::Bool(flag) => Json::Bool(*flag),
            Value::Integer(number) => Json::from(*number),
            Value::Float(number) => Json::from(*number),
            Value::Text(_) => {
                let filled = self.filled(path, value)?;
                if is_secret && filled.is_literal {
                    self.findings.literal_secret(path.to_owned());
                }
                Json::String(filled.text.as_str().to_owned())
            }
            Value::List(items) => {
                let items = items.iter().enumerate();
                items
                    .filter_map(|(number, item)| self.json(&format!("{path}[{number}]"), item, is_secret))
                    .collect()
            }
            Value::Map(entries) => {
                let entries = entries.iter().filter_map(|(key, item)| {
                    let path = format!("{path}.{}", scalar::printable(key));
                    let is_secret = is_secret || scalar::is_secret_name(key);
                    Some((key.clone(), self.json(&path, item, is_secret)?))
                });
                Json::Object(entries.collect())
            }
        })
    }

    /// The items of a list, for a reader that looks at each itself.
    pub(super) fn items(&self, key: &str) -> Vec<(String, &'v Value)> {
        let path = self.path_of(key);
        let items = self.list(key).iter().enumerate();
        items
            .map(|(number, item)| (format!("{path}[{number}]"), item))
            .collect()
    }
}
