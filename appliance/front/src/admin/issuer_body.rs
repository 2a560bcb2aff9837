//! Issuers and what is asked about them, as JSON.

use std::time::Duration;

use ca::{
    Authority, CreateIssuing, CreateRoot, CrlPlan, ImportFromDisk, IssuerEntry, KeyLost, Presigned, Rollover,
    Subordinate,
};
use jiff::Timestamp;
use pki::{KeyAlgorithm, SignatureAlgorithm};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::offline_body::OfflineBody;

/// A CA to be made or taken over.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum CreateBody {
    /// A self-signed root with a new key.
    Root(RootBody),
    /// A CA under a local issuer with a new key.
    Issuing(IssuingBody),
    /// A CA under a foreign authority: a new key and a request for it.
    Subordinate(SubordinateBody),
    /// A CA that exists as certificate and key.
    FromDisk(FromDiskBody),
    /// A CA whose key is on another machine; its CRLs are imported.
    Offline(OfflineBody),
}

/// A self-signed root.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RootBody {
    /// Lower-case letters, digits and hyphens.
    pub(super) name: String,
    /// RFC 4514, for example `CN=Example Root,O=Example,C=CH`.
    pub(super) subject: String,
    /// `ec-p256`, `rsa-3072`, `ml-dsa-65`, …; `ec-p256` when absent.
    #[schema(value_type = Option<String>)]
    pub(super) key_algorithm: Option<KeyAlgorithm>,
    /// What goes with the key when absent.
    #[schema(value_type = Option<String>)]
    pub(super) signature_algorithm: Option<SignatureAlgorithm>,
    /// The token that makes the key; `software` for the software backend.
    pub(super) token: String,
    /// The profile's default when absent.
    pub(super) validity_days: Option<u32>,
    /// `root` when absent.
    pub(super) profile: Option<String>,
    /// Among how many CRLs its certificates are spread, 1 to 1024; 1 when absent. It cannot be changed later.
    pub(super) crl_shards: Option<u32>,
    /// Whether there are delta CRLs beside the full ones; not when absent.
    #[serde(default)]
    pub(super) delta_crls: bool,
}

/// A CA under a local issuer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IssuingBody {
    /// Lower-case letters, digits and hyphens.
    pub(super) name: String,
    /// The issuer above it, by identifier or name.
    pub(super) parent: String,
    /// RFC 4514.
    pub(super) subject: String,
    /// `ec-p256` when absent.
    #[schema(value_type = Option<String>)]
    pub(super) key_algorithm: Option<KeyAlgorithm>,
    /// What goes with the key when absent.
    #[schema(value_type = Option<String>)]
    pub(super) signature_algorithm: Option<SignatureAlgorithm>,
    /// The token that makes the key; `software` for the software backend.
    pub(super) token: String,
    /// The profile's default when absent.
    pub(super) validity_days: Option<u32>,
    /// `sub-ca` when absent.
    pub(super) profile: Option<String>,
    /// Among how many CRLs its certificates are spread, 1 to 1024; 1 when absent. It cannot be changed later.
    pub(super) crl_shards: Option<u32>,
    /// Whether there are delta CRLs beside the full ones; not when absent.
    #[serde(default)]
    pub(super) delta_crls: bool,
}

/// A CA under a foreign authority.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubordinateBody {
    /// Lower-case letters, digits and hyphens.
    pub(super) name: String,
    /// RFC 4514.
    pub(super) subject: String,
    /// `ec-p256` when absent.
    #[schema(value_type = Option<String>)]
    pub(super) key_algorithm: Option<KeyAlgorithm>,
    /// What goes with the key when absent.
    #[schema(value_type = Option<String>)]
    pub(super) signature_algorithm: Option<SignatureAlgorithm>,
    /// The token that makes the key; `software` for the software backend.
    pub(super) token: String,
    /// Among how many CRLs its certificates are spread, 1 to 1024; 1 when absent. It cannot be changed later.
    pub(super) crl_shards: Option<u32>,
    /// Whether there are delta CRLs beside the full ones; not when absent.
    #[serde(default)]
    pub(super) delta_crls: bool,
}

/// A CA that exists as certificate and key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FromDiskBody {
    /// Lower-case letters, digits and hyphens.
    pub(super) name: String,
    /// Its certificate in PEM.
    pub(super) certificate_pem: String,
    /// The certificates above it in PEM.
    #[serde(default)]
    pub(super) chain_pem: String,
    /// Its key in PEM: PKCS#8, EC PRIVATE KEY or RSA PRIVATE KEY, perhaps encrypted.
    #[schema(value_type = String, format = Password)]
    pub(super) key_pem: SecretString,
    /// The passphrase of an encrypted key.
    #[schema(value_type = Option<String>, format = Password)]
    pub(super) key_passphrase: Option<SecretString>,
    /// What goes with the key when absent.
    #[schema(value_type = Option<String>)]
    pub(super) signature_algorithm: Option<SignatureAlgorithm>,
    /// Among how many CRLs its certificates are spread, 1 to 1024; 1 when absent. It cannot be changed later.
    pub(super) crl_shards: Option<u32>,
    /// Whether there are delta CRLs beside the full ones; not when absent.
    #[serde(default)]
    pub(super) delta_crls: bool,
}

impl std::fmt::Debug for CreateBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CreateBody")
    }
}

/// The certificate of a pending CA.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportBody {
    /// Its certificate and those above it, in any order, in PEM (certificates or one PKCS7 block).
    pub(super) certificates_pem: String,
}

/// A rollover.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RolloverBody {
    /// As before when absent.
    #[schema(value_type = Option<String>)]
    pub(super) key_algorithm: Option<KeyAlgorithm>,
    /// What goes with the key when absent.
    #[schema(value_type = Option<String>)]
    pub(super) signature_algorithm: Option<SignatureAlgorithm>,
    /// As before when absent.
    pub(super) token: Option<String>,
    /// The profile's default when absent.
    pub(super) validity_days: Option<u32>,
}

/// That the key of a CA is lost.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyLostBody {
    /// How it was lost; goes into the audit log.
    pub(super) reason: String,
}

/// One issuer: a CA certificate with its key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IssuerBody {
    pub(super) id: Uuid,
    /// Shared by the generations of a CA.
    pub(super) name: String,
    pub(super) generation: u32,
    /// `pending`, `active`, `retired`, `disabled`, `offline`, `key_lost`, or `revoked` by the CA above it.
    pub(super) state: String,
    /// When it was noted that no token has its key any more.
    pub(super) key_lost_at: Option<Timestamp>,
    /// How it was lost.
    pub(super) key_lost_reason: Option<String>,
    pub(super) revoked_at: Option<Timestamp>,
    pub(super) revocation_reason: Option<String>,
    pub(super) subject: String,
    pub(super) key_algorithm: String,
    pub(super) signature_algorithm: String,
    /// SHA-256 of its SubjectPublicKeyInfo, hexadecimal.
    pub(super) key_fingerprint: String,
    /// The token that holds its key.
    pub(super) token: String,
    pub(super) parent: Option<Uuid>,
    pub(super) not_before: Option<Timestamp>,
    pub(super) not_after: Option<Timestamp>,
    pub(super) created_at: Timestamp,
    pub(super) ca_url: String,
    /// Empty for an offline one, which has no responder.
    pub(super) ocsp_url: String,
    /// The address of its CRL; with several, the number of the shard stands behind it.
    pub(super) crl_url: String,
    /// Among how many CRLs its certificates are spread.
    pub(super) crl_shards: u32,
    /// Whether there are delta CRLs: `/delta` stands behind the address of the full one.
    pub(super) delta_crls: bool,
    pub(super) certificate_pem: Option<String>,
    /// The certificates above it, nearest first.
    pub(super) chain_pem: String,
    /// Link certificates to the root before it (RFC 4210 §4.4).
    pub(super) links_pem: String,
    /// Its request, while it is pending.
    pub(super) csr_pem: Option<String>,
}

/// All issuers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IssuerList {
    pub(super) items: Vec<IssuerBody>,
    /// Always null: there is one page.
    pub(super) next: Option<String>,
}

/// The CRLs that were published: one, or one for each shard.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CrlBody {
    /// The highest of their numbers.
    pub(super) number: u64,
    /// When the first of them was made.
    pub(super) this_update: Timestamp,
    /// When the first of them has its successor at the latest.
    pub(super) next_update: Timestamp,
    /// The entries of all.
    pub(super) entries: usize,
}

fn plan(shards: Option<u32>, deltas: bool) -> CrlPlan {
    CrlPlan {
        shards: shards.unwrap_or(CrlPlan::default().shards),
        deltas,
    }
}

fn days(days: Option<u32>) -> Option<Duration> {
    days.map(|days| Duration::from_secs(u64::from(days) * 86_400))
}

impl RolloverBody {
    pub(super) fn into_request(self, issuer: String) -> Rollover {
        Rollover {
            issuer,
            key_algorithm: self.key_algorithm,
            signature_algorithm: self.signature_algorithm,
            token: self.token,
            validity: days(self.validity_days),
        }
    }
}

fn secret(text: &SecretString) -> SecretSlice<u8> {
    SecretSlice::from(text.expose_secret().as_bytes().to_vec())
}

impl From<RootBody> for CreateRoot {
    fn from(body: RootBody) -> Self {
        Self {
            name: body.name,
            subject: body.subject,
            key_algorithm: body.key_algorithm.unwrap_or(KeyAlgorithm::P256),
            signature_algorithm: body.signature_algorithm,
            token: body.token,
            validity: days(body.validity_days),
            profile: body.profile,
            crl: plan(body.crl_shards, body.delta_crls),
        }
    }
}

impl From<IssuingBody> for CreateIssuing {
    fn from(body: IssuingBody) -> Self {
        Self {
            name: body.name,
            parent: body.parent,
            subject: body.subject,
            key_algorithm: body.key_algorithm.unwrap_or(KeyAlgorithm::P256),
            signature_algorithm: body.signature_algorithm,
            token: body.token,
            validity: days(body.validity_days),
            profile: body.profile,
            crl: plan(body.crl_shards, body.delta_crls),
        }
    }
}

impl From<SubordinateBody> for Subordinate {
    fn from(body: SubordinateBody) -> Self {
        Self {
            name: body.name,
            subject: body.subject,
            key_algorithm: body.key_algorithm.unwrap_or(KeyAlgorithm::P256),
            signature_algorithm: body.signature_algorithm,
            token: body.token,
            crl: plan(body.crl_shards, body.delta_crls),
        }
    }
}

impl From<FromDiskBody> for ImportFromDisk {
    fn from(body: FromDiskBody) -> Self {
        Self {
            name: body.name,
            certificate: body.certificate_pem.into_bytes(),
            chain: body.chain_pem.into_bytes(),
            key: secret(&body.key_pem),
            passphrase: body.key_passphrase.as_ref().map(secret),
            signature_algorithm: body.signature_algorithm,
            crl: plan(body.crl_shards, body.delta_crls),
        }
    }
}

/// What became of signing ahead.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PresignedBody {
    /// Answers that were signed.
    signed: usize,
    /// Answers that were good for long enough still.
    fresh: usize,
    /// Answers that could not be signed.
    failed: usize,
}

impl From<Presigned> for PresignedBody {
    fn from(done: Presigned) -> Self {
        Self {
            signed: done.signed,
            fresh: done.fresh,
            failed: done.failed,
        }
    }
}

impl IssuerBody {
    pub(super) fn of(authority: &Authority, issuer: &IssuerEntry) -> Self {
        let revoked = authority.revocation_of(issuer);
        let pem = |list: &[Vec<u8>]| {
            list.iter()
                .map(|der| pki::pem::encode("CERTIFICATE", der))
                .collect()
        };
        let certificate = issuer.certificate.as_ref();
        Self {
            id: issuer.id,
            name: issuer.name.clone(),
            generation: issuer.generation,
            state: match revoked {
                Some(_) => "revoked".to_owned(),
                None if issuer.key_lost.is_some() => "key_lost".to_owned(),
                None if issuer.is_elsewhere() => "offline".to_owned(),
                None => issuer.state.to_string(),
            },
            key_lost_at: issuer.key_lost.as_ref().map(KeyLost::at),
            key_lost_reason: issuer.key_lost.as_ref().map(|lost| lost.reason().to_owned()),
            revoked_at: revoked.map(|(at, _)| at),
            revocation_reason: revoked.map(|(_, reason)| reason.to_string()),
            subject: issuer.subject.clone(),
            key_algorithm: issuer.key_algorithm.to_string(),
            signature_algorithm: issuer.signature_algorithm.to_string(),
            key_fingerprint: issuer.key.to_string(),
            token: issuer.token.clone(),
            parent: issuer.parent,
            not_before: certificate.map(pki::Certificate::not_before),
            not_after: certificate.map(pki::Certificate::not_after),
            created_at: issuer.created_at,
            ca_url: issuer.ca_url.clone(),
            ocsp_url: issuer.ocsp_url.clone(),
            crl_url: issuer.crl_url.clone(),
            crl_shards: issuer.crl.shards,
            delta_crls: issuer.crl.deltas,
            certificate_pem: certificate.map(pki::Certificate::pem),
            chain_pem: pem(&issuer.chain),
            links_pem: pem(&issuer.links),
            csr_pem: issuer
                .csr
                .as_deref()
                .map(|csr| pki::pem::encode("CERTIFICATE REQUEST", csr)),
        }
    }
}
