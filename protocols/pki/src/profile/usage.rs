//! What a key may be used for: the extended key usages of a profile, and the key usage that follows from them.
//!
//! A profile states purposes only. The key usage bits are derived, so that the two extensions cannot contradict each
//! other (RFC 5280 §4.2.1.12: a certificate is good for a purpose only when both allow it).

use std::fmt;
use std::str::FromStr;

use const_oid::ObjectIdentifier;
use der::flagset::FlagSet;
use serde::{Deserialize, Serialize};
use x509_cert::ext::pkix::KeyUsages;

use crate::KeyAlgorithm;
use crate::profile::Profile;

/// A purpose of the extendedKeyUsage extension, RFC 5280 §4.2.1.12.
///
/// Its text is the RFC's spelling (`serverAuth`) or, for a purpose without a name here, the dotted identifier.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum ExtendedKeyUsage {
    /// `serverAuth`: TLS servers.
    ServerAuth,
    /// `clientAuth`: TLS clients.
    ClientAuth,
    /// `codeSigning`: signatures over programs.
    CodeSigning,
    /// `emailProtection`: S/MIME.
    EmailProtection,
    /// `timeStamping`: RFC 3161 time stamps.
    TimeStamping,
    /// `OCSPSigning`: delegated OCSP responders, RFC 6960 §4.2.2.2.
    OcspSigning,
    /// Any other purpose.
    Other(ObjectIdentifier),
}

/// anyExtendedKeyUsage, which says nothing and therefore is never written.
const ANY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");

const NAMED: [(ExtendedKeyUsage, &str, ObjectIdentifier); 6] = [
    (
        ExtendedKeyUsage::ServerAuth,
        "serverAuth",
        ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1"),
    ),
    (
        ExtendedKeyUsage::ClientAuth,
        "clientAuth",
        ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2"),
    ),
    (
        ExtendedKeyUsage::CodeSigning,
        "codeSigning",
        ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3"),
    ),
    (
        ExtendedKeyUsage::EmailProtection,
        "emailProtection",
        ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.4"),
    ),
    (
        ExtendedKeyUsage::TimeStamping,
        "timeStamping",
        ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8"),
    ),
    (
        ExtendedKeyUsage::OcspSigning,
        "OCSPSigning",
        ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.9"),
    ),
];

impl ExtendedKeyUsage {
    /// The purpose with this object identifier.
    pub fn from_oid(oid: ObjectIdentifier) -> Self {
        NAMED
            .iter()
            .find(|(_, _, known)| *known == oid)
            .map_or(Self::Other(oid), |(usage, _, _)| *usage)
    }

    /// The object identifier of the purpose.
    pub fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Other(oid) => oid,
            named => NAMED
                .iter()
                .find(|(usage, _, _)| *usage == named)
                .map_or(ANY, |(_, _, oid)| *oid),
        }
    }

    /// Whether this is anyExtendedKeyUsage, which would undo every other purpose of a profile.
    pub fn is_any(self) -> bool {
        self.oid() == ANY
    }

    /// The key usage bits this purpose needs of a key of this kind.
    ///
    /// keyEncipherment is for RSA alone: no other kind of key transports keys (RFC 8410 §5, RFC 9881 §5).
    fn key_usage(self, key: KeyAlgorithm) -> FlagSet<KeyUsages> {
        match self {
            Self::ServerAuth | Self::ClientAuth if matches!(key, KeyAlgorithm::Rsa(_)) => {
                KeyUsages::DigitalSignature | KeyUsages::KeyEncipherment
            }
            Self::EmailProtection => KeyUsages::DigitalSignature | KeyUsages::NonRepudiation,
            _ => KeyUsages::DigitalSignature.into(),
        }
    }
}

impl Profile {
    /// The keyUsage bits of a certificate of this profile.
    pub(super) fn key_usage(&self, key: KeyAlgorithm) -> FlagSet<KeyUsages> {
        if self.is_authority() {
            authority_key_usage()
        } else {
            end_entity_key_usage(&self.extended_key_usages, key)
        }
    }

    /// What a key of this kind may be used for in a certificate of this profile, by the names of RFC 5280 §4.2.1.3.
    pub fn key_usages(&self, key: KeyAlgorithm) -> Vec<&'static str> {
        let usage = self.key_usage(key);
        let named = KEY_USAGE_NAMES
            .into_iter()
            .filter(|(bit, _)| usage.contains(*bit));
        named.map(|(_, name)| name).collect()
    }
}

/// The bits by the names of RFC 5280 §4.2.1.3.
pub(crate) const KEY_USAGE_NAMES: [(KeyUsages, &str); 9] = [
    (KeyUsages::DigitalSignature, "digitalSignature"),
    (KeyUsages::NonRepudiation, "nonRepudiation"),
    (KeyUsages::KeyEncipherment, "keyEncipherment"),
    (KeyUsages::DataEncipherment, "dataEncipherment"),
    (KeyUsages::KeyAgreement, "keyAgreement"),
    (KeyUsages::KeyCertSign, "keyCertSign"),
    (KeyUsages::CRLSign, "cRLSign"),
    (KeyUsages::EncipherOnly, "encipherOnly"),
    (KeyUsages::DecipherOnly, "decipherOnly"),
];

/// The keyUsage bits of an end entity with these purposes and this kind of key.
///
/// Without any purpose the key may sign, and nothing else.
fn end_entity_key_usage(usages: &[ExtendedKeyUsage], key: KeyAlgorithm) -> FlagSet<KeyUsages> {
    usages
        .iter()
        .fold(KeyUsages::DigitalSignature.into(), |bits, usage| {
            bits | usage.key_usage(key)
        })
}

/// The keyUsage bits of a certification authority: certificates and CRLs, never anything else.
fn authority_key_usage() -> FlagSet<KeyUsages> {
    KeyUsages::KeyCertSign | KeyUsages::CRLSign
}

impl fmt::Display for ExtendedKeyUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMED.iter().find(|(usage, _, _)| usage == self) {
            Some((_, name, _)) => f.write_str(name),
            None => self.oid().fmt(f),
        }
    }
}

/// The text names no purpose.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{0}` is not a key purpose: write serverAuth, clientAuth, codeSigning, emailProtection, timeStamping, \
     OCSPSigning or a dotted object identifier"
)]
pub struct ExtendedKeyUsageFault(String);

impl FromStr for ExtendedKeyUsage {
    type Err = ExtendedKeyUsageFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some((usage, _, _)) = NAMED.iter().find(|(_, name, _)| *name == text) {
            return Ok(*usage);
        }
        ObjectIdentifier::new(text)
            .map(Self::from_oid)
            .map_err(|_| ExtendedKeyUsageFault(text.chars().take(80).collect()))
    }
}

impl TryFrom<String> for ExtendedKeyUsage {
    type Error = ExtendedKeyUsageFault;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ExtendedKeyUsage> for String {
    fn from(usage: ExtendedKeyUsage) -> Self {
        usage.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    #[test]
    fn every_name_parses_prints_and_has_its_identifier() {
        for (usage, name, oid) in NAMED {
            assert_eq!(name.parse::<ExtendedKeyUsage>().unwrap(), usage);
            assert_eq!(oid.to_string().parse::<ExtendedKeyUsage>().unwrap(), usage);
            assert_eq!(usage.to_string(), name);
            assert_eq!(usage.oid(), oid);
        }
        let smart_card: ExtendedKeyUsage = "1.3.6.1.4.1.311.20.2.2".parse().unwrap();
        assert_eq!(smart_card.to_string(), "1.3.6.1.4.1.311.20.2.2");
        assert!("serverauth".parse::<ExtendedKeyUsage>().is_err());
        assert!("2.5.29.37.0".parse::<ExtendedKeyUsage>().unwrap().is_any());
    }

    #[test]
    fn key_usage_follows_from_purpose_and_kind_of_key() {
        let sign = FlagSet::from(KeyUsages::DigitalSignature);
        let with_transport = KeyUsages::DigitalSignature | KeyUsages::KeyEncipherment;
        let committed = KeyUsages::DigitalSignature | KeyUsages::NonRepudiation;
        let rsa = KeyAlgorithm::Rsa(2048);
        let of = |usage, key| end_entity_key_usage(&[usage], key);
        for usage in [ExtendedKeyUsage::ServerAuth, ExtendedKeyUsage::ClientAuth] {
            assert_eq!(of(usage, rsa), with_transport);
            for key in [KeyAlgorithm::P256, KeyAlgorithm::Ed25519, KeyAlgorithm::MlDsa65] {
                assert_eq!(of(usage, key), sign);
            }
        }
        assert_eq!(of(ExtendedKeyUsage::EmailProtection, rsa), committed);
        assert_eq!(
            of(ExtendedKeyUsage::EmailProtection, KeyAlgorithm::P384),
            committed
        );
        for usage in [
            ExtendedKeyUsage::CodeSigning,
            ExtendedKeyUsage::TimeStamping,
            ExtendedKeyUsage::OcspSigning,
        ] {
            assert_eq!(of(usage, rsa), sign);
        }
        assert_eq!(end_entity_key_usage(&[], rsa), sign);
    }
}
