//! A table of the plan, read key by key, so that everything that is wrong with a plan is told at once.
//!
//! serde stops at the first key it cannot read; whoever writes a plan for a room full of people wants to hear of all of them.

use std::str::FromStr;

use toml::{Table, Value};

/// A table, and where what is wrong with it is noted.
#[derive(Debug)]
pub(super) struct Section<'a> {
    path: String,
    table: Table,
    known: Vec<&'static str>,
    problems: &'a mut Vec<String>,
}

impl<'a> Section<'a> {
    pub(super) fn new(path: String, table: Table, problems: &'a mut Vec<String>) -> Self {
        Self {
            path,
            table,
            known: Vec::new(),
            problems,
        }
    }

    pub(super) fn key(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// Notes that something is wrong with a key.
    pub(super) fn wrong(&mut self, key: &str, what: impl std::fmt::Display) {
        let problem = format!("{}: {what}", self.key(key));
        self.problems.push(problem);
    }

    pub(super) fn problems(&mut self) -> &mut Vec<String> {
        self.problems
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.table.remove(key)
    }

    /// A text that may be absent.
    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        match self.take(key)? {
            Value::String(text) if !text.trim().is_empty() => Some(text),
            Value::String(_) => {
                self.wrong(key, "must not be empty");
                None
            }
            Value::Datetime(time) => Some(time.to_string()),
            other => {
                self.wrong(key, format!("must be a text in quotes, not {}", other.type_str()));
                None
            }
        }
    }

    /// A text that must be there.
    pub(super) fn required(&mut self, key: &'static str) -> Option<String> {
        let is_there = self.table.contains_key(key);
        let text = self.text(key);
        if !is_there {
            self.wrong(key, "is missing");
        }
        text
    }

    /// A text that means something and may be absent.
    pub(super) fn parsed<T>(&mut self, key: &'static str) -> Option<T>
    where
        T: FromStr<Err: std::fmt::Display>,
    {
        let text = self.text(key)?;
        self.meaning(key, &text)
    }

    /// A text that means something and must be there.
    pub(super) fn required_parsed<T>(&mut self, key: &'static str) -> Option<T>
    where
        T: FromStr<Err: std::fmt::Display>,
    {
        let text = self.required(key)?;
        self.meaning(key, &text)
    }

    fn meaning<T>(&mut self, key: &str, text: &str) -> Option<T>
    where
        T: FromStr<Err: std::fmt::Display>,
    {
        text.trim()
            .parse()
            .inspect_err(|fault| self.wrong(key, fault))
            .ok()
    }

    /// A whole number that must be there.
    pub(super) fn number(&mut self, key: &'static str) -> Option<usize> {
        match self.take(key) {
            None => {
                self.wrong(key, "is missing");
                None
            }
            Some(Value::Integer(number)) if usize::try_from(number).is_ok() => usize::try_from(number).ok(),
            Some(_) => {
                self.wrong(key, "must be a whole number, 0 or more");
                None
            }
        }
    }

    /// The tables of an array, each with its path; none when it is absent.
    pub(super) fn tables(&mut self, key: &'static str) -> Vec<(String, Table)> {
        let path = self.key(key);
        match self.take(key) {
            None => Vec::new(),
            Some(Value::Array(array)) => {
                let mut tables = Vec::new();
                for (place, value) in array.into_iter().enumerate() {
                    match value {
                        Value::Table(table) => tables.push((format!("{path}[{place}]"), table)),
                        _ => self
                            .problems
                            .push(format!("{path}[{place}]: must be a table, as [[{path}]]")),
                    }
                }
                tables
            }
            Some(_) => {
                self.wrong(key, format!("must be tables, each begun with [[{path}]]"));
                Vec::new()
            }
        }
    }

    /// Notes every key that was not asked for.
    pub(super) fn finish(self) {
        for key in self.table.keys() {
            let path = self.key(key);
            self.problems.push(format!(
                "{path}: there is no such key here; there are {}",
                self.known.join(", ")
            ));
        }
    }
}
