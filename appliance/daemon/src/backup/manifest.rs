//! What a backup says of itself, before everything else and after it.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::dump::TableSum;
use uuid::Uuid;

use super::write::hexadecimal;

/// The version of this form. A program reads its own and older ones.
pub(crate) const FORMAT: u32 = 2;
/// The names of the three in the archive.
pub(crate) const HEADER: &str = "header.json";
pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const SIGNATURE: &str = "manifest.sig";
/// Where tables and files stand in the archive.
pub(crate) const TABLES: &str = "tables";
pub(crate) const FILES: &str = "files";

/// What has to be known before anything is read.
// stored: in backups
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Header {
    /// The version of the form.
    pub(crate) format: u32,
    /// Which backup it is.
    pub(crate) id: Uuid,
    /// The program that made it, and its version.
    pub(crate) program: String,
    pub(crate) version: String,
    /// The version of the store's schema.
    pub(crate) schema: i64,
    /// Which installation it is of, and in which epoch.
    pub(crate) installation: String,
    pub(crate) epoch: i64,
    /// When it was begun: what happened later may be missing.
    pub(crate) taken_at: Timestamp,
    /// Where things were.
    pub(crate) places: Places,
}

/// Where things were.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Places {
    /// The state folder.
    pub(crate) state: PathBuf,
    /// The folder of `chancery.toml`; often the same.
    pub(crate) configuration: PathBuf,
    /// The name of that file.
    pub(crate) config: String,
    /// The configuration of the signing process, if it could be read.
    pub(crate) signing: Option<FileName>,
}

/// Everything else.
// stored: in backups
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Manifest {
    /// The same as at the beginning.
    pub(crate) header: Header,
    /// What every table had in it.
    pub(crate) tables: Vec<TableSum>,
    /// The end of the audit log.
    pub(crate) audit: AuditEnd,
    /// The keys that the CAs, their responders and the audit log sign with.
    pub(crate) keys: Vec<Key>,
    /// The files.
    pub(crate) files: Vec<File>,
    /// What was left out, and why.
    pub(crate) left_out: Vec<String>,
    /// The pieces of the tables as they stand in the archive; form 1 does not tell.
    #[serde(default)]
    pub(crate) pieces: Option<Pieces>,
    /// The verifier key of the audit log, whose key signs this; none before there is one.
    #[serde(default)]
    pub(crate) log_key: Option<String>,
}

/// All pieces of the tables.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Pieces {
    /// How many.
    pub(crate) count: u64,
    /// How long they are together.
    pub(crate) octets: u64,
    /// SHA-256 of their names, lengths and octets in their order, hexadecimal.
    pub(crate) digest: String,
}

/// Adds the pieces up, in writing and in reading.
pub(crate) struct PieceSum {
    count: u64,
    octets: u64,
    digest: Context,
}

impl PieceSum {
    pub(crate) fn new() -> Self {
        Self {
            count: 0,
            octets: 0,
            digest: Context::new(&SHA256),
        }
    }

    /// How many there are so far.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Takes one by its path in the archive.
    pub(crate) fn take(&mut self, name: &Path, octets: &[u8]) {
        let name = name.as_os_str().as_encoded_bytes();
        for part in [name, octets] {
            self.digest.update(&(part.len() as u64).to_be_bytes());
            self.digest.update(part);
        }
        self.count += 1;
        self.octets += octets.len() as u64;
    }

    pub(crate) fn finish(self) -> Pieces {
        Pieces {
            count: self.count,
            octets: self.octets,
            digest: hexadecimal(self.digest.finish().as_ref()),
        }
    }
}

/// The end of the audit log.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct AuditEnd {
    /// How many entries.
    pub(crate) entries: i64,
    /// The hash of the last, hexadecimal.
    pub(crate) head: String,
}

/// A key.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Key {
    /// SHA-256 of its SubjectPublicKeyInfo, hexadecimal.
    pub(crate) fingerprint: String,
    /// Its kind.
    pub(crate) algorithm: String,
    /// SubjectPublicKeyInfo, hexadecimal.
    pub(crate) spki: String,
    /// The token that holds it, by its name in `signerd.toml`, and its label there.
    pub(crate) token: String,
    pub(crate) label: String,
    /// What signs with it: `ca NAME GENERATION`, `responder of NAME GENERATION` or `audit log`.
    pub(crate) used_by: Vec<String>,
    /// The subjects from the certificate of its CA up to the root; none for a key of the audit log.
    pub(crate) chain: Vec<String>,
    /// Whether the key itself is in the backup.
    pub(crate) is_included: bool,
}

/// Where a file belongs.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// In the state folder.
    State,
    /// In the folder of the configuration, where that is another one.
    Configuration,
    /// At an absolute path that the configuration names.
    Elsewhere,
    /// In the folder of a soft token.
    Token,
}

/// A file's place: below the folder of its role.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct FileName {
    /// Which folder.
    pub(crate) role: Role,
    /// The path in it.
    pub(crate) path: PathBuf,
}

/// A file.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct File {
    /// Its place.
    #[serde(flatten)]
    pub(crate) name: FileName,
    /// Its permissions.
    pub(crate) mode: u32,
    /// Its length.
    pub(crate) octets: u64,
    /// SHA-256, hexadecimal.
    pub(crate) digest: String,
}

impl Places {
    /// Whether no name in it leads out of the folder that it belongs to.
    pub(crate) fn is_inside(&self) -> bool {
        let is_whole = |path: &Path| {
            let mut parts = path.components();
            parts.next() == Some(Component::RootDir) && parts.all(|part| matches!(part, Component::Normal(_)))
        };
        let mut name = Path::new(&self.config).components();
        is_whole(&self.state)
            && is_whole(&self.configuration)
            && matches!(name.next(), Some(Component::Normal(_)))
            && name.next().is_none()
            && self.signing.as_ref().is_none_or(FileName::is_inside)
    }
}

impl Role {
    const ALL: [Self; 4] = [Self::State, Self::Configuration, Self::Elsewhere, Self::Token];
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::State => "state",
            Self::Configuration => "configuration",
            Self::Elsewhere => "elsewhere",
            Self::Token => "token",
        })
    }
}

impl FileName {
    pub(crate) fn new(role: Role, path: &Path) -> Self {
        Self {
            role,
            path: path.to_owned(),
        }
    }

    /// Its path in the archive.
    pub(crate) fn in_archive(&self) -> PathBuf {
        Path::new(FILES).join(self.role.to_string()).join(&self.path)
    }

    /// Where one lies that belongs to an absolute path.
    pub(crate) fn at_root(&self) -> PathBuf {
        Path::new("/").join(&self.path)
    }

    /// From a path in the archive; nothing when it leads out of its folder.
    pub(crate) fn from_archive(path: &Path) -> Option<Self> {
        let mut parts = path.components();
        if parts.next()? != Component::Normal(FILES.as_ref()) {
            return None;
        }
        let role = parts.next()?.as_os_str().to_str()?;
        let role = Role::ALL.into_iter().find(|one| one.to_string() == role)?;
        let name = Self::new(role, parts.as_path());
        name.is_inside().then_some(name)
    }

    fn is_inside(&self) -> bool {
        let is_inside = self
            .path
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        is_inside && self.path.file_name().is_some()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    #[test]
    fn a_name_in_the_archive_leads_nowhere_else() {
        let name = FileName::new(Role::State, Path::new("tls/server.pem"));
        assert_eq!(FileName::from_archive(&name.in_archive()).unwrap(), name);
        for path in [
            "files/state/../../etc/passwd",
            "files/elsewhere//",
            "files/state",
            "files/other/a",
            "tables/state/a",
            "/files/state/a",
            "files/token/a/../b",
        ] {
            assert_eq!(FileName::from_archive(Path::new(path)), None, "{path}");
        }
    }

    #[test]
    fn a_place_leads_nowhere_else() {
        let places = |state: &str, config: &str, signing: &str| Places {
            state: state.into(),
            configuration: "/etc/chancery".into(),
            config: config.to_owned(),
            signing: Some(FileName::new(Role::Elsewhere, Path::new(signing))),
        };
        assert!(places("/var/lib/chancery", "chancery.toml", "srv/signerd.toml").is_inside());
        for (state, config, signing) in [
            ("/var/../etc", "chancery.toml", "signerd.toml"),
            ("var", "chancery.toml", "signerd.toml"),
            ("/var", "../chancery.toml", "signerd.toml"),
            ("/var", "/etc/passwd", "signerd.toml"),
            ("/var", "a/chancery.toml", "signerd.toml"),
            ("/var", "", "signerd.toml"),
            ("/var", "chancery.toml", "../signerd.toml"),
            ("/var", "chancery.toml", "/etc/signerd.toml"),
            ("/var", "chancery.toml", ""),
        ] {
            assert!(
                !places(state, config, signing).is_inside(),
                "{state} {config} {signing}"
            );
        }
    }
}
