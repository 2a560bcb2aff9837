//! A kind of target: its name, its settings, and how it is made from them.

use std::fmt;
use std::path::{Component, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bundle::Bundle;
use crate::fault::Fault;
use crate::plan::Plan;

/// A server on this host that takes certificates as files.
pub trait HostTarget: fmt::Debug + Send + Sync {
    /// What has to happen. Pure: nothing is done.
    fn plan(&self, bundle: &Bundle) -> Result<Plan, Fault>;

    /// The files that it puts: known before there is a certificate.
    fn paths(&self) -> Vec<PathBuf>;

    /// Whether it wants the key in one file with the certificate, which goes for keys that are files alone.
    fn joins_key(&self) -> bool {
        false
    }
}

/// A setting.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it is when it is absent.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// One thing that is wrong with settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The setting.
    pub field: String,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.field, self.what)
    }
}

impl Field {
    /// Whether its value is a path; a relative one begins where the configuration is.
    pub fn is_path(&self) -> bool {
        self.name.ends_with("_path") || self.name.ends_with("_socket")
    }
}

/// How a target is made.
pub type Build = fn(Value) -> Result<Box<dyn HostTarget>, Vec<Problem>>;

/// A kind of target.
#[derive(Debug)]
pub struct Kind {
    /// Its name in configurations.
    pub name: &'static str,
    /// What it is, in a line.
    pub summary: &'static str,
    /// Its settings.
    pub fields: &'static [Field],
    /// Makes one.
    pub build: Build,
}

/// Reads settings: unknown ones are all named, each with the nearest one that is known.
pub fn settings<T: DeserializeOwned>(fields: &[Field], value: Value) -> Result<T, Vec<Problem>> {
    let Value::Object(map) = &value else {
        return Err(vec![problem("", "is a section of names and values")]);
    };
    let unknown: Vec<Problem> = map
        .keys()
        .filter(|key| !fields.iter().any(|field| field.name == key.as_str()))
        .map(|key| problem(key, &suggestion(fields, key)))
        .collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    serde_json::from_value(value).map_err(|error| vec![problem("", &error.to_string())])
}

/// What keeps files from being put there: a path is absolute and names a file, and no two of a target are the same.
pub fn check_paths(paths: &[(&str, PathBuf)]) -> Result<(), Vec<Problem>> {
    let mut problems = Vec::new();
    for (number, (field, path)) in paths.iter().enumerate() {
        let is_climbing = path.components().any(|part| part == Component::ParentDir);
        let ends_in_name =
            path.to_str().is_some_and(|text| !text.ends_with('/')) && path.file_name().is_some();
        if !path.is_absolute() || is_climbing || !ends_in_name {
            problems.push(problem(field, "is the absolute path of a file, without `..`"));
        }
        let others = paths.iter().take(number);
        for (other, _) in others.filter(|(_, other)| other == path) {
            problems.push(problem(field, &format!("is the same file as `{other}`")));
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}

/// A problem of a setting.
pub fn problem(field: &str, what: &str) -> Problem {
    Problem {
        field: field.to_owned(),
        what: what.to_owned(),
    }
}

fn suggestion(fields: &[Field], key: &str) -> String {
    let shared = |name: &str| {
        name.chars()
            .zip(key.chars())
            .take_while(|(one, other)| one == other)
            .count()
    };
    let nearest = fields.iter().max_by_key(|field| shared(field.name));
    match nearest {
        Some(field) if shared(field.name) >= 2 => format!("is not known; is `{}` meant?", field.name),
        _ => "is not known".to_owned(),
    }
}
