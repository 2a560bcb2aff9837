//! A section of the file while it is read: values by their key and type, problems collected on the way.

use std::cell::RefCell;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::{ConfigFault, Origin, Problem};
use crate::auth::Environment;

/// Longest file with a secret, in octets.
const MAX_SECRET: u64 = 64 * 1024;

/// A reading of one file.
pub(super) struct Reading<'a> {
    origin: Origin<'a>,
    pub(super) environment: &'a dyn Environment,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<String>>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(origin: Origin<'a>, environment: &'a dyn Environment) -> Self {
        Self {
            origin,
            environment,
            problems: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    pub(super) fn root<'r>(&'r self, value: &'r Value) -> Section<'r> {
        Section {
            path: String::new(),
            map: value.as_object(),
            reading: self,
        }
    }

    pub(super) fn problem(&self, path: &str, what: impl Into<String>) {
        self.problems.borrow_mut().push(Problem::new(path, what));
    }

    pub(super) fn add(&self, problems: impl IntoIterator<Item = Problem>) {
        self.problems.borrow_mut().extend(problems);
    }

    pub(super) fn warn(&self, text: String) {
        self.warnings.borrow_mut().push(text);
    }

    /// The result, when there is no problem.
    pub(super) fn finish<T>(self, make: impl FnOnce(Vec<String>) -> T) -> Result<T, ConfigFault> {
        let problems = self.problems.into_inner();
        if problems.is_empty() {
            return Ok(make(self.warnings.into_inner()));
        }
        Err(ConfigFault::Problems(problems))
    }

    /// A path of the file as an absolute one. A name alone is looked for among the credentials of the service first.
    pub(super) fn path(&self, text: &str) -> PathBuf {
        if let Some(directory) = self.environment.var("CREDENTIALS_DIRECTORY")
            && !text.contains('/')
        {
            let credential = PathBuf::from(directory).join(text);
            if credential.is_file() {
                return credential;
            }
        }
        self.origin.base.join(text)
    }

    /// The stem of the file: what a certificate without a name is called.
    pub(super) fn stem(&self) -> String {
        let stem = self
            .origin
            .path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned());
        stem.unwrap_or_default()
    }

    /// A secret in a file of its own, which others must not read.
    pub(super) fn secret_file(&self, text: &str) -> Result<String, String> {
        let path = self.path(text);
        let named = |what: &str| format!("names {}, which {what}", path.display());
        let metadata =
            std::fs::metadata(&path).map_err(|error| named(&format!("cannot be read: {error}")))?;
        if !metadata.is_file() || metadata.len() > MAX_SECRET {
            return Err(named("is no file with a secret"));
        }
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(named("others may read: chmod 600 it"));
        }
        let text = std::fs::read_to_string(&path);
        let mut text = text.map_err(|error| named(&format!("cannot be read: {error}")))?;
        while text.ends_with(['\n', '\r']) {
            text.pop();
        }
        Ok(text)
    }
}

/// A section.
#[derive(Clone)]
pub(super) struct Section<'a> {
    path: String,
    map: Option<&'a Map<String, Value>>,
    pub(super) reading: &'a Reading<'a>,
}

impl<'a> Section<'a> {
    /// Whether the file has it.
    pub(super) fn is_there(&self) -> bool {
        self.map.is_some()
    }

    /// The path of a key.
    pub(super) fn at(&self, key: &str) -> String {
        if self.path.is_empty() {
            return key.to_owned();
        }
        format!("{}.{key}", self.path)
    }

    pub(super) fn problem(&self, key: &str, what: impl Into<String>) {
        self.reading.problem(&self.at(key), what);
    }

    /// A value, unless it is absent or null.
    pub(super) fn value(&self, key: &str) -> Option<&'a Value> {
        self.map?.get(key).filter(|value| !value.is_null())
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// A section within.
    pub(super) fn section(&self, key: &str) -> Self {
        let value = self.value(key);
        if value.is_some_and(|value| !value.is_object()) {
            self.problem(key, "is a section: write its keys below it");
        }
        Section {
            path: self.at(key),
            map: value.and_then(Value::as_object),
            reading: self.reading,
        }
    }

    /// The sections of a list.
    pub(super) fn sections(&self, key: &str) -> Vec<Self> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let Some(items) = value.as_array() else {
            self.problem(key, "is a list");
            return Vec::new();
        };
        let items = items.iter().enumerate();
        items
            .map(|(number, item)| {
                if !item.is_object() {
                    self.problem(
                        &format!("{key}[{number}]"),
                        "is a section: write its keys below it",
                    );
                }
                Section {
                    path: self.at(&format!("{key}[{number}]")),
                    map: item.as_object(),
                    reading: self.reading,
                }
            })
            .collect()
    }

    /// A text; numbers are texts as well.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        match self.value(key)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => {
                self.problem(key, "is a text");
                None
            }
        }
    }

    /// A text that has to be there.
    pub(super) fn needed(&self, key: &str, why: &str) -> Option<String> {
        if !self.has(key) {
            self.problem(key, format!("is missing: {why}"));
        }
        self.text(key)
    }

    /// A text of some form.
    pub(super) fn parsed<T: FromStr<Err: std::fmt::Display>>(&self, key: &str) -> Option<T> {
        match self.text(key)?.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(key, format!("is not understood: {error}"));
                None
            }
        }
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            self.problem(key, format!("is one of {}", known.join(", ")));
        }
        found.map(|(_, value)| *value)
    }

    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        match self.value(key)? {
            Value::Bool(flag) => Some(*flag),
            // What stood in a variable is a text.
            Value::String(text) if text == "true" => Some(true),
            Value::String(text) if text == "false" => Some(false),
            _ => {
                self.problem(key, "is true or false");
                None
            }
        }
    }

    /// A whole number within bounds.
    pub(super) fn number(&self, key: &str, least: u32, most: u32) -> Option<u32> {
        let text = self.text(key)?;
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.problem(key, format!("is a whole number from {least} to {most}"));
        }
        number
    }

    /// A length of time, as `90s`, `12h` or `30d`.
    pub(super) fn duration(&self, key: &str) -> Option<SignedDuration> {
        let text = self.text(key)?;
        let found = duration(&text);
        if found.is_none() {
            self.problem(key, "is a length of time, as 90s, 12h or 30d");
        }
        found
    }

    pub(super) fn unsigned_duration(&self, key: &str) -> Option<Duration> {
        let found = Duration::try_from(self.duration(key)?);
        if found.is_err() {
            self.problem(key, "is not negative");
        }
        found.ok()
    }

    pub(super) fn path_of(&self, key: &str) -> Option<PathBuf> {
        let text = self.text(key)?;
        if text.is_empty() || text.contains('\0') {
            self.problem(key, "is a path");
            return None;
        }
        Some(self.reading.path(&text))
    }

    /// A list of texts; one alone needs no list.
    pub(super) fn texts(&self, key: &str) -> Vec<String> {
        match self.value(key) {
            None => Vec::new(),
            Some(Value::Array(items)) => {
                let texts = items.iter().enumerate();
                texts
                    .filter_map(|(number, item)| match item {
                        Value::String(text) => Some(text.clone()),
                        Value::Number(number) => Some(number.to_string()),
                        _ => {
                            self.problem(&format!("{key}[{number}]"), "is a text");
                            None
                        }
                    })
                    .collect()
            }
            Some(_) => self.text(key).into_iter().collect(),
        }
    }

    /// A secret: here, or in the file that `<key>_file` names.
    pub(super) fn secret(&self, key: &str) -> Option<SecretString> {
        let file = format!("{key}_file");
        match (self.has(key), self.text(&file)) {
            (true, Some(_)) => {
                self.problem(key, format!("and `{file}` are both there: choose one"));
                None
            }
            (false, Some(path)) => match self.reading.secret_file(&path) {
                Ok(secret) => Some(SecretString::from(secret)),
                Err(what) => {
                    self.problem(&file, what);
                    None
                }
            },
            (_, None) => self.text(key).map(SecretString::from),
        }
    }

    /// `version` is 1 where it is said.
    pub(super) fn version(&self) {
        if self.has("version") && self.text("version").as_deref() != Some("1") {
            self.problem("version", "is 1: another version is not known here");
        }
    }
}

/// A length of time; days are 24 hours.
fn duration(text: &str) -> Option<SignedDuration> {
    let text = text.trim();
    if let Some(days) = text.strip_suffix('d')
        && let Ok(days) = days.trim().parse::<i64>()
    {
        return days
            .checked_mul(24)
            .and_then(|hours| hours.checked_mul(3600))
            .map(SignedDuration::from_secs);
    }
    text.parse().ok()
}
