//! Certificate revocation lists (RFC 5280 §5).

mod build;
mod reason;

use const_oid::ObjectIdentifier;
use der::asn1::{AnyRef, UintRef};
use der::{Decode, Header, Reader, SliceReader, Tag, TagNumber};
use jiff::Timestamp;
use x509_cert::ext::pkix::AuthorityKeyIdentifier;

pub use build::{CrlInput, IssuingDistributionPoint, build, entry_der};
pub use reason::{RevocationReason, UnknownReason};

use crate::extensions::{Extensions, ExtensionsFault};
use crate::key::{BadSignature, PublicKey};
use crate::name::DistinguishedName;
use crate::serial::Serial;
use crate::signature_algorithm::SignatureAlgorithm;
use crate::signed::Signed;
use crate::{pem, time};

/// Longest CRL read, in octets.
pub const MAX_CRL_LEN: usize = 512 * 1024 * 1024;
pub(crate) const CRL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");
pub(crate) const REASON_CODE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.21");
pub(crate) const INVALIDITY_DATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.24");
pub(crate) const DELTA_CRL_INDICATOR: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.27");

/// One revoked certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevokedEntry {
    /// Its serial number.
    pub serial: Serial,
    /// When it was revoked.
    pub revoked_at: Timestamp,
    /// Why; absent means unspecified (RFC 5280 §5.3.1).
    pub reason: Option<RevocationReason>,
    /// Since when its key is known or suspected to be bad (RFC 5280 §5.3.2).
    pub invalidity_date: Option<Timestamp>,
}

/// Why something is no acceptable CRL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CrlFault {
    /// Over [`MAX_CRL_LEN`].
    #[error("the CRL is longer than {MAX_CRL_LEN} octets")]
    TooLong,
    /// Not a version 2 CRL in DER or PEM.
    #[error("this is not a version 2 CRL: {0}")]
    Malformed(String),
    /// Its signature algorithm is not known here.
    #[error("the CRL is signed with an unknown algorithm")]
    SignatureAlgorithm,
}

impl From<der::Error> for CrlFault {
    fn from(error: der::Error) -> Self {
        Self::Malformed(error.to_string())
    }
}

impl From<ExtensionsFault> for CrlFault {
    fn from(fault: ExtensionsFault) -> Self {
        Self::Malformed(fault.to_string())
    }
}

/// A CRL as it is read. Its entries stay octets until they are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crl {
    der: Vec<u8>,
    algorithm: SignatureAlgorithm,
    issuer: DistinguishedName,
    this_update: Timestamp,
    next_update: Option<Timestamp>,
    entries: Vec<u8>,
    extensions: Extensions,
}

impl Crl {
    /// Reads PEM or DER, strictly; every entry is checked to be readable.
    pub fn parse(input: &[u8]) -> Result<Self, CrlFault> {
        if input.len() > MAX_CRL_LEN {
            return Err(CrlFault::TooLong);
        }
        if !input.starts_with(b"-----") && !pem::is_pem(input.get(..4096.min(input.len())).unwrap_or_default()) {
            return Self::from_der(input);
        }
        let blocks = pem::decode(input).map_err(|fault| CrlFault::Malformed(fault.to_string()))?;
        let block = blocks.into_iter().find(|block| block.label == "X509 CRL");
        Self::from_der(&block.ok_or_else(|| CrlFault::Malformed("no X509 CRL in the PEM text".to_owned()))?.der)
    }

    fn from_der(der: &[u8]) -> Result<Self, CrlFault> {
        let signed = Signed::split(der)?;
        let mut reader = SliceReader::new(signed.tbs)?;
        let crl = reader.sequence(|inner| Self::read_tbs(inner, der, &signed))?;
        reader.finish()?;
        if crl.entries().any(|entry| entry.is_err()) {
            return Err(CrlFault::Malformed("an entry cannot be read".to_owned()));
        }
        Ok(crl)
    }

    /// TBSCertList, RFC 5280 §5.1.
    fn read_tbs<'a>(reader: &mut impl Reader<'a>, der: &[u8], signed: &Signed<'_>) -> Result<Self, CrlFault> {
        let malformed = |why: &str| CrlFault::Malformed(why.to_owned());
        if u8::decode(reader)? != 1 {
            return Err(malformed("its version is not 2"));
        }
        if reader.tlv_bytes()? != signed.algorithm_der {
            return Err(malformed("its two signature algorithms differ"));
        }
        let algorithm = signed.algorithm().ok_or(CrlFault::SignatureAlgorithm)?;
        let issuer = DistinguishedName::from_der(reader.tlv_bytes()?).map_err(|fault| malformed(&fault.to_string()))?;
        let this_update = time::from_der(reader.tlv_bytes()?)?;
        let mut crl = Self {
            der: der.to_vec(),
            algorithm,
            issuer,
            this_update,
            next_update: None,
            entries: Vec::new(),
            extensions: Extensions::default(),
        };
        while !reader.is_finished() {
            let field = reader.tlv_bytes()?;
            let header = Header::from_der_prefix(field)?;
            match header {
                Tag::UtcTime | Tag::GeneralizedTime => crl.next_update = Some(time::from_der(field)?),
                Tag::Sequence => crl.entries = AnyRef::from_der(field)?.value().to_vec(),
                Tag::ContextSpecific { constructed: true, number: TagNumber(0) } => {
                    crl.extensions = Extensions::from_der(AnyRef::from_der(field)?.value())?;
                }
                _ => return Err(malformed("there is something after its fields")),
            }
        }
        Ok(crl)
    }

    /// The whole CRL.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The CRL as a PEM block.
    pub fn pem(&self) -> String {
        pem::encode("X509 CRL", &self.der)
    }

    /// Who issued it.
    pub fn issuer(&self) -> &DistinguishedName {
        &self.issuer
    }

    /// When it was made.
    pub fn this_update(&self) -> Timestamp {
        self.this_update
    }

    /// When the next one comes at the latest.
    pub fn next_update(&self) -> Option<Timestamp> {
        self.next_update
    }

    /// The CRL number; absent when the CRL has none or one beyond 64 bits.
    pub fn number(&self) -> Option<u64> {
        integer(self.extensions.raw(CRL_NUMBER)?.extn_value.as_bytes())
    }

    /// The number of the full CRL that this delta stands on; absent when this is a full CRL.
    pub fn delta_base(&self) -> Option<u64> {
        integer(self.extensions.raw(DELTA_CRL_INDICATOR)?.extn_value.as_bytes())
    }

    /// The key identifier of its issuer.
    pub fn authority_key_id(&self) -> Option<Vec<u8>> {
        let identifier = self.extensions.value::<AuthorityKeyIdentifier>().ok().flatten()?.key_identifier?;
        Some(identifier.as_bytes().to_vec())
    }

    /// The revoked certificates, in the order they are written.
    pub fn entries(&self) -> impl Iterator<Item = Result<RevokedEntry, CrlFault>> + '_ {
        Entries { rest: &self.entries }
    }

    /// The entry of a serial.
    pub fn find(&self, serial: Serial) -> Option<RevokedEntry> {
        self.entries().filter_map(Result::ok).find(|entry| entry.serial == serial)
    }

    /// Checks the signature with the issuer's key.
    pub fn verify_signed_by(&self, issuer: &PublicKey) -> Result<(), BadSignature> {
        let signed = Signed::split(&self.der).map_err(|_| BadSignature)?;
        issuer.verify(self.algorithm, signed.tbs, signed.signature)
    }
}

/// Reads the tag of an element without its contents.
trait TagOf {
    fn from_der_prefix(element: &[u8]) -> der::Result<Tag>;
}

impl TagOf for Header {
    fn from_der_prefix(element: &[u8]) -> der::Result<Tag> {
        Tag::decode(&mut SliceReader::new(element)?)
    }
}

fn integer(der: &[u8]) -> Option<u64> {
    let octets = UintRef::from_der(der).ok()?;
    let octets = octets.as_bytes();
    (octets.len() <= 8).then(|| octets.iter().fold(0, |value, octet| (value << 8) | u64::from(*octet)))
}

struct Entries<'a> {
    rest: &'a [u8],
}

impl Iterator for Entries<'_> {
    type Item = Result<RevokedEntry, CrlFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let mut reader = SliceReader::new(self.rest).ok()?;
        let entry = reader.sequence(read_entry);
        match (entry, usize::try_from(reader.remaining_len()).ok()) {
            (Ok(entry), Some(left)) => {
                self.rest = self.rest.get(self.rest.len().saturating_sub(left)..).unwrap_or_default();
                Some(Ok(entry))
            }
            (Err(fault), _) => {
                self.rest = &[];
                Some(Err(fault))
            }
            (Ok(_), None) => None,
        }
    }
}

fn read_entry<'a>(reader: &mut impl Reader<'a>) -> Result<RevokedEntry, CrlFault> {
    let malformed = |why: &str| CrlFault::Malformed(why.to_owned());
    let serial = Serial::from_unsigned(UintRef::decode(reader)?.as_bytes());
    let serial = serial.map_err(|fault| malformed(&fault.to_string()))?;
    let revoked_at = time::from_der(reader.tlv_bytes()?)?;
    let mut entry = RevokedEntry { serial, revoked_at, reason: None, invalidity_date: None };
    if reader.is_finished() {
        return Ok(entry);
    }
    for extension in Extensions::from_der(reader.tlv_bytes()?)?.iter() {
        let value = extension.extn_value.as_bytes();
        match extension.extn_id {
            REASON_CODE => {
                let [0x0a, 0x01, code] = value else { return Err(malformed("a reason code cannot be read")) };
                let reason = RevocationReason::from_code(*code);
                entry.reason = Some(reason.ok_or_else(|| malformed("a reason code is not one of RFC 5280"))?);
            }
            INVALIDITY_DATE => entry.invalidity_date = Some(time::from_generalized(value)?),
            other if extension.critical => {
                return Err(CrlFault::Malformed(format!("the critical entry extension {other} is not understood")));
            }
            _ => {}
        }
    }
    Ok(entry)
}

#[cfg(test)]
mod tests;
