//! Keys, authorities, orders and signed certificates for the tests.

use std::path::PathBuf;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use jiff::Timestamp;
use pki::lint::{self, Context};
use pki::profile::{self, IssuerView, Order, Profile, ProfileRefusal, Urls};
use pki::{Certificate, DistinguishedName, PublicKey, Serial, SignatureAlgorithm, SubjectAltName};

/// The time of every test.
pub(crate) fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

pub(crate) fn testdata(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/profile")
        .join(name)
}

/// The public key of a `.spki.der` file.
pub(crate) fn key(name: &str) -> PublicKey {
    PublicKey::from_spki_der(&std::fs::read(testdata(&format!("{name}.spki.der"))).unwrap()).unwrap()
}

/// A signature of one of the P-256 keys.
pub(crate) fn sign(name: &str, message: &[u8]) -> Vec<u8> {
    let pkcs8 = std::fs::read(testdata(&format!("{name}.pk8.der"))).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8).unwrap();
    pair.sign(&SystemRandom::new(), message)
        .unwrap()
        .as_ref()
        .to_vec()
}

pub(crate) fn ready(name: &str) -> Profile {
    Profile::ready_named(name).unwrap().clone()
}

pub(crate) fn names(texts: &[&str]) -> Vec<SubjectAltName> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// An order with a P-256 key, a full subject and the names that go with the profile.
pub(crate) fn order(profile: &Profile) -> Order {
    let texts: &[&str] = match profile.name.as_str() {
        "tls-server" => &[
            "dns:www.example.com",
            "dns:example.com",
            "ip:192.0.2.1",
            "ip:2001:db8::1",
        ],
        "tls-client" => &["upn:someone@corp.example", "uri:https://example.com/workload"],
        "device" => &["dns:printer.example.com"],
        "smime" => &["email:someone@example.com"],
        _ => &[],
    };
    Order {
        subject: DistinguishedName::parse("CN=www.example.com,OU=Unit,O=Example,C=CH").unwrap(),
        names: names(texts),
        public_key: key("leaf-p256"),
        validity: None,
        ms_sid: None,
    }
}

pub(crate) fn urls() -> Urls {
    Urls {
        ca_issuers: vec!["http://pki.example.com/.well-known/pki/ca/1".to_owned()],
        ocsp: vec!["http://pki.example.com/.well-known/pki/ocsp/1".to_owned()],
        crl: vec!["http://pki.example.com/.well-known/pki/crl/1".to_owned()],
    }
}

/// A certificate and who signs below it.
pub(crate) struct Authority {
    pub(crate) certificate: Certificate,
    pub(crate) view: IssuerView,
    key: &'static str,
}

/// A self-signed root.
pub(crate) fn root() -> Authority {
    let profile = ready("root");
    let order = Order {
        subject: DistinguishedName::parse("CN=Example Root,O=Example,C=CH").unwrap(),
        public_key: key("root-p256"),
        ..order(&profile)
    };
    let view = IssuerView::self_signed(&profile, &order, SignatureAlgorithm::EcdsaSha256).unwrap();
    authority(issue_with(&profile, &order, &view, "root-p256"), "root-p256")
}

/// An issuing authority below it.
pub(crate) fn issuing() -> Authority {
    let profile = ready("sub-ca");
    let order = Order {
        subject: DistinguishedName::parse("CN=Example Issuing,O=Example,C=CH").unwrap(),
        public_key: key("issuing-p256"),
        ..order(&profile)
    };
    authority(root().issue(&profile, &order), "issuing-p256")
}

fn authority(certificate: Certificate, key: &'static str) -> Authority {
    let view = IssuerView::from_certificate(&certificate, SignatureAlgorithm::EcdsaSha256, urls());
    Authority {
        certificate,
        view,
        key,
    }
}

impl Authority {
    /// Builds, lints, signs and reads back.
    pub(crate) fn issue(&self, profile: &Profile, order: &Order) -> Certificate {
        issue_with(profile, order, &self.view, self.key)
    }
}

fn issue_with(profile: &Profile, order: &Order, view: &IssuerView, signer: &str) -> Certificate {
    let tbs = profile::build(profile, order, view, &serial(), now()).unwrap();
    let linted = lint::certificate(
        tbs,
        &Context {
            issuer: view,
            now: now(),
        },
    )
    .unwrap();
    assert_eq!(linted.findings(), [], "{}", profile.name);
    let signature = sign(signer, linted.der());
    let certificate = Certificate::from_der(&linted.assemble(&signature)).unwrap();
    certificate.verify_signed_by(&view.public_key).unwrap();
    certificate
}

/// A leaf's authority that already exists, for the profile: roots sign themselves, issuing authorities come from the root.
pub(crate) fn issue_ready(name: &str) -> Certificate {
    let profile = ready(name);
    match name {
        "root" => root().certificate,
        "sub-ca" => issuing().certificate,
        _ => issuing().issue(&profile, &order(&profile)),
    }
}

/// The code a build is refused with.
pub(crate) fn refusal(profile: &Profile, order: &Order) -> &'static str {
    build(profile, order).unwrap_err().code
}

/// The TBS bytes of a certificate below the issuing authority.
pub(crate) fn build(profile: &Profile, order: &Order) -> Result<Vec<u8>, ProfileRefusal> {
    build_below(profile, order, &issuing().view)
}

pub(crate) fn build_below(
    profile: &Profile,
    order: &Order,
    view: &IssuerView,
) -> Result<Vec<u8>, ProfileRefusal> {
    profile::build(profile, order, view, &serial(), now()).map(|tbs| tbs.der().to_vec())
}

pub(crate) fn serial() -> Serial {
    Serial::from_random([0xa5; 16])
}

pub(crate) const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}
