//! What a step made.

use pki::{Certificate, Crl, Serial, SignatureAlgorithm};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::sha256;
use crate::issuer::IssuerEntry;

/// What an output is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The certificate of a CA.
    Certificate,
    /// The key of a new root, certified with the old one's (RFC 4210 §4.4).
    NewWithOld,
    /// The key of the old root, certified with the new one's.
    OldWithNew,
    /// A CRL.
    Crl,
}

/// A certificate or a CRL that was signed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// What it is.
    pub role: Role,
    /// The name of its file.
    pub file: String,
    /// SHA-256 of its DER.
    pub sha256: String,
    /// The serial of a certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<Serial>,
    /// SHA-256 of the SubjectPublicKeyInfo of a certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The number of a CRL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// The CA that came about with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<NewCa>,
    /// It, in PEM.
    pub pem: String,
}

/// A CA that came about.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NewCa {
    /// Its identifier, which stands in its addresses.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Which generation.
    pub generation: u32,
    /// The token that holds its key.
    pub token: String,
    /// How it signs.
    pub signature_algorithm: SignatureAlgorithm,
    /// Where its certificate is to be published.
    pub ca_url: String,
    /// Where its CRL is to be published.
    pub crl_url: String,
}

impl Output {
    /// A certificate.
    pub(super) fn certificate(role: Role, file: String, certificate: &Certificate) -> Self {
        Self {
            role,
            file,
            sha256: sha256(certificate.der()),
            serial: Some(certificate.serial()),
            key: Some(certificate.public_key().fingerprint().to_string()),
            number: None,
            ca: None,
            pem: certificate.pem(),
        }
    }

    /// A CRL.
    pub(super) fn crl(file: String, crl: &Crl) -> Self {
        Self {
            role: Role::Crl,
            file,
            sha256: sha256(crl.der()),
            serial: None,
            key: None,
            number: crl.number(),
            ca: None,
            pem: crl.pem(),
        }
    }

    /// The same, with the CA that came about with it.
    #[must_use]
    pub(super) fn of_ca(mut self, entry: &IssuerEntry) -> Self {
        self.ca = Some(NewCa {
            id: entry.id,
            name: entry.name.clone(),
            generation: entry.generation,
            token: entry.token.clone(),
            signature_algorithm: entry.signature_algorithm,
            ca_url: entry.ca_url.clone(),
            crl_url: entry.crl_url.clone(),
        });
        self
    }
}
