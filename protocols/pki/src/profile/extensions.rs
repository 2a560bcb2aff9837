//! The extensions of a certificate, in a fixed order, with the criticality RFC 5280 §4.2 asks for.

use const_oid::{AssociatedOid, ObjectIdentifier};
use der::Encode;
use der::asn1::{Ia5String, Null, OctetString};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::crl::dp::DistributionPoint;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName, OtherName};
use x509_cert::ext::pkix::{
    AccessDescription, AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints,
    CertificatePolicies, CrlDistributionPoints, ExtendedKeyUsage as ExtendedKeyUsageSyntax, KeyUsage,
};

use crate::profile::extension_ids::{
    ACCESS_CA_ISSUERS, ACCESS_OCSP, MICROSOFT_OBJECT_SID, MICROSOFT_SID, NO_REV_AVAIL, OCSP_NO_CHECK,
    STATUS_REQUEST, TLS_FEATURE,
};
use crate::profile::{
    AuthorityPolicy, CertificatePolicy, ExtendedKeyUsage, IssuerView, Order, Profile, ProfileRefusal, Urls,
};
use crate::{DistinguishedName, KeyAlgorithm, encode};

/// OBJECT IDENTIFIER `id-ce-subjectAltName`, RFC 5280 §4.2.1.6.
const SUBJECT_ALT_NAME: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x11];
/// OBJECT IDENTIFIER `id-ce-subjectKeyIdentifier`, RFC 5280 §4.2.1.2.
const SUBJECT_KEY_IDENTIFIER: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x0e];
/// `TRUE`.
const TRUE: &[u8] = &[0x01, 0x01, 0xff];
const OCTET_STRING: u8 = 0x04;

/// Extensions being collected, one encoding after the other.
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn put<T: Encode + AssociatedOid>(&mut self, critical: bool, value: &T) -> der::Result<()> {
        self.put_der(T::OID, critical, value.to_der()?)
    }

    fn put_der(&mut self, extn_id: ObjectIdentifier, critical: bool, der: Vec<u8>) -> der::Result<()> {
        let extension = Extension {
            extn_id,
            critical,
            extn_value: OctetString::new(der)?,
        };
        extension.encode_to_vec(&mut self.0).map(drop)
    }
}

/// The extensions that all certificates of a profile from one issuer share, as long as they are of the same kind of key
/// and as short-lived.
#[derive(Debug)]
pub(super) struct CommonExtensions {
    /// Those that stand before the subject's.
    before: Vec<u8>,
    /// Those that stand behind them.
    behind: Vec<u8>,
}

impl CommonExtensions {
    /// Of certificates with this kind of key; `is_self` of the one that the issuer signs for itself.
    pub(super) fn new(
        profile: &Profile,
        issuer: &IssuerView,
        key: KeyAlgorithm,
        is_short_lived: bool,
        is_self: bool,
    ) -> Result<Self, ProfileRefusal> {
        let mut before = Writer::default();
        usages(&mut before, profile, issuer, key, is_self)?;
        let mut behind = Writer::default();
        // A self-signed certificate needs no pointer to itself, RFC 5280 §4.2.1.1.
        if !is_self {
            let key_identifier = Some(OctetString::new(issuer.key_id.as_slice())?);
            let identifier = AuthorityKeyIdentifier {
                key_identifier,
                ..AuthorityKeyIdentifier::default()
            };
            behind.put(false, &identifier)?;
        }
        if let Some(authority) = &profile.authority
            && let Some(constraints) = authority.name_constraints.extension()?
        {
            behind.put(true, &constraints)?;
        }
        if !profile.certificate_policies.is_empty() {
            let policies: der::Result<Vec<_>> = profile
                .certificate_policies
                .iter()
                .map(CertificatePolicy::information)
                .collect();
            behind.put(false, &CertificatePolicies(policies?))?;
        }
        status(&mut behind, profile, &issuer.urls, is_short_lived)?;
        Ok(Self {
            before: before.0,
            behind: behind.0,
        })
    }

    /// Every extension of one certificate: `Extensions`, RFC 5280 §4.1.
    pub(super) fn with_those_of(
        &self,
        order: &Order,
        profile: &Profile,
        subject: &DistinguishedName,
    ) -> Result<Vec<u8>, ProfileRefusal> {
        let names = subject_alt_name(order, subject)?;
        let key_id = encode::wrap(OCTET_STRING, &[&order.public_key.key_id()]);
        let key_id = extension(SUBJECT_KEY_IDENTIFIER, false, &key_id);
        let mut last = Writer::default();
        if profile.microsoft_sid
            && let Some(sid) = &order.ms_sid
        {
            last.put_der(MICROSOFT_SID, false, microsoft_sid(sid)?)?;
        }
        Ok(encode::wrap(
            encode::SEQUENCE,
            &[&self.before, &names, &key_id, &self.behind, &last.0],
        ))
    }
}

/// One extension from the octets of its type and of its value.
fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { TRUE } else { &[] };
    encode::wrap(
        encode::SEQUENCE,
        &[oid, critical, &encode::wrap(OCTET_STRING, &[value])],
    )
}

/// subjectAltName; nothing for a certificate without such names.
fn subject_alt_name(order: &Order, subject: &DistinguishedName) -> Result<Vec<u8>, ProfileRefusal> {
    if order.names.is_empty() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for name in &order.names {
        if !name.is_encodable() {
            let message = format!("the name {name} has characters that a certificate cannot hold");
            return Err(ProfileRefusal::new("san_invalid", message));
        }
        names.extend(name.to_general_name());
    }
    let names = encode::wrap(encode::SEQUENCE, &[&names]);
    // RFC 5280 §4.2.1.6: critical exactly when the subject is empty.
    Ok(extension(SUBJECT_ALT_NAME, subject.is_empty(), &names))
}

/// basicConstraints, keyUsage and extendedKeyUsage.
fn usages(
    writer: &mut Writer,
    profile: &Profile,
    issuer: &IssuerView,
    key: KeyAlgorithm,
    is_self: bool,
) -> Result<(), ProfileRefusal> {
    let path_len_constraint = match &profile.authority {
        Some(authority) if is_self => authority.path_length,
        Some(authority) => path_length(authority, issuer)?,
        None => None,
    };
    writer.put(
        true,
        &BasicConstraints {
            ca: profile.is_authority(),
            path_len_constraint,
        },
    )?;
    writer.put(true, &KeyUsage(profile.key_usage(key)))?;
    if !profile.extended_key_usages.is_empty() {
        // RFC 3161 §2.3: critical for time stamping, where it is the only purpose.
        let critical = profile
            .extended_key_usages
            .contains(&ExtendedKeyUsage::TimeStamping);
        let purposes = profile
            .extended_key_usages
            .iter()
            .map(|usage| usage.oid())
            .collect();
        writer.put(critical, &ExtendedKeyUsageSyntax(purposes))?;
    }
    Ok(())
}

/// The path length the profile wants, or what the issuer leaves when that is less.
fn path_length(authority: &AuthorityPolicy, issuer: &IssuerView) -> Result<Option<u8>, ProfileRefusal> {
    let left = issuer
        .path_length
        .map(|below| {
            below.checked_sub(1).ok_or_else(|| {
                ProfileRefusal::new(
                    "path_length_exhausted",
                    "the issuer's own path length allows no authority below it",
                )
            })
        })
        .transpose()?;
    Ok(match (authority.path_length, left) {
        (Some(wanted), Some(left)) => Some(wanted.min(left)),
        (wanted, left) => wanted.or(left),
    })
}

/// Where the certificate's status is to be learned, or that it is not.
fn status(writer: &mut Writer, profile: &Profile, urls: &Urls, is_short_lived: bool) -> der::Result<()> {
    // RFC 9608 §3: never in a certificate of an authority. A responder says the same by OCSP no-check.
    let no_rev_avail = is_short_lived && !profile.is_authority();
    let on = |wanted: bool, list: &[String]| if wanted { list.to_vec() } else { Vec::new() };
    let crl = on(profile.pointers.crl && !no_rev_avail, &urls.crl);
    if !crl.is_empty() {
        let full_name = crl.iter().map(|url| uri(url)).collect::<der::Result<_>>()?;
        let distribution_point = Some(DistributionPointName::FullName(full_name));
        let point = DistributionPoint {
            distribution_point,
            reasons: None,
            crl_issuer: None,
        };
        writer.put(false, &CrlDistributionPoints(vec![point]))?;
    }
    let ocsp = on(profile.pointers.ocsp && !no_rev_avail, &urls.ocsp);
    let ca_issuers = on(profile.pointers.ca_issuers, &urls.ca_issuers);
    let access: Vec<AccessDescription> = ocsp
        .iter()
        .map(|url| (ACCESS_OCSP, url))
        .chain(ca_issuers.iter().map(|url| (ACCESS_CA_ISSUERS, url)))
        .map(|(access_method, url)| {
            Ok(AccessDescription {
                access_method,
                access_location: uri(url)?,
            })
        })
        .collect::<der::Result<_>>()?;
    if !access.is_empty() {
        writer.put(false, &AuthorityInfoAccessSyntax(access))?;
    }
    if profile.must_staple && !no_rev_avail {
        writer.put_der(TLS_FEATURE, false, STATUS_REQUEST.to_vec())?;
    }
    if profile.ocsp_no_check {
        writer.put_der(OCSP_NO_CHECK, false, Null.to_der()?)?;
    } else if no_rev_avail {
        writer.put_der(NO_REV_AVAIL, false, Null.to_der()?)?;
    }
    Ok(())
}

fn uri(url: &str) -> der::Result<GeneralName> {
    Ok(GeneralName::UniformResourceIdentifier(Ia5String::new(url)?))
}

/// The extension of MS-WCCE §2.2.2.7.7.4: one otherName holding the text of the security identifier.
fn microsoft_sid(sid: &str) -> Result<Vec<u8>, ProfileRefusal> {
    let is_sid = sid.len() <= 184
        && sid.strip_prefix("S-1-").is_some_and(|parts| {
            parts
                .split('-')
                .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
        });
    if !is_sid {
        return Err(ProfileRefusal::new(
            "ms_sid_invalid",
            "the security identifier is not of the form S-1-5-21-…",
        ));
    }
    let value = der::asn1::Any::encode_from(&OctetString::new(sid.as_bytes())?)?;
    let name = GeneralName::OtherName(OtherName {
        type_id: MICROSOFT_OBJECT_SID,
        value,
    });
    Ok(vec![name].to_der()?)
}
