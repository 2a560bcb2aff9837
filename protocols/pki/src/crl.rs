//! Certificate revocation lists (RFC 5280 §5).

mod build;
mod encoded_entry;
mod entry;
mod parts;
mod reason;
mod segment;
mod sorted_entries;

use const_oid::ObjectIdentifier;
use der::asn1::{AnyRef, UintRef};
use der::{Decode, Reader, SliceReader, Tag, TagNumber};
use jiff::Timestamp;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, IssuingDistributionPoint as IssuingDistributionPointSyntax,
};

pub use build::{CrlInput, IssuingDistributionPoint, build, build_around, entry_der};
pub use encoded_entry::EncodedEntry;
pub use parts::CrlParts;
pub use reason::{RevocationReason, UnknownReason};
pub(crate) use sorted_entries::Extent;
pub use sorted_entries::SortedEntries;

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
pub(crate) const ISSUING_DISTRIBUTION_POINT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");

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
    distribution_point: Option<IssuingDistributionPoint>,
    number: Option<u64>,
    delta_base: Option<u64>,
}

impl Crl {
    /// Reads PEM or DER, strictly; every entry is checked to be readable.
    pub fn parse(input: &[u8]) -> Result<Self, CrlFault> {
        if input.len() > MAX_CRL_LEN {
            return Err(CrlFault::TooLong);
        }
        if !input.starts_with(b"-----")
            && !pem::is_pem(input.get(..4096.min(input.len())).unwrap_or_default())
        {
            return Self::from_der(input);
        }
        let blocks = pem::decode(input).map_err(|fault| CrlFault::Malformed(fault.to_string()))?;
        let block = blocks.into_iter().find(|block| block.label == "X509 CRL");
        Self::from_der(
            &block
                .ok_or_else(|| CrlFault::Malformed("no X509 CRL in the PEM text".to_owned()))?
                .der,
        )
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
        let issuer = DistinguishedName::from_der(reader.tlv_bytes()?)
            .map_err(|fault| malformed(&fault.to_string()))?;
        let this_update = time::from_der(reader.tlv_bytes()?)?;
        let mut crl = Self {
            der: der.to_vec(),
            algorithm,
            issuer,
            this_update,
            next_update: None,
            entries: Vec::new(),
            extensions: Extensions::default(),
            distribution_point: None,
            number: None,
            delta_base: None,
        };
        let mut last = 0;
        while !reader.is_finished() {
            let field = reader.tlv_bytes()?;
            let position = match tag_of(field)? {
                Tag::UtcTime | Tag::GeneralizedTime => {
                    crl.next_update = Some(time::from_der(field)?);
                    1
                }
                Tag::Sequence => {
                    crl.entries = AnyRef::from_der(field)?.value().to_vec();
                    2
                }
                Tag::ContextSpecific {
                    constructed: true,
                    number: TagNumber(0),
                } => {
                    crl.extensions = Extensions::from_der(AnyRef::from_der(field)?.value())?;
                    3
                }
                _ => return Err(malformed("there is something after its fields")),
            };
            if position <= last {
                return Err(malformed("its fields are out of order"));
            }
            last = position;
        }
        crl.read_extensions()?;
        Ok(crl)
    }

    /// RFC 5280 §5.2: a CRL with a critical extension that is not understood says nothing of any certificate.
    fn read_extensions(&mut self) -> Result<(), CrlFault> {
        let critical = self
            .extensions
            .iter()
            .filter(|extension| extension.critical)
            .map(|extension| extension.extn_id);
        let known = [CRL_NUMBER, DELTA_CRL_INDICATOR, ISSUING_DISTRIBUTION_POINT];
        if let Some(unknown) = critical.into_iter().find(|oid| !known.contains(oid)) {
            return Err(CrlFault::Malformed(format!(
                "the critical extension {unknown} is not understood"
            )));
        }
        if let Some(number) = self.extensions.raw(CRL_NUMBER) {
            let number = UintRef::from_der(number.extn_value.as_bytes())?;
            self.number = small(number.as_bytes());
        }
        if let Some(base) = self.extensions.raw(DELTA_CRL_INDICATOR) {
            // What is not seen to be a delta would be taken for the whole list.
            let base = small(UintRef::from_der(base.extn_value.as_bytes())?.as_bytes());
            let too_long = || CrlFault::Malformed("the number of its base has more than 64 bits".to_owned());
            self.delta_base = Some(base.ok_or_else(too_long)?);
        }
        self.distribution_point = match self.extensions.raw(ISSUING_DISTRIBUTION_POINT) {
            Some(extension) => Some(distribution_point(extension.extn_value.as_bytes())?),
            None => None,
        };
        Ok(())
    }

    /// The whole CRL.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The signed octets: the TBSCertList.
    pub fn tbs_der(&self) -> &[u8] {
        // It was split when it was read.
        Signed::split(&self.der).map_or(&[], |signed| signed.tbs)
    }

    /// The CRL as a PEM block.
    pub fn pem(&self) -> String {
        pem::encode("X509 CRL", &self.der)
    }

    /// The algorithm it is signed with.
    pub fn signature_algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
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
        self.number
    }

    /// The number of the full CRL that this delta stands on; absent when this is a full CRL.
    pub fn delta_base(&self) -> Option<u64> {
        self.delta_base
    }

    /// What it covers; absent when that is everything its issuer issued.
    pub fn distribution_point(&self) -> Option<&IssuingDistributionPoint> {
        self.distribution_point.as_ref()
    }

    /// The key identifier of its issuer.
    pub fn authority_key_id(&self) -> Option<Vec<u8>> {
        let identifier = self
            .extensions
            .value::<AuthorityKeyIdentifier>()
            .ok()
            .flatten()?
            .key_identifier?;
        Some(identifier.as_bytes().to_vec())
    }

    /// The revoked certificates, in the order they are written.
    pub fn entries(&self) -> impl Iterator<Item = Result<RevokedEntry, CrlFault>> + '_ {
        entry::Entries { rest: &self.entries }
    }

    /// The entry of a serial.
    pub fn find(&self, serial: Serial) -> Option<RevokedEntry> {
        self.entries()
            .filter_map(Result::ok)
            .find(|entry| entry.serial == serial)
    }

    /// Checks the signature with the issuer's key.
    pub fn verify_signed_by(&self, issuer: &PublicKey) -> Result<(), BadSignature> {
        let signed = Signed::split(&self.der).map_err(|_| BadSignature)?;
        issuer.verify(self.algorithm, signed.tbs, signed.signature)
    }
}

/// The kind of an element, without its contents.
fn tag_of(element: &[u8]) -> der::Result<Tag> {
    Tag::decode(&mut SliceReader::new(element)?)
}

/// IssuingDistributionPoint; those of indirect CRLs, of attribute certificates and of some reasons only are refused, because
/// a reader that does not follow them would take a revoked certificate for good.
fn distribution_point(der: &[u8]) -> Result<IssuingDistributionPoint, CrlFault> {
    let point = IssuingDistributionPointSyntax::from_der(der)?;
    if point.indirect_crl || point.only_contains_attribute_certs || point.only_some_reasons.is_some() {
        return Err(CrlFault::Malformed(
            "it is indirect or covers some reasons only".to_owned(),
        ));
    }
    let names = match point.distribution_point {
        Some(DistributionPointName::FullName(names)) => names,
        Some(DistributionPointName::NameRelativeToCRLIssuer(_)) => {
            return Err(CrlFault::Malformed(
                "its distribution point is relative".to_owned(),
            ));
        }
        None => Vec::new(),
    };
    let url = |name: GeneralName| match name {
        GeneralName::UniformResourceIdentifier(text) => Some(text.to_string()),
        _ => None,
    };
    Ok(IssuingDistributionPoint {
        urls: names.into_iter().filter_map(url).collect(),
        only_user_certificates: point.only_contains_user_certs,
        only_ca_certificates: point.only_contains_ca_certs,
    })
}

/// A number that fits 64 bits.
fn small(octets: &[u8]) -> Option<u64> {
    (octets.len() <= 8).then(|| {
        octets
            .iter()
            .fold(0, |value, octet| (value << 8) | u64::from(*octet))
    })
}

#[cfg(test)]
mod tests;
