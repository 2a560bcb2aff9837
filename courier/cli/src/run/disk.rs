//! What stands under the output names: read back as any server on this host would read it.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use pki::{Certificate, KeyAlgorithm, chain};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::config::CertificateSettings;
use crate::decide::{Disk, OnDisk};
use crate::failure::Failure;
use crate::key::{KeptKey, KeyReference};

/// Longest file read.
const MAX_FILE: u64 = 1024 * 1024;

/// What stands on disk.
#[derive(Debug, Default)]
pub struct Found {
    /// The leaf and those above it that were there.
    pub chain: Vec<Certificate>,
    /// The key.
    pub key: Option<KeptKey>,
    /// The authorities of the file `ca`.
    pub authorities: Vec<Certificate>,
    /// What could not be read, and why.
    pub broken: Option<String>,
}

impl Found {
    /// The certificate itself.
    pub fn leaf(&self) -> Option<&Certificate> {
        self.chain.first()
    }

    /// As the decision looks at it.
    pub fn as_disk(&self, now: Timestamp) -> Disk {
        let Some(leaf) = self.leaf() else {
            return match self.broken {
                Some(_) => Disk::Unreadable,
                None => Disk::Missing,
            };
        };
        let Ok(names) = leaf.subject_alt_names() else {
            return Disk::Unreadable;
        };
        let key = leaf.public_key();
        Disk::Certificate(Box::new(OnDisk {
            names,
            subject: leaf.subject().clone(),
            key: key.algorithm(),
            not_before: leaf.not_before(),
            not_after: leaf.not_after(),
            key_matches: self.key.as_ref().is_some_and(|own| own.is_of(key)),
            is_trusted: self.is_trusted(leaf, now),
        }))
    }

    /// The kind of the key that is there.
    pub fn key_algorithm(&self) -> Option<KeyAlgorithm> {
        let of_leaf = |reference: &KeyReference| {
            let key = self.leaf()?.public_key();
            (key.fingerprint() == reference.id).then(|| key.algorithm())
        };
        match self.key.as_ref()? {
            KeptKey::File(key) => Some(key.public_key().algorithm()),
            KeptKey::Token(reference) => of_leaf(reference),
        }
    }

    /// Whether the chain ends in an authority of the file `ca`; true when there is no such file. Judged at an instant of the leaf's own
    /// validity, so that an old certificate is called old and not foreign.
    fn is_trusted(&self, leaf: &Certificate, now: Timestamp) -> bool {
        let at = now.clamp(leaf.not_before(), leaf.not_after().max(leaf.not_before()));
        self.authorities.is_empty()
            || self.authorities.iter().any(|authority| {
                let mut whole = self.chain.clone();
                whole.retain(|one| one.der() != authority.der());
                whole.push(authority.clone());
                chain::verify(&whole, at).is_ok()
            })
    }
}

/// Reads the outputs. Of files that say the same the first one is read.
pub fn read(settings: &CertificateSettings) -> Result<Found, Failure> {
    let output = &settings.output;
    let names = &output.names;
    let path = |name: &Option<String>| name.as_ref().map(|name| output.dir.join(name));
    let combined = path(&names.combined);
    let certificates = path(&names.fullchain)
        .or_else(|| path(&names.certificate))
        .or_else(|| combined.clone());
    let key = path(&names.private_key).or(combined);
    let (Some(certificates), Some(key)) = (certificates, key) else {
        return Err(Failure::Usage(
            "the courier cannot read back what it installs: enable output.combined, or output.private_key with output.fullchain or \
             output.certificate"
                .to_owned(),
        ));
    };
    let mut found = Found::default();
    let Some(text) = octets(&certificates, &mut found)? else {
        return Ok(found);
    };
    match Certificate::parse_all(&certificates_of(&text)) {
        Ok(chain) => found.chain = chain,
        Err(fault) => found.broken = Some(format!("{}: {fault}", certificates.display())),
    }
    if let Some(text) = octets(&key, &mut found)? {
        match KeptKey::parse(&key_of(&text), output.passphrase.as_ref()) {
            Ok(key) => found.key = Some(key),
            Err(fault) => found.broken = Some(format!("{}: {fault}", key.display())),
        }
    }
    if let Some(ca) = path(&names.ca)
        && let Some(text) = octets(&ca, &mut found)?
        && let Ok(authorities) = Certificate::parse_all(&text)
    {
        found.authorities = authorities;
    }
    Ok(found)
}

type Octets = zeroize::Zeroizing<Vec<u8>>;

/// A file; nothing when there is none. What is no regular file or too long counts as broken.
fn octets(path: &Path, found: &mut Found) -> Result<Option<Octets>, Failure> {
    let failed = |source| Failure::Io {
        what: format!("{} cannot be read", path.display()),
        source,
    };
    // A pipe that somebody put there is not waited for.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let mut file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => std::fs::File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(failed(errno.into())),
    };
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() || metadata.len() > MAX_FILE {
        found.broken = Some(format!("{} is no file that a courier wrote", path.display()));
        return Ok(None);
    }
    let mut text = Octets::default();
    (&mut file)
        .take(MAX_FILE)
        .read_to_end(&mut text)
        .map_err(failed)?;
    Ok(Some(text))
}

/// The certificates of a text that may hold a key as well.
fn certificates_of(text: &[u8]) -> Vec<u8> {
    blocks(text, |label| label == "CERTIFICATE").to_vec()
}

/// The key of a text that may hold certificates as well, or the reference that stands there instead.
fn key_of(text: &[u8]) -> Octets {
    if KeyReference::is_meant(text) {
        return Octets::new(text.to_vec());
    }
    blocks(text, |label| label.ends_with("PRIVATE KEY"))
}

/// The PEM blocks with such a label, as they stand there.
fn blocks(text: &[u8], is_wanted: impl Fn(&str) -> bool) -> Octets {
    let mut kept = Octets::default();
    let mut inside: Option<bool> = None;
    for line in text.split_inclusive(|octet| *octet == b'\n') {
        let plain = line.trim_ascii();
        if let Some(label) = plain
            .strip_prefix(b"-----BEGIN ")
            .and_then(|rest| rest.strip_suffix(b"-----"))
        {
            inside = Some(std::str::from_utf8(label).is_ok_and(&is_wanted));
        }
        if inside == Some(true) {
            kept.extend_from_slice(line);
        }
        if plain.starts_with(b"-----END ") {
            inside = None;
        }
    }
    kept
}

/// Every file that the outputs name, with its role, whether it is there or not.
pub fn paths(settings: &CertificateSettings) -> [(&'static str, Option<PathBuf>); 4] {
    let output = &settings.output;
    let at = |name: &Option<String>| name.as_ref().map(|name| output.dir.join(name));
    [
        ("COURIER_CERT_PATH", at(&output.names.certificate)),
        ("COURIER_KEY_PATH", at(&output.names.private_key)),
        ("COURIER_CHAIN_PATH", at(&output.names.chain)),
        ("COURIER_FULLCHAIN_PATH", at(&output.names.fullchain)),
    ]
}
