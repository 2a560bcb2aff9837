//! An order whose key the appliance makes: what a request would say, said in words.

use std::collections::BTreeMap;

use const_oid::db::rfc4519;
use courier_wire::{KeySpec, OrderRequest, Replaced, Sans, Subject};
use pki::{DigestAlgorithm, SubjectAltName};

use super::order::{ISSUE, RENEW};
use crate::config::CertificateSettings;
use crate::platform_key::Recipient;

/// The order, without the word of the session for its recipient.
pub(super) fn request(
    settings: &CertificateSettings,
    recipient: &Recipient,
    replaces: Option<String>,
) -> OrderRequest {
    let digest = settings.digest.map(|digest| match digest {
        DigestAlgorithm::Sha256 => "sha256",
        DigestAlgorithm::Sha384 => "sha384",
        DigestAlgorithm::Sha512 => "sha512",
    });
    OrderRequest {
        kind: if replaces.is_some() { RENEW } else { ISSUE }.to_owned(),
        key_mode: "platform".to_owned(),
        csr_pem: None,
        profile: settings.profile.clone(),
        validity_days: settings.validity_days,
        replaces: replaces.map(|fingerprint_sha256| Replaced { fingerprint_sha256 }),
        labels: BTreeMap::from([("name".to_owned(), settings.name.clone())]),
        subject: Some(subject(settings)),
        sans: Some(sans(&settings.names)),
        key_spec: Some(KeySpec {
            algorithm: settings.key.kind.to_string(),
        }),
        digest: digest.map(ToOwned::to_owned),
        recipient: Some(recipient.jwk()),
        recipient_proof: None,
    }
}

fn subject(settings: &CertificateSettings) -> Subject {
    let first = |attribute| settings.subject.values_of(attribute).into_iter().next();
    Subject {
        common_name: first(rfc4519::CN),
        organization: first(rfc4519::O),
        organizational_unit: first(rfc4519::OU),
        country: first(rfc4519::C),
        state: first(rfc4519::ST),
        locality: first(rfc4519::L),
    }
}

fn sans(names: &[SubjectAltName]) -> Sans {
    let mut sans = Sans::default();
    for name in names {
        match name {
            SubjectAltName::Dns(text) => sans.dns.push(text.clone()),
            SubjectAltName::Ip(address) => sans.ip.push(address.to_string()),
            SubjectAltName::Email(text) => sans.email.push(text.clone()),
            SubjectAltName::Uri(text) => sans.uri.push(text.clone()),
            // The configuration has no names of this kind.
            SubjectAltName::Upn(_) => {}
        }
    }
    sans
}
