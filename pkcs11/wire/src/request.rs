//! Requests: what a client can ask of the signing service.

use core::fmt;

use zeroize::Zeroizing;

use crate::cursor::{Reader, Writer};
use crate::frame::{WireFault, read_envelope, write_frame};
use crate::key::{KeyKind, KeyRef};
use crate::limits::{MAX_BATCH, MAX_LABEL, MAX_PKCS8};
use crate::scheme::{Input, Scheme};
use crate::subject_key::SubjectKeyRequest;

/// How urgent a signature is; the service signs what is more urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// CRLs, and whatever else makes a revocation known.
    Revocation,
    /// Certificates.
    Issuance,
    /// OCSP responses somebody waits for.
    OcspOnDemand,
    /// OCSP responses made ahead of time.
    PreSigning,
    /// Checkpoints of the audit log, which nobody waits for.
    Audit,
}

impl Priority {
    /// Every priority, the most urgent first; the place in this list is its number on the wire.
    pub const ALL: [Self; 5] = [
        Self::Revocation,
        Self::Issuance,
        Self::OcspOnDemand,
        Self::PreSigning,
        Self::Audit,
    ];

    /// Its place in [`Priority::ALL`].
    pub const fn rank(self) -> usize {
        match self {
            Self::Revocation => 0,
            Self::Issuance => 1,
            Self::OcspOnDemand => 2,
            Self::PreSigning => 3,
            Self::Audit => 4,
        }
    }

    fn encode(self, writer: &mut Writer<'_>) {
        writer.u8(u8::try_from(self.rank()).unwrap_or(u8::MAX));
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, WireFault> {
        Self::ALL
            .get(usize::from(reader.u8()?))
            .copied()
            .ok_or(WireFault::BadValue("priority"))
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Revocation => "revocation",
            Self::Issuance => "issuance",
            Self::OcspOnDemand => "ocsp_on_demand",
            Self::PreSigning => "pre_signing",
            Self::Audit => "audit",
        })
    }
}

/// Where a new key is to live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// The token with this configured name.
    Token(String),
    /// The software backend.
    Software,
}

/// One signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sign {
    /// The key to sign with.
    pub key: KeyRef,
    /// How to sign.
    pub scheme: Scheme,
    /// What to sign.
    pub input: Input,
}

impl Sign {
    const LEAST: usize = 32 + 1 + Input::LEAST;

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.raw(self.key.as_bytes());
        self.scheme.encode(writer);
        self.input.encode(writer);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, WireFault> {
        Ok(Self {
            key: KeyRef::new(reader.array()?),
            scheme: Scheme::decode(reader)?,
            input: Input::decode(reader)?,
        })
    }
}

/// Signatures asked for together and answered together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignBatch {
    /// How urgent all of them are.
    pub priority: Priority,
    /// Milliseconds after arrival at which the client stops waiting; zero for the service's own limit.
    pub deadline_ms: u32,
    /// The signatures, one to [`MAX_BATCH`].
    pub items: Vec<Sign>,
}

/// A key to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generate {
    /// Its label.
    pub label: String,
    /// Its kind.
    pub kind: KeyKind,
    /// Where it is to live.
    pub backend: Backend,
}

/// Key bytes on their way: wiped when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes the bytes over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(redacted)")
    }
}

/// An existing private key for the software backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Its label.
    pub label: String,
    /// DER PKCS#8 `PrivateKeyInfo`, not encrypted.
    pub pkcs8: SecretBytes,
}

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Make signatures. Answered by [`crate::Reply::Signatures`].
    Sign(SignBatch),
    /// Make a key pair. Answered by [`crate::Reply::Key`].
    Generate(Generate),
    /// Take over a private key into the software backend. Answered by [`crate::Reply::Key`].
    ImportSoftware(Import),
    /// All keys. Answered by [`crate::Reply::Keys`].
    List,
    /// How the service is. Answered by [`crate::Reply::Status`].
    Status,
    /// Make a key pair for somebody else and encrypt it to him. Answered by [`crate::Reply::SealedKey`].
    SubjectKey(SubjectKeyRequest),
}

impl Request {
    /// One signature as a request of its own.
    pub fn sign(item: Sign, priority: Priority, deadline_ms: u32) -> Self {
        Self::Sign(SignBatch {
            priority,
            deadline_ms,
            items: vec![item],
        })
    }

    /// Appends the whole frame of this request to `out`; on [`WireFault::TooLong`] `out` is unchanged.
    pub fn encode(&self, id: u64, out: &mut Vec<u8>) -> Result<(), WireFault> {
        match self {
            Self::Sign(batch) => write_frame(out, id, 1, |writer| {
                batch.priority.encode(writer);
                writer.u32(batch.deadline_ms);
                writer.count(batch.items.len(), MAX_BATCH);
                for item in &batch.items {
                    item.encode(writer);
                }
            }),
            Self::Generate(generate) => write_frame(out, id, 2, |writer| {
                writer.text(&generate.label, MAX_LABEL);
                generate.kind.encode(writer);
                match &generate.backend {
                    Backend::Token(name) => {
                        writer.u8(0);
                        writer.text(name, MAX_LABEL);
                    }
                    Backend::Software => writer.u8(1),
                }
            }),
            Self::ImportSoftware(import) => write_frame(out, id, 3, |writer| {
                writer.text(&import.label, MAX_LABEL);
                writer.bytes(import.pkcs8.expose(), MAX_PKCS8);
            }),
            Self::List => write_frame(out, id, 4, |_| {}),
            Self::Status => write_frame(out, id, 5, |_| {}),
            Self::SubjectKey(request) => write_frame(out, id, 6, |writer| request.encode(writer)),
        }
    }

    /// Reads a body (a frame without its header): the request's id, and the request. A body that is at least an
    /// envelope gives its id even when the rest means nothing, so that the fault can be answered.
    pub fn decode(body: &[u8]) -> (Option<u64>, Result<Self, WireFault>) {
        match read_envelope(body) {
            Ok((id, tag, reader)) => (Some(id), Self::decode_fields(tag, reader)),
            Err(fault) => (None, Err(fault)),
        }
    }

    fn decode_fields(tag: u8, mut reader: Reader<'_>) -> Result<Self, WireFault> {
        let request = match tag {
            1 => Self::Sign(SignBatch {
                priority: Priority::decode(&mut reader)?,
                deadline_ms: reader.u32()?,
                items: reader.list(MAX_BATCH, Sign::LEAST, Sign::decode)?,
            }),
            2 => Self::Generate(Generate {
                label: reader.text(MAX_LABEL)?,
                kind: KeyKind::decode(&mut reader)?,
                backend: match reader.u8()? {
                    0 => Backend::Token(reader.text(MAX_LABEL)?),
                    1 => Backend::Software,
                    _ => return Err(WireFault::BadValue("backend")),
                },
            }),
            3 => Self::ImportSoftware(Import {
                label: reader.text(MAX_LABEL)?,
                pkcs8: SecretBytes::new(reader.bytes(MAX_PKCS8)?.to_vec()),
            }),
            4 => Self::List,
            5 => Self::Status,
            6 => Self::SubjectKey(SubjectKeyRequest::decode(&mut reader)?),
            other => return Err(WireFault::UnknownTag(other)),
        };
        reader.finish()?;
        Ok(request)
    }
}
