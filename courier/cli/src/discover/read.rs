//! One file: bounded, never through a link, never anything but a file; the certificates in it.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use pki::Outline;
use rustix::fs::{Mode, OFlags};
use zeroize::Zeroizing;

/// Longest file that is read, in octets.
pub(super) const MAX_FILE: u64 = 1024 * 1024;
/// Most certificates of a file.
const MAX_CERTIFICATES: usize = 1000;
/// Longest certificate, in octets: what does not fit on a page is none of a server.
const MAX_DER: usize = 32 * 1024;
/// Files with the key of a certificate that lies beside them, by what others call them.
const KEYS: [&str; 2] = ["privkey.pem", "key.pem"];
const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";
const KEY: &[u8] = b"PRIVATE KEY-----";

/// What is in a file.
#[derive(Debug)]
pub(super) struct Contents {
    /// DER.
    pub(super) certificates: Vec<Vec<u8>>,
    /// It has a private key, and others may read it.
    pub(super) is_key_exposed: bool,
}

/// Reads a file; nothing for what is too long or no file.
pub(super) fn file(path: &Path) -> io::Result<Option<Contents>> {
    let Some((file, mode)) = open(path)? else {
        return Ok(None);
    };
    // It may hold a key.
    let mut octets = Zeroizing::new(Vec::with_capacity(16 * 1024));
    file.take(MAX_FILE + 1).read_to_end(&mut octets)?;
    if u64::try_from(octets.len()).unwrap_or(u64::MAX) > MAX_FILE {
        return Ok(None);
    }
    Ok(Some(Contents {
        certificates: certificates(&octets),
        is_key_exposed: is_open_to_others(mode) && find(&octets, KEY).is_some(),
    }))
}

/// Whether a key file beside it may be read by others: one with the same stem, or one that is called as keys are.
pub(super) fn is_key_beside_exposed(path: &Path) -> bool {
    let same_stem = path.with_extension("key");
    let usual = KEYS.iter().map(|name| path.with_file_name(name));
    usual.chain([same_stem]).any(|key| {
        let metadata = std::fs::metadata(&key);
        metadata.is_ok_and(|metadata| metadata.is_file() && is_open_to_others(metadata.mode()))
    })
}

fn is_open_to_others(mode: u32) -> bool {
    mode & 0o004 != 0
}

/// Opens a file, and nothing that is none: a pipe would be waited for.
fn open(path: &Path) -> io::Result<Option<(File, u32)>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let metadata = file.metadata()?;
    let is_wanted = metadata.is_file() && metadata.len() <= MAX_FILE;
    Ok(is_wanted.then_some((file, metadata.mode())))
}

/// The certificates in PEM, of which only those blocks are decoded, or the one in DER.
pub(super) fn certificates(octets: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut rest = octets;
    while let Some(begin) = find(rest, BEGIN)
        && found.len() < MAX_CERTIFICATES
    {
        let Some(block) = rest.get(begin..) else { break };
        let Some(end) = find(block, END).map(|at| at + END.len()) else {
            break;
        };
        let (block, after) = block.split_at_checked(end).unwrap_or((block, &[]));
        let blocks = pki::pem::decode(block).unwrap_or_default();
        found.extend(
            blocks
                .into_iter()
                .map(|block| block.der)
                .filter(|der| is_one(der)),
        );
        rest = after;
    }
    if found.is_empty() && is_one(octets) {
        found.push(octets.to_vec());
    }
    found
}

/// Whether it is a certificate, be it one that nobody should take any more: those above all are looked for.
fn is_one(der: &[u8]) -> bool {
    der.len() <= MAX_DER && Outline::of_der(der).is_ok()
}

fn find(octets: &[u8], wanted: &[u8]) -> Option<usize> {
    octets.windows(wanted.len()).position(|window| window == wanted)
}
