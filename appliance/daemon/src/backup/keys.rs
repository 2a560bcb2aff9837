//! The keys of backups: recipients, who may be known to all, and their private keys, which are in files and nowhere else.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use age_file::{Identity, Passphrase, Recipient};
use anyhow::{Context as _, Result, bail};
use secrecy::ExposeSecret as _;
use token::PinSource;
use zeroize::Zeroizing;

use crate::files::{self, Readers};

/// The beginning of a file that is encrypted itself.
const ENCRYPTED: &[u8] = b"age-encryption.org/";
/// No file of keys is longer.
const MOST: usize = 64 * 1024;

/// Randomness of the system.
pub(crate) fn random(octets: &mut [u8]) -> bool {
    aws_lc_rs::rand::fill(octets).is_ok()
}

/// Recipients from the command line and from files, which have one a line.
pub(crate) fn recipients(given: &[String], lists: &[PathBuf]) -> Result<Vec<Recipient>> {
    let mut found = Vec::new();
    for text in given {
        // A private key that was typed here must not be printed on top of that.
        found.push(text.parse().context("--recipient")?);
    }
    for list in lists {
        let text = std::fs::read_to_string(list).with_context(|| format!("reading {}", list.display()))?;
        for line in lines(&text) {
            let recipient = line.parse().with_context(|| format!("in {}", list.display()))?;
            found.push(recipient);
        }
    }
    found.sort();
    found.dedup();
    if found.is_empty() {
        bail!(
            "nobody could open this backup: name a recipient by --recipient or --recipients-file (`chancery backup keygen` makes one)"
        );
    }
    Ok(found)
}

/// The private keys of files. One that is encrypted wants the passphrase.
pub(crate) fn identities(files: &[PathBuf], passphrase_file: Option<&Path>) -> Result<Vec<Identity>> {
    let mut found = Vec::new();
    for file in files {
        let text =
            read(file, passphrase_file).with_context(|| format!("the private key in {}", file.display()))?;
        let before = found.len();
        for line in lines(&text) {
            let key = line.parse().with_context(|| format!("in {}", file.display()))?;
            found.push(key);
        }
        if found.len() == before {
            bail!("{} has no private key in it", file.display());
        }
    }
    Ok(found)
}

/// Makes a private key in a new file; gives its recipient.
pub(crate) fn generate(to: &Path, passphrase_file: Option<&Path>) -> Result<Recipient> {
    if to.exists() {
        bail!("{} is there already: name another file", to.display());
    }
    let mut octets = Zeroizing::new([0; 32]);
    if !random(octets.as_mut()) {
        bail!("the random generator failed");
    }
    let identity = Identity::from_random(*octets);
    let recipient = identity.recipient()?;
    let secret = identity.to_secret_text();
    let text = Zeroizing::new(format!("# public key: {recipient}\n{}\n", secret.as_str()));
    match passphrase_file {
        None => files::write(to, text.as_bytes(), Readers::Owner)?,
        Some(file) => {
            let mut sealed = age_file::seal_with_passphrase(Vec::new(), &passphrase(file)?, &mut random)?;
            sealed.write_all(text.as_bytes())?;
            files::write(to, &sealed.finish()?, Readers::Owner)?;
        }
    }
    Ok(recipient)
}

fn read(file: &Path, passphrase_file: Option<&Path>) -> Result<Zeroizing<String>> {
    use std::os::unix::fs::PermissionsExt as _;
    let opened = std::fs::File::open(file)?;
    let mode = opened.metadata()?.permissions().mode();
    let mut octets = Zeroizing::new(Vec::with_capacity(MOST));
    opened.take(MOST as u64).read_to_end(&mut octets)?;
    if octets.starts_with(ENCRYPTED) {
        let Some(passphrase_file) = passphrase_file else {
            bail!("it is encrypted: name the file with its passphrase by --passphrase-file");
        };
        let mut text = Zeroizing::new(String::new());
        let mut opened = age_file::open_with_passphrase(octets.as_slice(), &passphrase(passphrase_file)?)?;
        opened.read_to_string(&mut text)?;
        return Ok(text);
    }
    if mode & 0o007 != 0 {
        bail!(
            "everybody on this machine may read it (mode {:04o}); chmod 600 it",
            mode & 0o7777
        );
    }
    Ok(Zeroizing::new(
        String::from_utf8(octets.to_vec()).context("it is no text")?,
    ))
}

fn passphrase(file: &Path) -> Result<Passphrase> {
    let secret = PinSource::File(file.to_owned()).read()?;
    let secret = secret.context("there is no passphrase")?;
    Ok(Passphrase::new(Zeroizing::new(secret.expose_secret().to_owned())))
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    #[test]
    fn a_key_is_found_again_with_and_without_a_passphrase() {
        let folder = tempfile::tempdir().unwrap();
        let (key, sealed) = (folder.path().join("key"), folder.path().join("sealed"));
        let phrase = folder.path().join("phrase");
        files::write(&phrase, b"correct\n", Readers::Owner).unwrap();
        let recipient = generate(&key, None).unwrap();
        let found = identities(std::slice::from_ref(&key), None).unwrap();
        assert_eq!(found.first().unwrap().recipient().unwrap(), recipient);
        assert!(format!("{:#}", generate(&key, None).unwrap_err()).contains("is there already"));
        let recipient = generate(&sealed, Some(&phrase)).unwrap();
        let refused = identities(std::slice::from_ref(&sealed), None).unwrap_err();
        assert!(format!("{refused:#}").contains("--passphrase-file"));
        let found = identities(&[sealed], Some(&phrase)).unwrap();
        assert_eq!(found.first().unwrap().recipient().unwrap(), recipient);
        let list = folder.path().join("list");
        std::fs::write(&list, format!("# us\n{recipient}\n")).unwrap();
        assert_eq!(
            recipients(&[recipient.to_string()], &[list]).unwrap(),
            [recipient]
        );
        assert!(format!("{:#}", recipients(&[], &[]).unwrap_err()).contains("keygen"));
    }

    #[test]
    fn a_private_key_among_the_recipients_is_not_repeated() {
        let key = Identity::from_random([7; 32]).to_secret_text();
        let told = format!("{:#}", recipients(&[key.to_string()], &[]).unwrap_err());
        assert!(
            told.contains("private key") && !told.contains(key.as_str()),
            "{told}"
        );
    }

    #[test]
    fn a_key_that_everybody_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        generate(&key, None).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(format!("{:#}", identities(&[key], None).unwrap_err()).contains("chmod 600"));
    }
}
