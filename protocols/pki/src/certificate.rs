//! Certificates as they are read: our own, an imported authority's, a peer's (RFC 5280 §4).

mod outline;
mod read;
mod summary;

use std::fmt;

use const_oid::db::rfc5280::ID_KP_OCSP_SIGNING;
use const_oid::{AssociatedOid, ObjectIdentifier};
use der::Decode as _;
use der::asn1::OctetString;
use jiff::Timestamp;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints, CertificatePolicies,
    CrlDistributionPoints, ExtendedKeyUsage, KeyUsage, NameConstraints,
    SubjectAltName as SubjectAltNameSyntax, SubjectKeyIdentifier,
};

use crate::extensions::{Extensions, ExtensionsFault};
use crate::key::{BadSignature, KeyFault, PublicKey};
use crate::name::{DistinguishedName, NameFault};
use crate::pem;
use crate::profile::extension_ids::{MICROSOFT_OBJECT_SID, MICROSOFT_SID};
use crate::san::{self, SanFault, SubjectAltName};
use crate::serial::{Serial, SerialFault};
use crate::signature_algorithm::SignatureAlgorithm;
use crate::signed::Signed;

pub use outline::Outline;

/// Longest certificate read, in octets.
pub const MAX_CERTIFICATE_LEN: usize = 256 * 1024;
const OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");
const CA_ISSUERS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.2");
const TLS_FEATURE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.24");
/// Extensions that may be critical in a certificate of a chain: each is enforced by [`crate::chain`] or by whoever uses
/// the leaf (purposes, names), except policies, which nothing here asks for (RFC 5280 §6.1.1 (c) "any-policy").
const PROCESSED: &[ObjectIdentifier] = &[
    BasicConstraints::OID,
    KeyUsage::OID,
    ExtendedKeyUsage::OID,
    SubjectAltNameSyntax::OID,
    NameConstraints::OID,
    CertificatePolicies::OID,
    TLS_FEATURE,
];

/// Why something is no acceptable certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateFault {
    /// Over [`MAX_CERTIFICATE_LEN`].
    #[error("the certificate is longer than {MAX_CERTIFICATE_LEN} octets")]
    TooLong,
    /// Not an X.509 certificate in DER or PEM.
    #[error("this is not an X.509 certificate: {0}")]
    Malformed(String),
    /// The serial number is out of range.
    #[error("the certificate's serial number is not acceptable")]
    Serial(#[from] SerialFault),
    /// A name in it cannot be used.
    #[error("a name in the certificate is not acceptable")]
    Name(#[from] NameFault),
    /// Its key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// Its signature algorithm is not known here.
    #[error("the certificate is signed with an unknown algorithm")]
    SignatureAlgorithm,
    /// An extension appears twice.
    #[error("the certificate has the extension {0} twice")]
    DuplicateExtension(ObjectIdentifier),
}

impl From<der::Error> for CertificateFault {
    fn from(error: der::Error) -> Self {
        Self::Malformed(error.to_string())
    }
}

impl From<ExtensionsFault> for CertificateFault {
    fn from(fault: ExtensionsFault) -> Self {
        match fault {
            ExtensionsFault::Duplicate(oid) => Self::DuplicateExtension(oid),
            other => Self::Malformed(other.to_string()),
        }
    }
}

/// A certificate. Reading it says nothing of its signature; [`Certificate::verify_signed_by`] does.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    algorithm: SignatureAlgorithm,
    serial: Serial,
    issuer: DistinguishedName,
    subject: DistinguishedName,
    not_before: Timestamp,
    not_after: Timestamp,
    public_key: PublicKey,
    extensions: Extensions,
}

impl Certificate {
    /// The whole certificate.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The signed octets: the TBSCertificate.
    pub fn tbs_der(&self) -> &[u8] {
        // It was split when it was read.
        Signed::split(&self.der).map_or(&[], |signed| signed.tbs)
    }

    /// The certificate as a PEM block.
    pub fn pem(&self) -> String {
        pem::encode("CERTIFICATE", &self.der)
    }

    /// The algorithm it is signed with.
    pub fn signature_algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// The serial number.
    pub fn serial(&self) -> Serial {
        self.serial
    }

    /// Who issued it.
    pub fn issuer(&self) -> &DistinguishedName {
        &self.issuer
    }

    /// Whose it is.
    pub fn subject(&self) -> &DistinguishedName {
        &self.subject
    }

    /// The first second of its validity.
    pub fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// The last second of its validity.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Whether `at` lies within its validity.
    pub fn is_valid_at(&self, at: Timestamp) -> bool {
        self.not_before <= at && at <= self.not_after
    }

    /// The certified key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The subject alternative names; an error when one is of a type not known here.
    pub fn subject_alt_names(&self) -> Result<Vec<SubjectAltName>, SanFault> {
        self.general_names()?
            .iter()
            .map(SubjectAltName::from_general_name)
            .collect()
    }

    /// The subject alternative names as they are written, of whatever type.
    pub(crate) fn general_names(&self) -> Result<Vec<GeneralName>, SanFault> {
        san::general_names(&self.extensions)
    }

    /// The critical extension that path validation here does not process, if there is one.
    pub(crate) fn unknown_critical_extension(&self) -> Option<ObjectIdentifier> {
        let critical = self.extensions.iter().filter(|extension| extension.critical);
        critical
            .map(|extension| extension.extn_id)
            .find(|oid| !PROCESSED.contains(oid))
    }

    /// Whether basicConstraints says CA.
    pub fn is_ca(&self) -> bool {
        self.extensions
            .value::<BasicConstraints>()
            .ok()
            .flatten()
            .is_some_and(|constraints| constraints.ca)
    }

    /// How many authorities may stand below it.
    pub fn path_len(&self) -> Option<u8> {
        self.extensions
            .value::<BasicConstraints>()
            .ok()
            .flatten()?
            .path_len_constraint
    }

    /// The key usage.
    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.extensions.value::<KeyUsage>().ok().flatten()
    }

    /// Whether its key may sign certificates (RFC 5280 §4.2.1.3): the bit is set, or there is no restriction.
    pub fn may_sign_certificates(&self) -> bool {
        self.is_ca() && self.key_usage().is_none_or(|usage| usage.key_cert_sign())
    }

    /// The purposes; empty when the extension is absent.
    pub fn extended_key_usage(&self) -> Vec<ObjectIdentifier> {
        self.extensions
            .value::<ExtendedKeyUsage>()
            .ok()
            .flatten()
            .map(|usage| usage.0)
            .unwrap_or_default()
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

    /// The identifier of its own key.
    pub fn subject_key_id(&self) -> Option<Vec<u8>> {
        Some(
            self.extensions
                .value::<SubjectKeyIdentifier>()
                .ok()
                .flatten()?
                .0
                .as_bytes()
                .to_vec(),
        )
    }

    /// The name constraints.
    pub fn name_constraints(&self) -> Option<NameConstraints> {
        self.extensions.value::<NameConstraints>().ok().flatten()
    }

    /// Where its CRL is.
    pub fn crl_urls(&self) -> Vec<String> {
        let points = self
            .extensions
            .value::<CrlDistributionPoints>()
            .ok()
            .flatten()
            .map(|points| points.0);
        let names =
            points
                .unwrap_or_default()
                .into_iter()
                .filter_map(|point| match point.distribution_point {
                    Some(DistributionPointName::FullName(names)) => Some(names),
                    _ => None,
                });
        names.flatten().filter_map(|name| url(&name)).collect()
    }

    /// Where its OCSP responder is.
    pub fn ocsp_urls(&self) -> Vec<String> {
        self.access(OCSP)
    }

    /// Where its issuer's certificate is.
    pub fn ca_issuer_urls(&self) -> Vec<String> {
        self.access(CA_ISSUERS)
    }

    fn access(&self, method: ObjectIdentifier) -> Vec<String> {
        let list = self
            .extensions
            .value::<AuthorityInfoAccessSyntax>()
            .ok()
            .flatten()
            .map(|list| list.0);
        let list = list
            .unwrap_or_default()
            .into_iter()
            .filter(|access| access.access_method == method);
        list.filter_map(|access| url(&access.access_location)).collect()
    }

    /// Whether it may answer OCSP for its issuer (RFC 6960 §4.2.2.2).
    pub fn is_ocsp_responder(&self) -> bool {
        self.extended_key_usage().contains(&ID_KP_OCSP_SIGNING)
    }

    /// Whether it asks for stapled OCSP (RFC 7633).
    pub fn must_staple(&self) -> bool {
        self.extensions.raw(TLS_FEATURE).is_some()
    }

    /// The security identifier of an Active Directory account that it is mapped to (MS-WCCE §2.2.2.7.7.4).
    pub fn microsoft_sid(&self) -> Option<String> {
        let extension = self.extensions.raw(MICROSOFT_SID)?;
        let names = Vec::<GeneralName>::from_der(extension.extn_value.as_bytes()).ok()?;
        names.into_iter().find_map(|name| match name {
            GeneralName::OtherName(other) if other.type_id == MICROSOFT_OBJECT_SID => {
                let text = other.value.decode_as::<OctetString>().ok()?;
                String::from_utf8(text.into_bytes().into()).ok()
            }
            _ => None,
        })
    }

    /// SHA-256 of the whole certificate.
    pub fn fingerprint_sha256(&self) -> [u8; 32] {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &self.der);
        <[u8; 32]>::try_from(digest.as_ref()).unwrap_or([0; 32])
    }

    /// Checks the signature with an issuer's key. Names and validity are the business of [`crate::chain`].
    pub fn verify_signed_by(&self, issuer: &PublicKey) -> Result<(), BadSignature> {
        let signed = Signed::split(&self.der).map_err(|_| BadSignature)?;
        issuer.verify(self.algorithm, signed.tbs, signed.signature)
    }

    /// Whether it is signed with its own key and names itself as issuer.
    pub fn is_self_signed(&self) -> bool {
        self.issuer == self.subject && self.verify_signed_by(&self.public_key).is_ok()
    }

    /// Several lines for people, in the manner of `openssl x509 -text`.
    pub fn summary(&self) -> String {
        summary::of(self)
    }
}

fn url(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::UniformResourceIdentifier(text) => Some(text.to_string()),
        _ => None,
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Certificate({} of {} by {})",
            self.serial, self.subject, self.issuer
        )
    }
}

#[cfg(test)]
mod tests;
