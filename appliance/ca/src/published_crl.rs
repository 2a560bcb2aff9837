//! A CRL as it is handed out: from memory when it is small, from its file otherwise.

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use jiff::Timestamp;
use pki::DigestAlgorithm;
use store::crl_files::CrlFile;
use store::crls::CrlRow;
use uuid::Uuid;

use crate::audit::hexadecimal;
use crate::clock::from_millis;

/// Longest CRL that is kept in memory besides its file, in octets.
const IN_MEMORY: u64 = 256 * 1024;

/// A CRL, ready to be sent.
#[derive(Debug)]
pub struct PublishedCrl {
    /// Its number.
    pub number: u64,
    /// When it was made.
    pub this_update: Timestamp,
    /// When the next one comes at the latest.
    pub next_update: Timestamp,
    /// How many entries it has.
    pub entries: usize,
    /// A strong entity tag, with its quotes.
    pub etag: String,
    /// Its DER.
    pub body: CrlBody,
    pub(crate) compressed: OnceLock<Compressed>,
    pub(crate) is_compressing: AtomicBool,
}

/// The gzip variant of a CRL.
#[derive(Debug)]
pub struct Compressed {
    /// Its octets.
    pub body: CrlBody,
    /// A strong entity tag of its own, with its quotes.
    pub etag: String,
}

/// Octets to be sent, in memory or in a file.
#[derive(Clone, Debug)]
pub enum CrlBody {
    /// In memory.
    Memory(Bytes),
    /// In a file, which stays readable while somebody holds this.
    File(Arc<CrlFile>),
}

impl CrlBody {
    pub(crate) fn of_file(file: CrlFile) -> io::Result<Self> {
        let body = Self::File(Arc::new(file));
        if body.octets() > IN_MEMORY {
            return Ok(body);
        }
        Ok(Self::Memory(body.read(0, usize::MAX)?))
    }

    /// How many there are.
    pub fn octets(&self) -> u64 {
        match self {
            Self::Memory(octets) => octets.len() as u64,
            Self::File(file) => file.octets(),
        }
    }

    /// At most this many of them from a place on; fewer at the end only. May wait for the disk.
    pub fn read(&self, offset: u64, most: usize) -> io::Result<Bytes> {
        let left = usize::try_from(self.octets().saturating_sub(offset)).unwrap_or(usize::MAX);
        match self {
            Self::Memory(octets) => Ok(octets
                .slice(octets.len().saturating_sub(left)..)
                .split_to(left.min(most))),
            Self::File(file) => {
                let mut buffer = vec![0; left.min(most)];
                if file.read_at(offset, &mut buffer)? == buffer.len() {
                    Ok(buffer.into())
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                }
            }
        }
    }
}

impl PublishedCrl {
    /// A CRL whose row is recorded, and its octets.
    pub(crate) fn new(row: &CrlRow, body: CrlBody) -> Self {
        let digest = match &row.der {
            Some(der) if row.digest.is_empty() => DigestAlgorithm::Sha256.digest(der),
            _ => row.digest.clone(),
        };
        let digest = hexadecimal(&digest);
        Self {
            number: row.number,
            this_update: from_millis(row.this_update),
            next_update: from_millis(row.next_update),
            entries: usize::try_from(row.entries).unwrap_or(0),
            etag: format!("\"{}-{}\"", row.number, digest.get(..16).unwrap_or_default()),
            body,
            compressed: OnceLock::new(),
            is_compressing: AtomicBool::new(false),
        }
    }

    /// The whole CRL. May wait for the disk, and may be long.
    pub fn der(&self) -> io::Result<Bytes> {
        self.body.read(0, usize::MAX)
    }
}

/// The name of the file of a CRL's row.
pub(crate) fn row_file_name(row: &CrlRow) -> String {
    file_name(row.issuer_id, row.shard, row.number, row.base.is_some())
}

/// The name of a CRL's file.
pub(crate) fn file_name(issuer_id: Uuid, shard: u32, number: u64, is_delta: bool) -> String {
    let kind = if is_delta { "delta.crl" } else { "crl" };
    format!("{issuer_id}-{shard}-{number}.{kind}")
}
