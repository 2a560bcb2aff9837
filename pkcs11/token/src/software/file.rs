//! The directory of PKCS#8 files.
//!
//! A key is one PEM file, `<label>.<first 16 digits of its fingerprint>.pem`, mode 0600, encrypted when there is a
//! passphrase (PBES2 with PBKDF2-HMAC-SHA256 and AES-256-CBC, which every tool reads). Files put there by hand may
//! have any name that ends in `.pem`; what is before it is the label. Plain and encrypted files may stand side by
//! side.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use der::Decode;
use der::pem::{LineEnding, PemLabel};
use pkcs8::pkcs5::pbes2;
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use secrecy::{ExposeSecret, SecretString};
use signer_wire::KeyRef;
use zeroize::Zeroizing;

use crate::error::Error;

/// No key file is longer.
const MAX_FILE: u64 = 128 * 1024;
/// Rounds of PBKDF2 (OWASP's figure for HMAC-SHA256).
const ROUNDS: u32 = 600_000;

/// A key as a file holds it: its label, and its DER PKCS#8.
pub(super) type KeyFile = (String, Zeroizing<Vec<u8>>);

/// A directory of key files.
#[derive(Debug)]
pub(super) struct KeyDirectory {
    path: PathBuf,
    passphrase: Option<SecretString>,
}

impl KeyDirectory {
    /// Opens the directory, and makes it when it is not there.
    pub(super) fn open(path: &Path, passphrase: Option<SecretString>) -> Result<Self, Error> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| unusable(path, error.to_string()))?;
        Ok(Self {
            path: path.to_owned(),
            passphrase,
        })
    }

    /// All keys. One file that is not usable stops all: a CA that starts without one of its
    /// keys would be found out later, and worse.
    pub(super) fn read_all(&self) -> Result<Vec<KeyFile>, Error> {
        let entries = fs::read_dir(&self.path).map_err(|error| unusable(&self.path, error.to_string()))?;
        let mut keys = Vec::new();
        for entry in entries {
            let path = entry
                .map_err(|error| unusable(&self.path, error.to_string()))?
                .path();
            if path.extension().is_some_and(|extension| extension == "pem") {
                let pkcs8 = self.read(&path).map_err(|detail| unusable(&path, detail))?;
                keys.push((label_of(&path), pkcs8));
            }
        }
        Ok(keys)
    }

    fn read(&self, path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
        let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
        let mode = metadata.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(format!(
                "others may read it (mode {:04o}); chmod 600 it",
                mode & 0o7777
            ));
        }
        if metadata.len() > MAX_FILE {
            return Err("it is too long for a key".to_owned());
        }
        let text = fs::read(path)
            .map(Zeroizing::new)
            .map_err(|error| error.to_string())?;
        let (kind, der) = der::pem::decode_vec(&text).map_err(|_| "it is not PEM".to_owned())?;
        let der = Zeroizing::new(der);
        if kind == PrivateKeyInfoRef::PEM_LABEL {
            Ok(der)
        } else if kind == EncryptedPrivateKeyInfoRef::PEM_LABEL {
            let passphrase = self
                .passphrase
                .as_ref()
                .ok_or("it is encrypted, and no passphrase_file is configured")?;
            decrypt(&der, passphrase)
        } else {
            Err(format!("it holds a {kind:?}, not a PKCS#8 key"))
        }
    }

    /// Writes a key so that either the whole file is there or none.
    pub(super) fn write(&self, label: &str, key: &KeyRef, pkcs8: &[u8]) -> Result<(), Error> {
        let fingerprint = key.to_string();
        let name = format!("{label}.{}", fingerprint.get(..16).unwrap_or_default());
        let path = self.path.join(format!("{name}.pem"));
        let text = self.to_pem(pkcs8).map_err(|detail| unusable(&path, detail))?;
        write_whole(&self.path, &path, text.as_bytes()).map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::TokenFull {
                token: super::NAME.to_owned(),
            },
            _ => unusable(&path, error.to_string()),
        })
    }

    fn to_pem(&self, pkcs8: &[u8]) -> Result<Zeroizing<String>, String> {
        let (label, der) = match &self.passphrase {
            None => (PrivateKeyInfoRef::PEM_LABEL, Zeroizing::new(pkcs8.to_vec())),
            Some(passphrase) => (EncryptedPrivateKeyInfoRef::PEM_LABEL, encrypt(pkcs8, passphrase)?),
        };
        der::pem::encode_string(label, LineEnding::LF, &der)
            .map(Zeroizing::new)
            .map_err(|error| error.to_string())
    }
}

fn encrypt(pkcs8: &[u8], passphrase: &SecretString) -> Result<Zeroizing<Vec<u8>>, String> {
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    rand::fill(&mut salt)
        .and_then(|()| rand::fill(&mut iv))
        .map_err(|_| "no randomness".to_owned())?;
    let parameters = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(ROUNDS, &salt, iv);
    let parameters = parameters.map_err(|error| error.to_string())?;
    let info = PrivateKeyInfoRef::from_der(pkcs8).map_err(|error| error.to_string())?;
    let sealed = info.encrypt_with_params(parameters, passphrase.expose_secret());
    sealed
        .map(|document| Zeroizing::new(document.as_bytes().to_vec()))
        .map_err(|error| error.to_string())
}

/// Decrypts a DER `EncryptedPrivateKeyInfo`.
pub(super) fn decrypt(der: &[u8], passphrase: &SecretString) -> Result<Zeroizing<Vec<u8>>, String> {
    let info = EncryptedPrivateKeyInfoRef::from_der(der)
        .map_err(|_| "it is not an encrypted PKCS#8 key".to_owned())?;
    let plain = info.decrypt(passphrase.expose_secret());
    plain
        .map(|document| Zeroizing::new(document.as_bytes().to_vec()))
        .map_err(|_| "the passphrase is wrong, or the encryption is none of PBES2".to_owned())
}

/// The label in a file name: without `.pem`, and without the fingerprint this program puts there.
fn label_of(path: &Path) -> String {
    let stem = path
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default();
    match stem.rsplit_once('.') {
        Some((label, mark)) if mark.len() == 16 && mark.bytes().all(|octet| octet.is_ascii_hexdigit()) => {
            label.to_owned()
        }
        _ => stem,
    }
}

fn write_whole(directory: &Path, path: &Path, text: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?;
    let written = file
        .write_all(text)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&fresh, path));
    if written.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    written?;
    fs::File::open(directory)?.sync_all()
}

fn unusable(path: &Path, detail: String) -> Error {
    Error::KeyFile {
        path: path.to_owned(),
        detail,
    }
}
