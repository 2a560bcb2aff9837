//! The memory of rejected PINs, kept across restarts.
//!
//! A token locks itself after a few wrong PINs, and a supervisor that restarts a service with a wrong PIN would use
//! them up in a second. So a PIN that a token has rejected is written down, as a salted and stretched digest together
//! with the token's serial number, and is not tried on that token again. Another PIN, or another token, is. The file is looked
//! at before each login: whoever removes it has the same PIN tried once more, and what another process was told is known here.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::num::NonZeroU32;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::{pbkdf2, rand};
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};

use crate::error::Error;

const FORMAT: &str = "chancery-rejected-pin 1";
const ROUNDS: NonZeroU32 = NonZeroU32::new(200_000).unwrap();

/// A PIN that a token rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
struct RejectedPin {
    serial: String,
    salt: [u8; 16],
    digest: [u8; 32],
}

/// The memory of one token.
#[derive(Debug)]
pub(crate) struct PinMemory {
    marker: Option<PathBuf>,
    /// What could not be written down, or has no place to be; otherwise the marker is the memory.
    unwritten: Mutex<Option<RejectedPin>>,
}

impl PinMemory {
    /// The memory of the token with this configured name; without a directory it ends with the process.
    pub(crate) fn open(state_directory: Option<&Path>, token: &str) -> Result<Self, Error> {
        let marker = state_directory.map(|directory| directory.join(format!("pin-rejected-{token}")));
        let memory = Self {
            marker,
            unwritten: Mutex::new(None),
        };
        memory.written().map(|_| memory)
    }

    /// Whether the token with this serial number has rejected this PIN. A marker that cannot be read is an error, because then
    /// nobody knows.
    pub(crate) fn is_rejected(&self, serial: &str, pin: &SecretString) -> Result<bool, Error> {
        let is_it =
            |rejected: &Option<RejectedPin>| rejected.as_ref().is_some_and(|known| known.is(serial, pin));
        Ok(is_it(&self.unwritten.lock()) || is_it(&self.written()?))
    }

    /// What the marker says.
    fn written(&self) -> Result<Option<RejectedPin>, Error> {
        let Some(path) = &self.marker else { return Ok(None) };
        let unreadable = |detail: String| Error::SecretUnreadable {
            origin: path.display().to_string(),
            detail: format!("{detail}; without it nobody knows whether the PIN was rejected before"),
        };
        match fs::read_to_string(path) {
            Ok(text) => RejectedPin::parse(&text)
                .map(Some)
                .ok_or_else(|| unreadable("it is not a marker of a rejected PIN".to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unreadable(error.to_string())),
        }
    }

    /// Where the rejected PIN is written down.
    pub(crate) fn marker(&self) -> Option<&Path> {
        self.marker.as_deref()
    }

    /// Writes down that the token rejected the PIN. It is remembered in this process even when the file fails.
    pub(crate) fn remember(&self, serial: &str, pin: &SecretString) -> io::Result<()> {
        let rejected = RejectedPin::new(serial, pin).ok_or_else(|| io::Error::other("no randomness"))?;
        let text = rejected.to_text();
        *self.unwritten.lock() = Some(rejected);
        let Some(path) = &self.marker else { return Ok(()) };
        write(path, &text)?;
        *self.unwritten.lock() = None;
        Ok(())
    }

    /// Forgets, because a PIN was accepted.
    pub(crate) fn forget(&self) {
        *self.unwritten.lock() = None;
        let Some(path) = &self.marker else { return };
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %path.display(), %error, "the marker of a rejected PIN cannot be removed");
            }
            _ => {}
        }
    }
}

/// Puts a marker in its place, as a whole and durably.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    // Whoever looks at a token by hand may be another user than the service, which must be able to read this.
    let directory = fs::metadata(path.parent().unwrap_or(Path::new(".")))?;
    if file.metadata()?.uid() != directory.uid() {
        std::os::unix::fs::fchown(&file, Some(directory.uid()), Some(directory.gid()))?;
    }
    fs::rename(&fresh, path)
}

impl RejectedPin {
    fn new(serial: &str, pin: &SecretString) -> Option<Self> {
        let mut salt = [0; 16];
        rand::fill(&mut salt).ok()?;
        let mut digest = [0; 32];
        let secret = pin.expose_secret().as_bytes();
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, &salt, secret, &mut digest);
        Some(Self {
            serial: serial.to_owned(),
            salt,
            digest,
        })
    }

    fn is(&self, serial: &str, pin: &SecretString) -> bool {
        let secret = pin.expose_secret().as_bytes();
        self.serial == serial
            && pbkdf2::verify(
                pbkdf2::PBKDF2_HMAC_SHA256,
                ROUNDS,
                &self.salt,
                secret,
                &self.digest,
            )
            .is_ok()
    }

    fn to_text(&self) -> String {
        let (serial, salt, digest) = (&self.serial, hex(&self.salt), hex(&self.digest));
        format!(
            "{FORMAT}\nserial {serial}\nsalt {salt}\ndigest {digest}\n\
             # The token rejected the PIN it was given. Put the right PIN into its place: the service finds it by itself;\n\
             # remove this file only to have the same PIN tried once more.\n"
        )
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != FORMAT {
            return None;
        }
        Some(Self {
            serial: lines.next()?.strip_prefix("serial ")?.to_owned(),
            salt: unhex(lines.next()?.strip_prefix("salt ")?)?,
            digest: unhex(lines.next()?.strip_prefix("digest ")?)?,
        })
    }
}

fn hex(octets: &[u8]) -> String {
    use std::fmt::Write as _;
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut octets = [0; N];
    if text.len() != 2 * N || !text.is_ascii() {
        return None;
    }
    for (octet, pair) in octets.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *octet = u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn pin(text: &str) -> SecretString {
        SecretString::from(text)
    }

    #[test]
    fn a_rejected_pin_is_remembered_across_restarts_and_only_on_its_token() {
        let directory = tempfile::tempdir().unwrap();
        let memory = PinMemory::open(Some(directory.path()), "t1").unwrap();
        assert!(!memory.is_rejected("A1", &pin("1111")).unwrap());
        memory.remember("A1", &pin("1111")).unwrap();

        let memory = PinMemory::open(Some(directory.path()), "t1").unwrap();
        assert!(
            memory.is_rejected("A1", &pin("1111")).unwrap(),
            "the same PIN on the same token"
        );
        assert!(!memory.is_rejected("A1", &pin("2222")).unwrap(), "another PIN");
        assert!(!memory.is_rejected("B2", &pin("1111")).unwrap(), "another token");
    }

    #[test]
    fn whoever_removes_the_marker_has_the_pin_tried_again_and_a_marker_of_another_process_counts() {
        let directory = tempfile::tempdir().unwrap();
        let [memory, other] = [(); 2].map(|()| PinMemory::open(Some(directory.path()), "t1").unwrap());
        memory.remember("A1", &pin("1111")).unwrap();
        assert!(other.is_rejected("A1", &pin("1111")).unwrap());
        fs::remove_file(memory.marker().unwrap()).unwrap();
        assert!(!memory.is_rejected("A1", &pin("1111")).unwrap());

        fs::remove_dir(directory.path()).unwrap();
        assert!(memory.remember("A1", &pin("1111")).is_err());
        assert!(
            memory.is_rejected("A1", &pin("1111")).unwrap(),
            "what cannot be written down"
        );
        let nowhere = PinMemory::open(None, "t1").unwrap();
        nowhere.remember("A1", &pin("1111")).unwrap();
        assert!(nowhere.is_rejected("A1", &pin("1111")).unwrap());
    }

    #[test]
    fn the_marker_holds_no_pin_and_goes_when_a_pin_is_accepted() {
        let directory = tempfile::tempdir().unwrap();
        let memory = PinMemory::open(Some(directory.path()), "t1").unwrap();
        memory.remember("A1", &pin("73918264")).unwrap();
        let marker = memory.marker().unwrap().to_owned();
        let text = fs::read_to_string(&marker).unwrap();
        assert!(text.starts_with(FORMAT) && !text.contains("73918264"));
        memory.forget();
        assert!(!marker.exists());
        assert!(!memory.is_rejected("A1", &pin("73918264")).unwrap());
    }

    #[test]
    fn the_marker_belongs_to_whom_the_folder_belongs() {
        let directory = tempfile::tempdir().unwrap();
        std::os::unix::fs::chown(directory.path(), Some(4711), Some(4712)).unwrap();
        let memory = PinMemory::open(Some(directory.path()), "t1").unwrap();
        memory.remember("A1", &pin("1111")).unwrap();
        let marker = fs::metadata(memory.marker().unwrap()).unwrap();
        assert_eq!((marker.uid(), marker.gid()), (4711, 4712));
    }

    #[test]
    fn a_marker_that_cannot_be_read_stops_the_service() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("pin-rejected-t1"), "scribble").unwrap();
        assert!(PinMemory::open(Some(directory.path()), "t1").is_err());
    }
}
