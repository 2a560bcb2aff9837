//! Kinds of note signatures, and how each identifies its keys (c2sp.org/signed-note,
//! c2sp.org/tlog-cosignature).
//!
//! There are two kinds of signatures of logs, over the text of the note, and two of witnesses, which also say
//! when they looked. The last of them has no type octet assigned, so it is built as the specification wants
//! it for such: a P-256 key in an HSM signs the message of `cosignature/v1` with ECDSA and SHA-256; its type
//! octets are `0xff` and the line `chancery-cosignature-ecdsa-p256/v1`, its key octets the DER of the
//! SubjectPublicKeyInfo, its signature is the time as in `cosignature/v1`, then the DER of ECDSA-Sig-Value
//! (RFC 3279 §2.2.3). Nobody but Chancery reads it.

use std::fmt;

use aws_lc_rs::digest;
use pki::{KeyAlgorithm, PublicKey};

use crate::key_name::KeyName;

/// How a key signs notes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignatureKind {
    /// 0x01: Ed25519 (RFC 8032) over the text.
    Ed25519,
    /// 0x02: ECDSA on P-256, P-384 or P-521, always with SHA-256, over the text; in DER. The key ID is made
    /// of the SubjectPublicKeyInfo alone.
    Ecdsa,
    /// 0x04: `cosignature/v1`, Ed25519 over a time and the text.
    Cosignature,
    /// 0xff, of Chancery alone: ECDSA on P-256 with SHA-256 over the message of `cosignature/v1`.
    EcdsaCosignature,
}

/// First four octets of a hash of name, kind and key (c2sp.org/signed-note, "Signatures"). Printed as
/// lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; 4]);

impl SignatureKind {
    /// Every kind.
    pub(crate) const ALL: [Self; 4] = [
        Self::Ed25519,
        Self::Ecdsa,
        Self::Cosignature,
        Self::EcdsaCosignature,
    ];

    /// Type octets, which stand before the key octets. None is the beginning of another.
    pub(crate) fn type_octets(self) -> &'static [u8] {
        match self {
            Self::Ed25519 => &[0x01],
            Self::Ecdsa => &[0x02],
            Self::Cosignature => &[0x04],
            Self::EcdsaCosignature => b"\xffchancery-cosignature-ecdsa-p256/v1\n",
        }
    }

    pub(crate) fn key_octets(self, key: &PublicKey) -> &[u8] {
        match self {
            Self::Ed25519 | Self::Cosignature => key.key_bits(),
            Self::Ecdsa | Self::EcdsaCosignature => key.spki_der(),
        }
    }

    pub(crate) fn key_id(self, name: &KeyName, key: &PublicKey) -> KeyId {
        let key = self.key_octets(key);
        let hash = if self == Self::Ecdsa {
            digest::digest(&digest::SHA256, key)
        } else {
            let octets = [name.as_str().as_bytes(), b"\n", self.type_octets(), key].concat();
            digest::digest(&digest::SHA256, &octets)
        };
        KeyId(hash.as_ref().first_chunk().copied().unwrap_or_default())
    }

    pub(crate) fn is_made_by(self, key: KeyAlgorithm) -> bool {
        match self {
            Self::Ed25519 | Self::Cosignature => key == KeyAlgorithm::Ed25519,
            Self::Ecdsa => matches!(key, KeyAlgorithm::P256 | KeyAlgorithm::P384 | KeyAlgorithm::P521),
            Self::EcdsaCosignature => key == KeyAlgorithm::P256,
        }
    }

    /// Whether a time is signed, too.
    pub(crate) fn is_timed(self) -> bool {
        matches!(self, Self::Cosignature | Self::EcdsaCosignature)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}
