//! From a file to a configuration that can be used, or to everything that keeps it from being used.

use std::path::{Component, Path, PathBuf};

use toml::Value;

use super::Config;
use super::nearest::nearest;

/// Why a configuration cannot be used. Starting again without changing it would only repeat the failure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error(
        "{} cannot be read: {source}; name another configuration with --config, or make one with `chancery init`",
        path.display()
    )]
    Unreadable { path: PathBuf, source: std::io::Error },
    /// The file is not TOML, or has keys that mean nothing.
    #[error("{}: {detail}", path.display())]
    Malformed { path: PathBuf, detail: String },
    /// A list of bad keys that is named cannot be read.
    #[error("keys.blocklists: {}: {detail}", path.display())]
    Blocklist { path: PathBuf, detail: String },
    /// Values that cannot be; each with the path of its key.
    #[error("{} cannot be used:\n  {}", path.display(), problems.join("\n  "))]
    Problems { path: PathBuf, problems: Vec<String> },
}

impl Config {
    /// Reads a file, checks it, and makes its paths absolute.
    pub(crate) fn load(path: &Path) -> Result<Self, ConfigError> {
        let own = || path.to_owned();
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: own(), source })?;
        let mut config =
            Self::parse(&text).map_err(|detail| ConfigError::Malformed { path: own(), detail })?;
        let folder = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let folder =
            std::path::absolute(folder).map_err(|source| ConfigError::Unreadable { path: own(), source })?;
        config.state_dir = folder
            .join(&config.state_dir)
            .components()
            .filter(|part| *part != Component::CurDir)
            .collect();
        let problems = config.check();
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError::Problems {
                path: own(),
                problems,
            })
        }
    }

    /// Reads TOML; an unknown key is answered with the nearest one.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| {
            let text = error.to_string();
            let text = text.trim_end();
            nearest(text).map_or_else(
                || text.to_owned(),
                |near| format!("{text}\ndid you mean `{near}`?"),
            )
        })
    }

    /// The keys whose values differ, by path.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let (one, other) = (self.leaves(), other.leaves());
        let mut keys: Vec<String> = one
            .iter()
            .filter(|leaf| !other.contains(leaf))
            .chain(other.iter().filter(|leaf| !one.contains(leaf)))
            .map(|(key, _)| key.clone())
            .collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// Every key that has a value, by path.
    fn leaves(&self) -> Vec<(String, Value)> {
        let mut leaves = Vec::new();
        if let Ok(Value::Table(table)) = Value::try_from(self) {
            for (name, value) in table {
                match value {
                    Value::Table(section) => {
                        leaves.extend(
                            section
                                .into_iter()
                                .map(|(key, value)| (format!("{name}.{key}"), value)),
                        );
                    }
                    value => leaves.push((name, value)),
                }
            }
        }
        leaves
    }
}
