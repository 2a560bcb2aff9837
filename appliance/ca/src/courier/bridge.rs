//! Bridges: instances of proxies between network segments. An instance comes to be with a token that is good once, is known by the
//! certificates that it was given, and may say for whom a request was sent; what it says counts only from such an instance.

mod attest;
mod certify;
mod report;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pki::crl::RevocationReason;
use secrecy::SecretString;
use serde_json::json;
use store::bridges::{BridgeCertificateRow, BridgeRow, BridgeTokenRow};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::nonce::sha256;
use crate::audit::{self, hexadecimal};
use crate::authority::Authority;
use crate::certificates::CertRef;
use crate::clock::from_millis;
use crate::error::{Error, Refusal, Result};
use crate::permit;
use crate::principal::Principal;
use crate::revoke::RevokeRequest;

pub use attest::AttestedRequest;
pub use certify::{BridgeCertificate, BridgeRegistration};
pub use report::BridgeReport;

/// What the text of every token begins with.
const PREFIX: &str = "chb_";
/// Octets of a token.
const TOKEN_LEN: usize = 32;
/// The longest that a token is good for.
const LONGEST: Duration = Duration::from_hours(24);
/// Longest name of a bridge.
const MAX_NAME: usize = 64;
/// Most instances on a page.
const MOST: u32 = 1000;

const ACTIVE: &str = "active";

/// A token to be made.
#[derive(Clone, Debug, Default)]
pub struct BridgeTokenRequest {
    /// The bridge whose instance comes to be with it; several instances have the same.
    pub bridge: String,
    /// The CA that issues for it, by name or identifier; the only one that comes into question when absent.
    pub issuer: Option<String>,
    /// How long it is good for: 24 hours at most, and when absent.
    pub lifetime: Option<Duration>,
    /// Whether the instance forwards nothing before somebody approved it.
    pub needs_approval: bool,
}

/// A token that was just made. It is shown this once.
#[derive(Debug)]
pub struct NewBridgeToken {
    /// The bridge.
    pub bridge: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// What the instance shows.
    pub token: SecretString,
}

/// Where an instance is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BridgeStatus {
    /// It is registered, and waits for somebody's approval.
    Pending,
    /// What it says counts.
    Active,
    /// It has ended.
    Retired,
}

impl BridgeStatus {
    /// As it is told.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Retired => "retired",
        }
    }
}

/// An instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// Its identifier.
    pub id: Uuid,
    /// The bridge whose instance it is.
    pub bridge: String,
    /// Whether what it says counts.
    pub status: BridgeStatus,
    /// The version of its program.
    pub version: Option<String>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was there last, known to a minute.
    pub seen_at: Option<Timestamp>,
    /// When its certificate ends; absent when it has none.
    pub certificate_ends_at: Option<Timestamp>,
    /// What it last said of itself, and when; absent where nobody looked, and of one that never did.
    pub report: Option<(BridgeReport, Timestamp)>,
    issuer: Option<String>,
}

impl Authority {
    /// Makes a token for one registration.
    pub async fn create_bridge_token(
        &self,
        principal: &Principal,
        request: BridgeTokenRequest,
    ) -> Result<NewBridgeToken> {
        let permit = permit::to_manage_couriers(principal)?;
        check_name(&request.bridge)?;
        let lifetime = request.lifetime.unwrap_or(LONGEST);
        if lifetime.is_zero() || lifetime > LONGEST {
            let message = "a registration token is good for 24 hours at most";
            return Err(Refusal::of_requester("lifetime_invalid", message).into());
        }
        if let Some(name) = &request.issuer {
            self.issuer(name)?;
        }
        let mut octets = Zeroizing::new([0; TOKEN_LEN]);
        aws_lc_rs::rand::fill(&mut *octets)
            .map_err(|_| Error::internal("the system gives no random octets"))?;
        let token = Zeroizing::new(format!("{PREFIX}{}", hexadecimal(&*octets)));
        let at = self.inner().clock.now();
        let lifetime = SignedDuration::try_from(lifetime).map_err(Error::internal)?;
        let expires_at = at.saturating_add(lifetime).map_err(Error::internal)?;
        let row = BridgeTokenRow {
            token_hash: sha256(token.as_bytes()).to_vec(),
            bridge: request.bridge.clone(),
            issuer: request.issuer,
            created_at: at.as_millisecond(),
            expires_at: expires_at.as_millisecond(),
            needs_approval: request.needs_approval,
        };
        let logged = json!({
            "bridge": row.bridge, "issuer": row.issuer, "expires_at": expires_at, "needs_approval": row.needs_approval,
        });
        let entry = audit::entry(
            at,
            permit.actor(),
            "bridge_token.create",
            &row.bridge,
            audit::OK,
            &logged,
        );
        let change = self.change(entry, move |tx| store::bridges::insert_token(tx, &row));
        change.await?;
        Ok(NewBridgeToken {
            bridge: request.bridge,
            expires_at,
            token: SecretString::from(token.to_string()),
        })
    }

    /// Instances in the order in which they came to be, after one of them; those that have ended, too.
    pub async fn bridges(
        &self,
        principal: &Principal,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Bridge>> {
        permit::check_reads_couriers(principal)?;
        let limit = limit.clamp(1, MOST);
        let read = self.inner().store.read(move |reader| {
            let rows = store::bridges::list(reader, after, limit)?;
            rows.into_iter()
                .map(|row| {
                    let certificates = store::bridges::certificates(reader, row.id)?;
                    Ok((certificates, store::bridges::report(reader, row.id)?, row))
                })
                .collect::<store::Result<Vec<_>>>()
        });
        let rows = read.await?;
        Ok(rows
            .into_iter()
            .map(|(certificates, report, row)| Bridge {
                report: report.as_ref().and_then(report::said),
                ..bridge_of(row, &certificates)
            })
            .collect())
    }

    /// Ends an instance: nothing it says counts any more, and its certificates are revoked.
    pub async fn retire_bridge(&self, principal: &Principal, id: Uuid) -> Result<()> {
        let permit = permit::to_manage_couriers(principal)?;
        let read = self.inner().store.read(move |reader| {
            let row = store::bridges::find(reader, id)?;
            Ok((row, store::bridges::certificates(reader, id)?))
        });
        let (row, certificates) = read.await?;
        let row = row.ok_or_else(|| Error::not_found("bridge", id))?;
        if row.status != ACTIVE {
            return Ok(());
        }
        let at = self.inner().clock.now();
        let logged = json!({ "bridge": row.bridge });
        let entry = audit::entry(at, permit.actor(), "bridge.retire", id, audit::OK, &logged);
        let change = self.change(entry, move |tx| {
            store::bridges::retire(tx, id, at.as_millisecond())
        });
        change.await?;
        let mut outcome = Ok(());
        for certificate in certificates {
            let request = RevokeRequest {
                certificate: CertRef::Id(certificate.certificate_id),
                reason: RevocationReason::CessationOfOperation,
                invalidity_date: None,
            };
            // One that cannot be revoked keeps none of the others from it.
            let revoked = self.revoke(principal, request).await;
            outcome = outcome.and(revoked.map(drop));
        }
        outcome
    }
}

fn bridge_of(row: BridgeRow, certificates: &[BridgeCertificateRow]) -> Bridge {
    Bridge {
        id: row.id,
        bridge: row.bridge,
        status: match row.status.as_str() {
            ACTIVE if row.is_pending => BridgeStatus::Pending,
            ACTIVE => BridgeStatus::Active,
            _ => BridgeStatus::Retired,
        },
        version: row.version,
        created_at: from_millis(row.created_at),
        seen_at: row.seen_at.map(from_millis),
        certificate_ends_at: certificates
            .first()
            .map(|certificate| from_millis(certificate.not_after)),
        report: None,
        issuer: row.issuer,
    }
}

fn check_name(name: &str) -> Result<()> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(is_plain) {
        let message = "a bridge has a name of at most 64 letters, digits, dots, hyphens and underscores";
        return Err(Refusal::of_requester("name_invalid", message).into());
    }
    Ok(())
}

/// What says too little about why, on purpose: a token that is wrong, used or over.
fn token_invalid() -> Error {
    Error::Unauthenticated {
        code: "invalid_credentials",
        message: "the registration token is not right, was used, or its time is over".to_owned(),
    }
}
