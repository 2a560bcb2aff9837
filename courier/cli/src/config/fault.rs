//! What is wrong with a file: all of it at once, each with the path of its key.

use std::fmt;
use std::path::PathBuf;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The path of the key, as `certificate.sans.dns[1]`.
    pub path: String,
    /// What is wrong with it.
    pub what: String,
}

impl Problem {
    pub(super) fn new(path: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            what: what.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.path, self.what)
    }
}

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigFault {
    /// It cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Everybody may change it.
    #[error("everybody may write to {}, and what it says is run: chmod o-w it", path.display())]
    Writable {
        /// The file.
        path: PathBuf,
    },
    /// It is longer than any configuration.
    #[error("{} is longer than {limit} octets", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The bound.
        limit: u64,
    },
    /// It is no YAML, or none that is read here.
    #[error("it is not the YAML that is read here: {0}")]
    Syntax(String),
    /// It says something that does not go.
    #[error("{}", listed(.0))]
    Problems(Vec<Problem>),
}

fn listed(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("; ")
}
