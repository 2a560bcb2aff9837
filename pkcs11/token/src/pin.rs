//! Where a PIN or passphrase comes from.
//!
//! It is read when it is needed and wiped afterwards: between two logins this process holds no copy. It never comes
//! from the command line or the environment, where other processes could read it.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::config::TokenConfig;
use crate::error::Error;

/// More than any PIN has; a file that is longer is not a PIN file.
const MAX_SECRET: usize = 1024;

/// Where a PIN or passphrase comes from.
#[derive(Clone)]
pub enum PinSource {
    /// The first line of a file that only its owner and group may read.
    File(PathBuf),
    /// A systemd credential of this name (`$CREDENTIALS_DIRECTORY`).
    Credential(String),
    /// Asked for at a prompt, and held by the caller.
    Given(SecretString),
    /// The token has its own PIN pad (CKF_PROTECTED_AUTHENTICATION_PATH).
    PinPad,
}

impl fmt::Debug for PinSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Credential(name) => f.debug_tuple("Credential").field(name).finish(),
            Self::Given(_) => f.write_str("Given(redacted)"),
            Self::PinPad => f.write_str("PinPad"),
        }
    }
}

impl PinSource {
    /// Where the configuration of a token says its PIN is.
    pub fn of(config: &TokenConfig) -> Result<Self, Error> {
        match (&config.pin_file, &config.pin_credential) {
            (Some(path), None) => Ok(Self::File(path.clone())),
            (None, Some(name)) => Ok(Self::Credential(name.clone())),
            _ => Err(Error::Refused(format!(
                "tokens.{}: give one of pin_file and pin_credential",
                config.name
            ))),
        }
    }

    /// The secret now; `None` where the token asks for it itself.
    pub fn read(&self) -> Result<Option<SecretString>, Error> {
        match self {
            Self::File(path) => read_file(path, true).map(Some),
            Self::Credential(name) => {
                let unreadable = |detail: &str| Error::SecretUnreadable {
                    origin: format!("the systemd credential {name}"),
                    detail: detail.to_owned(),
                };
                if name.is_empty() || name.contains('/') || name.starts_with('.') {
                    return Err(unreadable("this is not the name of a credential"));
                }
                let directory = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(|| {
                    unreadable("CREDENTIALS_DIRECTORY is not set; is LoadCredential= in the unit?")
                })?;
                read_file(&PathBuf::from(directory).join(name), false).map(Some)
            }
            Self::Given(secret) => Ok(Some(SecretString::from(secret.expose_secret().to_owned()))),
            Self::PinPad => Ok(None),
        }
    }
}

fn read_file(path: &Path, check_mode: bool) -> Result<SecretString, Error> {
    let unreadable = |detail: String| Error::SecretUnreadable {
        origin: path.display().to_string(),
        detail,
    };
    let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let mode = file
        .metadata()
        .map_err(|error| unreadable(error.to_string()))?
        .permissions()
        .mode();
    if check_mode && mode & 0o007 != 0 {
        return Err(unreadable(format!(
            "everybody on this machine may read it (mode {:04o}); chmod 600 it",
            mode & 0o7777
        )));
    }
    // The whole capacity is there from the start, so that no growing leaves a copy behind unwiped.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_SECRET + 1));
    file.take(MAX_SECRET as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(error.to_string()))?;
    if bytes.len() > MAX_SECRET {
        return Err(unreadable(format!("it is longer than {MAX_SECRET} octets")));
    }
    let line = bytes.split(|octet| *octet == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match core::str::from_utf8(line) {
        Ok("") => Err(unreadable("its first line is empty".to_owned())),
        Ok(text) => Ok(SecretString::from(text)),
        Err(_) => Err(unreadable("its first line is not UTF-8".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::fs;

    use super::*;

    fn source(contents: &[u8], mode: u32) -> (tempfile::TempDir, PinSource) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pin");
        fs::write(&path, contents).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (directory, PinSource::File(path))
    }

    #[test]
    fn the_first_line_is_the_secret() {
        for contents in [&b"4711\n"[..], b"4711", b"4711\r\nsecond line\n"] {
            let (_directory, source) = source(contents, 0o600);
            assert_eq!(source.read().unwrap().unwrap().expose_secret(), "4711");
        }
    }

    #[test]
    fn a_file_for_everybody_is_refused_with_what_to_do() {
        let (_directory, source) = source(b"4711\n", 0o644);
        let error = source.read().unwrap_err().to_string();
        assert!(error.contains("chmod 600") && !error.contains("4711"), "{error}");
    }

    #[test]
    fn an_empty_a_long_and_a_missing_file_are_refused() {
        for contents in [
            vec![],
            b"\n4711".to_vec(),
            vec![b'1'; MAX_SECRET + 1],
            vec![0xff, 0xfe],
        ] {
            let (_directory, source) = source(&contents, 0o600);
            assert!(source.read().is_err());
        }
        assert!(PinSource::File("/nowhere/pin".into()).read().is_err());
        assert!(PinSource::Credential("../pin".into()).read().is_err());
    }

    #[test]
    fn debug_shows_no_secret() {
        let given = PinSource::Given(SecretString::from("4711"));
        assert!(!format!("{given:?}").contains("4711"));
    }
}
