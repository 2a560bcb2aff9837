//! Tokens, keys and certificates in files: bounded, wiped, and named when they cannot be read.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::Fault;

/// Longest file read, in octets.
pub(crate) const MAX_FILE_LEN: usize = 64 * 1024;

/// The octets of a file.
pub(crate) fn octets(path: &Path, what: &'static str, limit: usize) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let unreadable = |cause| Fault::File {
        what,
        path: path.to_owned(),
        cause,
    };
    let file = File::open(path).map_err(unreadable)?;
    bounded(file, what, limit).map_err(|fault| match fault {
        Bound::Io(cause) => unreadable(cause),
        Bound::Long(fault) => fault,
    })
}

/// The token in a file, without the white space around it.
pub(crate) fn token(path: &Path, what: &'static str) -> Result<SecretString, Fault> {
    let octets = octets(path, what, MAX_FILE_LEN)?;
    let text = std::str::from_utf8(&octets)
        .map_err(|_| Fault::Malformed(format!("{what} {} is not text", path.display())))?
        .trim();
    if text.is_empty() {
        return Err(Fault::Malformed(format!("{what} {} is empty", path.display())));
    }
    Ok(SecretString::from(text))
}

/// What went wrong while a bounded number of octets was read.
pub(crate) enum Bound {
    /// The file.
    Io(std::io::Error),
    /// Its length.
    Long(Fault),
}

/// At most `limit` octets of an open file.
pub(crate) fn bounded(file: File, what: &str, limit: usize) -> Result<Zeroizing<Vec<u8>>, Bound> {
    // Room for all of it at once: a buffer that grows leaves copies behind.
    let mut octets = Zeroizing::new(Vec::with_capacity(limit.saturating_add(1)));
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    file.take(most).read_to_end(&mut octets).map_err(Bound::Io)?;
    if octets.len() > limit {
        return Err(Bound::Long(Fault::TooLong {
            what: what.to_owned(),
            limit,
        }));
    }
    Ok(octets)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        reason = "a test says what broke by panicking"
    )]

    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_token_stands_without_the_white_space_around_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, " a.b.c\r\n").unwrap();
        assert_eq!(token(&path, "the token").unwrap().expose_secret(), "a.b.c");
        std::fs::write(&path, "\n").unwrap();
        assert!(token(&path, "the token").is_err());
    }

    #[test]
    fn a_file_is_bounded_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, vec![b'a'; 11]).unwrap();
        assert!(matches!(
            octets(&path, "the token", 10),
            Err(Fault::TooLong { limit: 10, .. })
        ));
        assert_eq!(octets(&path, "the token", 11).unwrap().len(), 11);
        let absent = octets(&dir.path().join("absent"), "the token", 10).unwrap_err();
        assert!(absent.to_string().contains("absent cannot be read"), "{absent}");
    }
}
