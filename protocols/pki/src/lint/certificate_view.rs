//! A certificate about to be signed, read back from its bytes for the rules.
//!
//! Every field is kept as it stands (integers as their octets, times with their ASN.1 type), because the rules are about
//! how things are written as much as about what they say. Nothing is borrowed, so that tables of rules are plain statics.

use std::cell::OnceCell;

use const_oid::{AssociatedOid, ObjectIdentifier};
use der::asn1::{AnyRef, BitStringRef, IntRef};
use der::{Decode, Encode, Sequence};
use jiff::Timestamp;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::{GeneralName, GeneralNames};
use x509_cert::ext::pkix::{
    AccessDescription, AuthorityInfoAccessSyntax, BasicConstraints, CrlDistributionPoints,
    ExtendedKeyUsage as ExtendedKeyUsageSyntax, KeyUsage, SubjectAltName as SubjectAltNameSyntax,
};
use x509_cert::name::Name;

use crate::lint::certificate::Context;
use crate::lint::time_field::TimeField;
use crate::profile::{ExtendedKeyUsage, IssuerView};
use crate::{CertificateTbs, PublicKey, SignatureAlgorithm, Tbs};

/// TBSCertificate, RFC 5280 §4.1, with nothing interpreted.
#[derive(Sequence)]
struct TbsCertificate<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    version: Option<u8>,
    serial_number: IntRef<'a>,
    signature: AnyRef<'a>,
    issuer: AnyRef<'a>,
    validity: Validity<'a>,
    subject: AnyRef<'a>,
    subject_public_key_info: AnyRef<'a>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    issuer_unique_id: Option<BitStringRef<'a>>,
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT", optional = "true")]
    subject_unique_id: Option<BitStringRef<'a>>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Vec<Extension>>,
}

#[derive(Sequence)]
struct Validity<'a> {
    not_before: AnyRef<'a>,
    not_after: AnyRef<'a>,
}

/// What the certificate rules look at.
#[derive(Clone, Debug)]
pub struct CertificateView {
    /// The version as written; absent means 1.
    pub(crate) version: Option<u8>,
    /// The contents of the serial number, two's complement.
    pub(crate) serial: Vec<u8>,
    /// The whole AlgorithmIdentifier.
    pub(crate) algorithm_der: Vec<u8>,
    /// The whole issuer name.
    pub(crate) issuer_der: Vec<u8>,
    pub(crate) not_before: TimeField,
    pub(crate) not_after: TimeField,
    pub(crate) subject: Name,
    /// The whole subject name.
    pub(crate) subject_der: Vec<u8>,
    /// The subject's key, or why it cannot be used.
    pub(crate) key: Result<PublicKey, String>,
    pub(crate) has_unique_ids: bool,
    pub(crate) extensions: Vec<Extension>,
    /// The algorithm the signer will use.
    pub(crate) signing_with: SignatureAlgorithm,
    /// Who will sign.
    pub(crate) signer: IssuerView,
    /// The time of the lint.
    pub(crate) now: Timestamp,
    pub(crate) values: Values,
}

/// What several rules ask for, read from its extension by the first that does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    is_authority: OnceCell<bool>,
    key_usage: OnceCell<Option<KeyUsage>>,
    purposes: OnceCell<Vec<ExtendedKeyUsage>>,
    names: OnceCell<GeneralNames>,
    access: OnceCell<Vec<AccessDescription>>,
}

impl CertificateView {
    /// Reads the bytes; an error when they are not a TBSCertificate at all.
    pub(super) fn read(tbs: &Tbs<CertificateTbs>, context: &Context<'_>) -> der::Result<Self> {
        let fields = TbsCertificate::from_der(tbs.der())?;
        let key_der = fields.subject_public_key_info.to_der()?;
        Ok(Self {
            version: fields.version,
            serial: fields.serial_number.as_bytes().to_vec(),
            algorithm_der: fields.signature.to_der()?,
            issuer_der: fields.issuer.to_der()?,
            not_before: TimeField::read(fields.validity.not_before)?,
            not_after: TimeField::read(fields.validity.not_after)?,
            subject: fields.subject.decode_as()?,
            subject_der: fields.subject.to_der()?,
            key: PublicKey::from_spki_der(&key_der).map_err(|fault| fault.to_string()),
            has_unique_ids: fields.issuer_unique_id.is_some() || fields.subject_unique_id.is_some(),
            extensions: fields.extensions.unwrap_or_default(),
            signing_with: tbs.algorithm(),
            signer: context.issuer.clone(),
            now: context.now,
            values: Values::default(),
        })
    }

    /// The extension with this identifier, as written.
    pub(crate) fn raw(&self, oid: ObjectIdentifier) -> Option<&Extension> {
        self.extensions.iter().find(|extension| extension.extn_id == oid)
    }

    /// The extension of this type and whether it is critical; nothing when it is absent or cannot be read, which is
    /// the business of the rule `extension_encoding`.
    pub(crate) fn extension<'a, T: Decode<'a, Error = der::Error> + AssociatedOid>(
        &'a self,
    ) -> Option<(bool, T)> {
        let extension = self.raw(T::OID)?;
        Some((
            extension.critical,
            T::from_der(extension.extn_value.as_bytes()).ok()?,
        ))
    }

    /// Whether basicConstraints says CA.
    pub(crate) fn is_authority(&self) -> bool {
        *self.values.is_authority.get_or_init(|| {
            self.extension::<BasicConstraints>()
                .is_some_and(|(_, constraints)| constraints.ca)
        })
    }

    /// Whether subject and key are the signer's own.
    pub(crate) fn is_self_signed(&self) -> bool {
        self.key
            .as_ref()
            .is_ok_and(|key| self.signer.is_self(&self.subject_der, key))
    }

    /// The keyUsage bits, absent when the extension is.
    pub(crate) fn key_usage(&self) -> Option<KeyUsage> {
        *self
            .values
            .key_usage
            .get_or_init(|| Some(self.extension::<KeyUsage>()?.1))
    }

    /// The purposes of extendedKeyUsage; empty when the extension is absent.
    pub(crate) fn purposes(&self) -> &[ExtendedKeyUsage] {
        self.values.purposes.get_or_init(|| {
            self.extension::<ExtendedKeyUsageSyntax>()
                .map(|(_, list)| list.0.into_iter().map(ExtendedKeyUsage::from_oid).collect())
                .unwrap_or_default()
        })
    }

    /// Whether one of the purposes is this one.
    pub(crate) fn has_purpose(&self, usage: ExtendedKeyUsage) -> bool {
        self.purposes().contains(&usage)
    }

    /// The subject alternative names; empty when the extension is absent.
    pub(crate) fn names(&self) -> &GeneralNames {
        self.values.names.get_or_init(|| {
            self.extension::<SubjectAltNameSyntax>()
                .map(|(_, names)| names.0)
                .unwrap_or_default()
        })
    }

    /// The addresses in authorityInfoAccess of this method.
    pub(crate) fn access(&self, method: ObjectIdentifier) -> impl Iterator<Item = &GeneralName> {
        let access = self.values.access.get_or_init(|| {
            self.extension::<AuthorityInfoAccessSyntax>()
                .map(|(_, list)| list.0)
                .unwrap_or_default()
        });
        access
            .iter()
            .filter(move |access| access.access_method == method)
            .map(|access| &access.access_location)
    }

    /// Whether there is a CRL distribution point.
    pub(crate) fn has_crl_pointer(&self) -> bool {
        self.raw(CrlDistributionPoints::OID).is_some()
    }
}
