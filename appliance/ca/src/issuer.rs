//! Issuers: one CA certificate and its key, as the rest of the product sees it and as it lives in memory.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use pki::{Certificate, KeyAlgorithm, KeyFingerprint, SignatureAlgorithm};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Where an issuer stands in its life.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IssuerState {
    /// Its request is made, its certificate is not here yet.
    Pending,
    /// It issues.
    Active,
    /// Rolled over: it issues no more, and still signs CRLs and OCSP answers for what it issued.
    Retired,
    /// It does nothing.
    Disabled,
}

impl fmt::Display for IssuerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Disabled => "disabled",
        })
    }
}

impl FromStr for IssuerState {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Pending, Self::Active, Self::Retired, Self::Disabled]
            .into_iter()
            .find(|state| state.to_string() == text)
            .ok_or(())
    }
}

/// How an issuer came about; decides what its rollover makes.
// stored: in the settings of an issuer
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IssuerOrigin {
    /// Self-signed here.
    Root,
    /// Certified by another issuer here.
    Issuing,
    /// Certified by a foreign authority.
    Subordinate,
    /// Brought along as certificate and key.
    FromDisk,
}

/// One generation of a CA, as it was when it was asked for.
#[derive(Clone, Debug)]
pub struct IssuerEntry {
    /// Its identifier, which stands in public addresses.
    pub id: Uuid,
    /// The CA's name, shared by its generations.
    pub name: String,
    /// Counts up from 1 under one name.
    pub generation: u32,
    /// Where it stands.
    pub state: IssuerState,
    /// How it came about.
    pub origin: IssuerOrigin,
    /// Its subject, RFC 4514.
    pub subject: String,
    /// Its key.
    pub key: KeyFingerprint,
    /// The kind of its key.
    pub key_algorithm: KeyAlgorithm,
    /// How it signs.
    pub signature_algorithm: SignatureAlgorithm,
    /// The token that holds its key; `software` for the software backend.
    pub token: String,
    /// Its certificate; absent while pending.
    pub certificate: Option<Certificate>,
    /// Its request in DER, when a foreign authority certifies it.
    pub csr: Option<Vec<u8>>,
    /// The certificates above it in DER, nearest first, the root last when it is known.
    pub chain: Vec<Vec<u8>>,
    /// Link certificates to the root before it (RFC 4210 §4.4), in DER: new with old, old with new.
    pub links: Vec<Vec<u8>>,
    /// The local issuer that certified it.
    pub parent: Option<Uuid>,
    /// The address of its certificate in DER.
    pub ca_url: String,
    /// The address of its OCSP responder.
    pub ocsp_url: String,
    /// The address of its CRL.
    pub crl_url: String,
    /// When it was made here.
    pub created_at: Timestamp,
}
