//! Certificates that are right, as built from the ready profiles, for the tests of the rules to bend.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use const_oid::{AssociatedOid, ObjectIdentifier};
use der::Encode;
use der::asn1::{Ia5String, OctetString};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::crl::dp::DistributionPoint;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{CrlDistributionPoints, SubjectAltName as SubjectAltNameSyntax};

use crate::lint::certificate_view::Values;
use crate::lint::{CertificateView, Context};
use crate::profile::{IssuerView, Order, Profile, Urls, build};
use crate::{DistinguishedName, PublicKey, Serial, SignatureAlgorithm};

const NOW: &str = "2026-11-21T12:00:00Z";
const ISSUING_KEY: &[u8] = include_bytes!("../../../testdata/profile/issuing-p256.spki.der");
const LEAF_KEY: &[u8] = include_bytes!("../../../testdata/profile/leaf-p256.spki.der");

/// A TLS server.
pub(crate) fn leaf() -> CertificateView {
    of("tls-server")
}

/// A certificate of a ready profile, without any finding.
pub(crate) fn of(profile: &str) -> CertificateView {
    let profile = Profile::ready_named(profile).unwrap();
    let order = Order {
        subject: DistinguishedName::parse("CN=www.example.com,O=Example,C=CH").unwrap(),
        names: names(&profile.name)
            .iter()
            .map(|name| name.parse().unwrap())
            .collect(),
        public_key: PublicKey::from_spki_der(LEAF_KEY).unwrap(),
        validity: None,
        ms_sid: None,
    };
    let issuer = if profile.name == "root" {
        IssuerView::self_signed(profile, &order, SignatureAlgorithm::EcdsaSha256).unwrap()
    } else {
        issuer()
    };
    let now = NOW.parse().unwrap();
    let tbs = build(profile, &order, &issuer, &Serial::from_random([0x5a; 16]), now).unwrap();
    CertificateView::read(&tbs, &Context { issuer: &issuer, now }).unwrap()
}

/// An issuing authority without a path length.
pub(crate) fn issuer() -> IssuerView {
    let public_key = PublicKey::from_spki_der(ISSUING_KEY).unwrap();
    IssuerView {
        subject: DistinguishedName::parse("CN=Issuing,O=Example").unwrap(),
        key_id: public_key.key_id().to_vec(),
        public_key,
        not_before: "2026-01-01T00:00:00Z".parse().unwrap(),
        not_after: "2046-01-01T00:00:00Z".parse().unwrap(),
        path_length: None,
        algorithm: SignatureAlgorithm::EcdsaSha256,
        urls: Urls {
            ca_issuers: vec!["http://pki.example/ca".to_owned()],
            ocsp: vec!["http://pki.example/ocsp".to_owned()],
            crl: vec!["http://pki.example/crl".to_owned()],
        },
    }
}

fn names(profile: &str) -> &'static [&'static str] {
    match profile {
        "tls-server" => &["dns:www.example.com", "ip:192.0.2.1"],
        "tls-client" | "device" => &["dns:client.example.com"],
        "smime" => &["email:someone@example.com"],
        _ => &[],
    }
}

/// Puts an extension in the place of the one with its identifier, or at the end.
pub(crate) fn set(view: &mut CertificateView, oid: ObjectIdentifier, critical: bool, der: &[u8]) {
    let extension = Extension {
        extn_id: oid,
        critical,
        extn_value: OctetString::new(der).unwrap(),
    };
    match view.extensions.iter_mut().find(|other| other.extn_id == oid) {
        Some(other) => *other = extension,
        None => view.extensions.push(extension),
    }
    view.values = Values::default();
}

/// Takes an extension away.
pub(crate) fn remove(view: &mut CertificateView, oid: ObjectIdentifier) {
    let before = view.extensions.len();
    view.extensions.retain(|extension| extension.extn_id != oid);
    assert!(view.extensions.len() < before, "the sample has no {oid}");
    view.values = Values::default();
}

/// Other subject alternative names; none takes the extension away.
pub(crate) fn set_names(view: &mut CertificateView, names: Vec<GeneralName>) {
    if names.is_empty() {
        remove(view, SubjectAltNameSyntax::OID);
    } else {
        set(
            view,
            SubjectAltNameSyntax::OID,
            false,
            &SubjectAltNameSyntax(names).to_der().unwrap(),
        );
    }
}

/// cRLDistributionPoints with one address.
pub(crate) fn distribution_point(address: &str) -> Vec<u8> {
    let name = GeneralName::UniformResourceIdentifier(Ia5String::new(address).unwrap());
    let distribution_point = Some(DistributionPointName::FullName(vec![name]));
    CrlDistributionPoints(vec![DistributionPoint {
        distribution_point,
        reasons: None,
        crl_issuer: None,
    }])
    .to_der()
    .unwrap()
}
