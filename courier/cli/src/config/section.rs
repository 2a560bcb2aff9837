//! A section of the file while it is read: values by their key and type, problems collected on the way.

use std::cell::RefCell;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use secrecy::SecretString;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::file::{MAX_SECRET, regular};
use super::{ConfigFault, Origin, Problem};
use crate::auth::Environment;

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

    /// Whether something is known to be wrong with a key.
    fn is_told(&self, path: &str) -> bool {
        self.problems.borrow().iter().any(|problem| problem.path == path)
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
        let Some(directory) = self.credentials() else {
            return self.origin.base.join(text);
        };
        if let Some(below) = text.strip_prefix("$CREDENTIALS_DIRECTORY/") {
            return directory.join(below);
        }
        let credential = directory.join(text);
        if !text.contains('/') && credential.is_file() {
            return credential;
        }
        self.origin.base.join(text)
    }

    /// A path of the file as an absolute one, whatever the credentials of the service are called.
    pub(super) fn beside(&self, text: &str) -> PathBuf {
        self.origin.base.join(text)
    }

    /// Where the service manager puts the credentials of the service.
    fn credentials(&self) -> Option<PathBuf> {
        let directory = PathBuf::from(self.environment.var("CREDENTIALS_DIRECTORY")?);
        directory.is_absolute().then_some(directory)
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
    pub(super) fn secret_file(&self, text: &str) -> Result<Zeroizing<String>, String> {
        let path = self.path(text);
        let named = |what: &str| format!("names {}, which {what}", path.display());
        let (file, metadata) = regular(&path, MAX_SECRET).map_err(|what| named(&what))?;
        // What systemd hands over is this service's alone, by an access list that looks like a group's.
        let is_handed = self
            .credentials()
            .is_some_and(|directory| path.starts_with(directory));
        if !is_handed && metadata.mode() & 0o077 != 0 {
            return Err(named("others may read: chmod 600 it"));
        }
        if !is_handed && ![0, rustix::process::geteuid().as_raw()].contains(&metadata.uid()) {
            return Err(named("belongs to somebody else"));
        }
        let room = usize::try_from(MAX_SECRET).unwrap_or_default();
        // Room for all of it at once: a text that grows leaves copies behind.
        let mut text = Zeroizing::new(String::with_capacity(room));
        file.take(MAX_SECRET)
            .read_to_string(&mut text)
            .map_err(|error| named(&format!("cannot be read: {error}")))?;
        while text.ends_with(['\n', '\r']) {
            text.pop();
        }
        if text.is_empty() {
            return Err(named("is empty"));
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

    /// Whether a key is absent; one whose value could not be found out was told as that.
    pub(super) fn lacks(&self, key: &str) -> bool {
        !self.has(key) && !self.reading.is_told(&self.at(key))
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
        if self.lacks(key) {
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

    /// How long something may take at most; in no time nothing is done.
    pub(super) fn limit(&self, key: &str) -> Option<Duration> {
        let found = self.unsigned_duration(key)?;
        if found.is_zero() {
            self.problem(key, "is more than nothing");
        }
        Some(found)
    }

    pub(super) fn path_of(&self, key: &str) -> Option<PathBuf> {
        let text = self.text(key)?;
        if text.is_empty() || text.contains('\0') {
            self.problem(key, "is a path");
            return None;
        }
        Some(self.reading.path(&text))
    }

    /// A list of paths.
    pub(super) fn paths(&self, key: &str) -> Vec<PathBuf> {
        let texts = self.texts(key).into_iter().enumerate();
        texts
            .filter_map(|(number, text)| {
                if text.is_empty() || text.contains('\0') {
                    self.problem(&format!("{key}[{number}]"), "is a path");
                    return None;
                }
                Some(self.reading.path(&text))
            })
            .collect()
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
                Ok(secret) => Some(SecretString::from(secret.as_str())),
                Err(what) => {
                    self.problem(&file, what);
                    None
                }
            },
            (_, None) => self.secret_text(key),
        }
    }

    /// A secret that stands here. A number would be another text than the one that was written.
    fn secret_text(&self, key: &str) -> Option<SecretString> {
        match self.value(key)? {
            Value::String(text) if !text.is_empty() => Some(SecretString::from(text.as_str())),
            Value::String(_) => {
                self.problem(key, "is empty");
                None
            }
            _ => {
                self.problem(key, "is a text: write it in quotes");
                None
            }
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
