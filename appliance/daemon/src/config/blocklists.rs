//! The lists of keys that must not be certified, which the configuration names.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use pki::key::{Blocklist, MAX_BLOCKLIST_LEN};

use super::{Config, ConfigError};

impl Config {
    /// Reads all lists.
    pub(crate) fn read_blocklists(&self) -> Result<Vec<Blocklist>, ConfigError> {
        let read = |path| {
            let path = self.path(path);
            read(&path).map_err(|detail| ConfigError::Blocklist { path, detail })
        };
        self.keys.blocklists.iter().map(|path| read(path)).collect()
    }
}

fn read(path: &Path) -> Result<Blocklist, String> {
    let mut text = String::new();
    let most = u64::try_from(MAX_BLOCKLIST_LEN).unwrap_or(u64::MAX);
    File::open(path)
        .and_then(|file| file.take(most.saturating_add(1)).read_to_string(&mut text))
        .map_err(|error| error.to_string())?;
    Blocklist::parse(&text).map_err(|fault| fault.to_string())
}
