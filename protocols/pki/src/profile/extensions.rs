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
    SubjectAltName as SubjectAltNameSyntax, SubjectKeyIdentifier,
};

use crate::DistinguishedName;
use crate::profile::extension_ids::{
    ACCESS_CA_ISSUERS, ACCESS_OCSP, MICROSOFT_OBJECT_SID, MICROSOFT_SID, NO_REV_AVAIL, OCSP_NO_CHECK,
    STATUS_REQUEST, TLS_FEATURE,
};
use crate::profile::general_name::general_name;
use crate::profile::usage::{authority_key_usage, end_entity_key_usage};
use crate::profile::{
    AuthorityPolicy, CertificatePolicy, ExtendedKeyUsage, IssuerView, Order, Profile, ProfileRefusal, Urls,
};

/// Extensions being collected.
struct Writer(Vec<Extension>);

impl Writer {
    fn put<T: Encode + AssociatedOid>(&mut self, critical: bool, value: &T) -> der::Result<()> {
        self.put_der(T::OID, critical, value.to_der()?)
    }

    fn put_der(&mut self, extn_id: ObjectIdentifier, critical: bool, der: Vec<u8>) -> der::Result<()> {
        self.0.push(Extension {
            extn_id,
            critical,
            extn_value: OctetString::new(der)?,
        });
        Ok(())
    }
}

/// Every extension of the certificate.
pub(super) fn extensions(
    profile: &Profile,
    order: &Order,
    issuer: &IssuerView,
    subject: &DistinguishedName,
    is_short_lived: bool,
) -> Result<Vec<Extension>, ProfileRefusal> {
    let mut writer = Writer(Vec::with_capacity(12));
    let is_self = issuer.is_self(subject.der(), &order.public_key);
    usages(&mut writer, profile, order, issuer, is_self)?;
    if !order.names.is_empty() {
        let names: Vec<GeneralName> = order.names.iter().map(general_name).collect::<der::Result<_>>()?;
        // RFC 5280 §4.2.1.6: critical exactly when the subject is empty.
        writer.put(subject.is_empty(), &SubjectAltNameSyntax(names))?;
    }
    identifiers(&mut writer, order, issuer, is_self)?;
    if let Some(authority) = &profile.authority
        && let Some(constraints) = authority.name_constraints.extension()?
    {
        writer.put(true, &constraints)?;
    }
    if !profile.certificate_policies.is_empty() {
        let policies: der::Result<Vec<_>> = profile
            .certificate_policies
            .iter()
            .map(CertificatePolicy::information)
            .collect();
        writer.put(false, &CertificatePolicies(policies?))?;
    }
    status(&mut writer, profile, &issuer.urls, is_short_lived)?;
    if profile.microsoft_sid
        && let Some(sid) = &order.ms_sid
    {
        writer.put_der(MICROSOFT_SID, false, microsoft_sid(sid)?)?;
    }
    Ok(writer.0)
}

/// basicConstraints, keyUsage and extendedKeyUsage.
fn usages(
    writer: &mut Writer,
    profile: &Profile,
    order: &Order,
    issuer: &IssuerView,
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
    let key_usage = if profile.is_authority() {
        authority_key_usage()
    } else {
        end_entity_key_usage(&profile.extended_key_usages, order.public_key.algorithm())
    };
    writer.put(true, &KeyUsage(key_usage))?;
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

/// subjectKeyIdentifier and authorityKeyIdentifier; a self-signed certificate needs no pointer to itself
/// (RFC 5280 §4.2.1.1).
fn identifiers(writer: &mut Writer, order: &Order, issuer: &IssuerView, is_self: bool) -> der::Result<()> {
    writer.put(
        false,
        &SubjectKeyIdentifier(OctetString::new(order.public_key.key_id())?),
    )?;
    if is_self {
        return Ok(());
    }
    let key_identifier = Some(OctetString::new(issuer.key_id.as_slice())?);
    writer.put(
        false,
        &AuthorityKeyIdentifier {
            key_identifier,
            ..AuthorityKeyIdentifier::default()
        },
    )
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
