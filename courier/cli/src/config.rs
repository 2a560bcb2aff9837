//! The configuration file: YAML, read once, checked as a whole.
//!
//! The text becomes values, references in the values are replaced, sections are read by the table of fields, and every problem is told
//! with its key path. A value of a secret is in no message.

mod api;
mod auth;
mod certificate;
mod discovery;
mod fault;
mod field;
mod file;
mod key;
mod logging;
mod section;
mod settings;
mod substitute;
mod summary;
mod text;

use std::path::Path;

pub use fault::{ConfigFault, Problem};
pub use field::{Field, Kind, fields};
pub use settings::{
    Action, Auth, CertificateSettings, Deployment, Hooks, KeyProvider, KeyReuse, KeySettings, LogFormat,
    LogLevel, LogSettings, Renewal, Settings,
};
pub use summary::{Summary, summary};

use crate::auth::Environment;
use section::Reading;

/// Where relative paths begin and what the file is called, apart from its text.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The file.
    pub path: &'a Path,
    /// The directory that relative paths begin in; absolute.
    pub base: &'a Path,
    /// Whether others than its owner may read the file.
    pub is_readable_by_others: bool,
}

/// Reads and checks a file.
pub fn load(
    path: &Path,
    environment: &dyn Environment,
    allow_unknown: bool,
) -> Result<Settings, ConfigFault> {
    let text::Read {
        text,
        is_readable_by_others,
    } = text::read(path)?;
    // A link leads to the text; what the file is called and where its paths begin is said by whoever named it.
    let path = std::path::absolute(path).map_err(|source| ConfigFault::Unreadable {
        path: path.to_path_buf(),
        source,
    })?;
    let base = path.parent().unwrap_or(Path::new("/"));
    let origin = Origin {
        path: &path,
        base,
        is_readable_by_others,
    };
    parse(&text, origin, environment, allow_unknown)
}

/// Checks the text of a file. Other files that it names are read.
pub fn parse(
    text: &str,
    origin: Origin<'_>,
    environment: &dyn Environment,
    allow_unknown: bool,
) -> Result<Settings, ConfigFault> {
    let mut value = text::parse(text)?;
    let reading = Reading::new(origin, environment);
    let literals = substitute::replace(&mut value, &reading);
    let root = reading.root(&value);
    let unknown = field::unknown(&value);
    if allow_unknown {
        for problem in unknown {
            reading.warn(problem.to_string());
        }
    } else {
        reading.add(unknown);
    }
    root.version();
    let api = api::read(&root);
    let allow_insecure = root.flag("allow_insecure_permissions").unwrap_or(false);
    if origin.is_readable_by_others && !allow_insecure {
        reading.add(literals.into_iter().map(|path| {
            Problem::new(
                path,
                "is a secret in a file that others may read: chmod 600 the file, or take the secret from a file or a variable; \
                 `allow_insecure_permissions: true` accepts it",
            )
        }));
    }
    let mut auth = auth::read(&root, api.uuid);
    let certificates = certificate::read_all(&root);
    if let Some(auth) = &mut auth {
        auth::add_installed(&reading, auth, &certificates);
    }
    let logging = logging::read(&root);
    let discovery = discovery::read(&root);
    reading.finish(|warnings| Settings {
        path: origin.path.to_path_buf(),
        api: api.connection,
        action: api.action,
        auth,
        certificates,
        logging,
        discovery,
        warnings,
    })
}

#[cfg(test)]
mod tests;
