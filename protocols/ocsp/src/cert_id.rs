//! CertID: which certificate a status is asked or given for (RFC 6960 §4.1.1).
//!
//! The hashes are fixed arrays chosen by the algorithm, so a `CertId` of a wrong hash length cannot exist, costs no
//! allocation to parse, and its issuer part can be the key of a map. The two spellings of the algorithm in use
//! (parameters NULL or absent, RFC 5754 §2) are kept apart only to echo a CertID octet for octet: some clients
//! compare the encodings.

use der::asn1::{OctetStringRef, UintRef};
use der::{Decode, DecodeValue, EncodeValue, FixedTag, Header, Length, Reader, Tag, Writer};
use pki::encode::{SEQUENCE, unsigned, wrap};
use pki::{PublicKey, Serial};

use crate::fault::RequestFault;

/// Hash algorithms accepted in a CertID: SHA-1 for the clients of RFC 5019, SHA-256 for those of RFC 9919 §3.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HashAlgorithm {
    /// SHA-1, here an index into the responder's issuers and not a protection.
    Sha1,
    /// SHA-256.
    Sha256,
}

/// The issuer's half of a CertID: hash of its subject (DER of the Name) and of its key (BIT STRING value).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IssuerHash {
    /// Hashed by SHA-1.
    Sha1 {
        /// issuerNameHash.
        name: [u8; 20],
        /// issuerKeyHash.
        key: [u8; 20],
    },
    /// Hashed by SHA-256.
    Sha256 {
        /// issuerNameHash.
        name: [u8; 32],
        /// issuerKeyHash.
        key: [u8; 32],
    },
}

/// CertID (RFC 6960 §4.1.1). Equality is equality of the encoding; [`CertId::names_same_certificate`] is looser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CertId {
    issuer: IssuerHash,
    serial: Serial,
    null_parameters: bool,
}

const SHA1_NULL: &[u8] = &[0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00];
const SHA1_ABSENT: &[u8] = &[0x30, 0x07, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a];
const SHA256_NULL: &[u8] = &[
    0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
];
const SHA256_ABSENT: &[u8] = &[
    0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
];

impl CertId {
    /// The CertID of `serial` under the issuer with this subject and key. The algorithm's parameters are NULL, as
    /// OpenSSL, NSS and Java write them.
    pub fn for_issuer(
        algorithm: HashAlgorithm,
        subject_der: &[u8],
        issuer_key: &PublicKey,
        serial: Serial,
    ) -> Self {
        Self::new(IssuerHash::for_issuer(algorithm, subject_der, issuer_key), serial)
    }

    /// The CertID of `serial` under an issuer whose hashes are known.
    pub const fn new(issuer: IssuerHash, serial: Serial) -> Self {
        Self {
            issuer,
            serial,
            null_parameters: true,
        }
    }

    /// The same with the parameters of the algorithm left out, as RFC 5754 §2 prefers.
    #[must_use]
    pub const fn without_parameters(mut self) -> Self {
        self.null_parameters = false;
        self
    }

    /// The issuer's half: names the issuer whatever the spelling of the algorithm was.
    pub const fn issuer(&self) -> &IssuerHash {
        &self.issuer
    }

    /// The serial asked for.
    pub const fn serial(&self) -> Serial {
        self.serial
    }

    /// Which hash the issuer's half was made with.
    pub const fn hash_algorithm(&self) -> HashAlgorithm {
        self.issuer.algorithm()
    }

    /// Whether the parameters of the algorithm are written as NULL, and not left out.
    pub const fn has_null_parameters(&self) -> bool {
        self.null_parameters
    }

    /// issuerNameHash: 20 or 32 octets.
    pub const fn issuer_name_hash(&self) -> &[u8] {
        match &self.issuer {
            IssuerHash::Sha1 { name, .. } => name,
            IssuerHash::Sha256 { name, .. } => name,
        }
    }

    /// issuerKeyHash: 20 or 32 octets.
    pub const fn issuer_key_hash(&self) -> &[u8] {
        match &self.issuer {
            IssuerHash::Sha1 { key, .. } => key,
            IssuerHash::Sha256 { key, .. } => key,
        }
    }

    /// Same issuer hashes and serial, whether the algorithm's parameters are written as NULL or left out.
    pub fn names_same_certificate(&self, other: &Self) -> bool {
        self.issuer == other.issuer && self.serial == other.serial
    }

    /// The DER of the CertID.
    pub(crate) fn to_octets(self) -> Vec<u8> {
        wrap(
            SEQUENCE,
            &[
                self.algorithm_der(),
                &wrap(0x04, &[self.issuer_name_hash()]),
                &wrap(0x04, &[self.issuer_key_hash()]),
                &unsigned(self.serial.as_bytes()),
            ],
        )
    }

    /// The fields of a CertID in the encoding that DER allows, or nothing; never more than the strict reader takes.
    pub(crate) fn read_usual(fields: &[u8]) -> Option<Self> {
        let known = [
            (SHA1_NULL, HashAlgorithm::Sha1, true),
            (SHA256_NULL, HashAlgorithm::Sha256, true),
            (SHA256_ABSENT, HashAlgorithm::Sha256, false),
            (SHA1_ABSENT, HashAlgorithm::Sha1, false),
        ];
        let (rest, algorithm, null_parameters) = known
            .into_iter()
            .find_map(|(der, algorithm, is_null)| Some((fields.strip_prefix(der)?, algorithm, is_null)))?;
        let (issuer, rest) = match algorithm {
            HashAlgorithm::Sha1 => {
                let (name, rest) = octets(rest)?;
                let (key, rest) = octets(rest)?;
                (IssuerHash::Sha1 { name, key }, rest)
            }
            HashAlgorithm::Sha256 => {
                let (name, rest) = octets(rest)?;
                let (key, rest) = octets(rest)?;
                (IssuerHash::Sha256 { name, key }, rest)
            }
        };
        let ([0x02, length], serial) = rest.split_first_chunk()? else {
            return None;
        };
        let is_minimal = match serial {
            [0, second, ..] => *second >= 0x80,
            [first, ..] => *first < 0x80,
            [] => false,
        };
        if usize::from(*length) != serial.len() || !is_minimal {
            return None;
        }
        Some(Self {
            issuer,
            serial: Serial::from_unsigned(serial).ok()?,
            null_parameters,
        })
    }

    /// Strict reader shared by requests and responses.
    pub(crate) fn read<'r>(reader: &mut impl Reader<'r>) -> Result<Self, RequestFault> {
        reader.sequence(Self::read_fields)
    }

    fn read_fields<'r>(reader: &mut impl Reader<'r>) -> Result<Self, RequestFault> {
        let (algorithm, null_parameters) = match reader.tlv_bytes()? {
            SHA1_NULL => (HashAlgorithm::Sha1, true),
            SHA1_ABSENT => (HashAlgorithm::Sha1, false),
            SHA256_NULL => (HashAlgorithm::Sha256, true),
            SHA256_ABSENT => (HashAlgorithm::Sha256, false),
            other => {
                spki::AlgorithmIdentifierRef::from_der(other)?;
                return Err(RequestFault::UnsupportedHash);
            }
        };
        let name = <&OctetStringRef>::decode(reader)?.as_bytes();
        let key = <&OctetStringRef>::decode(reader)?.as_bytes();
        let issuer = match algorithm {
            HashAlgorithm::Sha1 => IssuerHash::Sha1 {
                name: hash(name)?,
                key: hash(key)?,
            },
            HashAlgorithm::Sha256 => IssuerHash::Sha256 {
                name: hash(name)?,
                key: hash(key)?,
            },
        };
        let serial = Serial::from_unsigned(UintRef::decode(reader)?.as_bytes())
            .map_err(|_| RequestFault::Malformed("serial is zero or longer than 20 octets"))?;
        Ok(Self {
            issuer,
            serial,
            null_parameters,
        })
    }

    const fn algorithm_der(&self) -> &'static [u8] {
        match (self.hash_algorithm(), self.null_parameters) {
            (HashAlgorithm::Sha1, true) => SHA1_NULL,
            (HashAlgorithm::Sha1, false) => SHA1_ABSENT,
            (HashAlgorithm::Sha256, true) => SHA256_NULL,
            (HashAlgorithm::Sha256, false) => SHA256_ABSENT,
        }
    }
}

impl IssuerHash {
    /// Hashes of an issuer: of the DER of its subject Name, and of the value of its key's BIT STRING (without tag,
    /// length and unused-bits octet).
    pub fn for_issuer(algorithm: HashAlgorithm, subject_der: &[u8], issuer_key: &PublicKey) -> Self {
        let key_bits = issuer_key.key_bits();
        match algorithm {
            HashAlgorithm::Sha1 => Self::Sha1 {
                name: sha1(subject_der),
                key: sha1(key_bits),
            },
            HashAlgorithm::Sha256 => Self::Sha256 {
                name: sha256(subject_der),
                key: sha256(key_bits),
            },
        }
    }

    /// Which hash it was made with.
    pub const fn algorithm(&self) -> HashAlgorithm {
        match self {
            Self::Sha1 { .. } => HashAlgorithm::Sha1,
            Self::Sha256 { .. } => HashAlgorithm::Sha256,
        }
    }
}

impl FixedTag for CertId {
    const TAG: Tag = Tag::Sequence;
}

impl<'a> DecodeValue<'a> for CertId {
    type Error = der::Error;

    fn decode_value<R: Reader<'a>>(reader: &mut R, header: Header) -> der::Result<Self> {
        reader
            .read_nested(header.length(), Self::read_fields)
            .map_err(|fault| match fault {
                RequestFault::Der(error) => error,
                _ => Self::TAG.value_error().into(),
            })
    }
}

impl EncodeValue for CertId {
    fn value_len(&self) -> der::Result<Length> {
        use der::Encode;
        Length::try_from(self.algorithm_der().len())?
            + OctetStringRef::new(self.issuer_name_hash())?.encoded_len()?
            + OctetStringRef::new(self.issuer_key_hash())?.encoded_len()?
            + UintRef::new(self.serial.as_bytes())?.encoded_len()?
    }

    fn encode_value(&self, writer: &mut impl Writer) -> der::Result<()> {
        use der::Encode;
        writer.write(self.algorithm_der())?;
        OctetStringRef::new(self.issuer_name_hash())?.encode(writer)?;
        OctetStringRef::new(self.issuer_key_hash())?.encode(writer)?;
        UintRef::new(self.serial.as_bytes())?.encode(writer)
    }
}

/// An OCTET STRING of N octets, fewer than 128, and what is behind it.
fn octets<const N: usize>(der: &[u8]) -> Option<([u8; N], &[u8])> {
    let ([0x04, length], rest) = der.split_first_chunk()? else {
        return None;
    };
    let (octets, rest) = rest.split_first_chunk()?;
    (usize::from(*length) == N).then_some((*octets, rest))
}

fn hash<const N: usize>(octets: &[u8]) -> Result<[u8; N], RequestFault> {
    octets
        .try_into()
        .map_err(|_| RequestFault::Malformed("issuer hash has the wrong length"))
}

fn sha1(octets: &[u8]) -> [u8; 20] {
    digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, octets)
}

fn sha256(octets: &[u8]) -> [u8; 32] {
    digest(&aws_lc_rs::digest::SHA256, octets)
}

fn digest<const N: usize>(algorithm: &'static aws_lc_rs::digest::Algorithm, octets: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    let digest = aws_lc_rs::digest::digest(algorithm, octets);
    for (to, from) in out.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    out
}
