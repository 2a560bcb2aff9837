//! The one time that stands in the packages: `SOURCE_DATE_EPOCH`, or else the time of the last commit.

use anyhow::{Context as _, Result};

use crate::shell;

/// Seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment(u64);

impl Moment {
    /// Reads it.
    pub(super) fn read() -> Result<Self> {
        let text = match std::env::var("SOURCE_DATE_EPOCH") {
            Ok(text) => text,
            Err(_) => shell::output(shell::command("git", &["log", "-1", "--format=%ct"])?)
                .context("this is no git repository: set SOURCE_DATE_EPOCH to the time of the release")?,
        };
        let seconds = text.trim().parse();
        seconds
            .map(Self)
            .with_context(|| format!("SOURCE_DATE_EPOCH: `{}` is no number of seconds", text.trim()))
    }

    /// The number of seconds.
    pub(super) fn seconds(self) -> String {
        self.0.to_string()
    }

    /// As `date` and `touch` read it.
    pub(super) fn at(self) -> String {
        format!("@{}", self.0)
    }

    /// As a changelog of Debian writes it.
    pub(super) fn in_a_changelog(self) -> Result<String> {
        self.written("--rfc-email")
    }

    /// Its year.
    pub(super) fn year(self) -> Result<String> {
        self.written("+%Y")
    }

    fn written(self, form: &str) -> Result<String> {
        let words = ["--utc", "--date", &self.at(), form];
        Ok(shell::output(shell::command("date", &words)?)?.trim().to_owned())
    }
}
