//! Whether the keys of the issuers can be signed with: which tokens are away, and which keys no token has.
//!
//! The tokens that are configured say how they are; which of them had the key of an issuer they do not know. So the keys are asked for
//! as well: a token that was taken out of the configuration, or lost its keys, shows in no other way before somebody wants a signature.

use std::sync::Arc;
use std::time::Instant;

use pki::KeyFingerprint;
use signer_wire::{KeyRecord, ServiceStatus};

use super::{HealthProblem, LOOK_DEADLINE, LOOK_INTERVAL};
use crate::authority::Authority;
use crate::error::Result;
use crate::issuer::{IssuerEntry, IssuerOrigin, IssuerState};
use crate::signer::{SignFault, key_ref};

/// What to do about a key that no token has.
const REMEDY: &str =
    "bring the key into a token of the signing process, or configure the token that has it (signerd.toml)";

impl Authority {
    /// A token that is away keeps from issuing when it has a key that no other token has, and a key that no token has does so, too; a
    /// token that may sign but shows something odd is told as well.
    pub(super) async fn token_problems(&self, status: &ServiceStatus) -> Vec<HealthProblem> {
        let mut problems = Vec::new();
        for lane in status.lanes.iter().filter(|lane| !lane.warning.is_empty()) {
            let message = format!("the token {}: {}", lane.name, lane.warning);
            problems.push(HealthProblem::new("hsm_warning", message, false));
        }
        let issuers = self.issuers();
        let keys = match self.look_at_keys(&issuers).await {
            Ok(keys) => keys,
            Err(fault) => {
                problems.push(HealthProblem::fatal(fault.code(), fault.to_string()));
                return problems;
            }
        };
        let has_key = |issuer: &IssuerEntry| is_at_hand(issuer.key, &keys, status);
        problems.extend(status.lanes.iter().filter(|lane| !lane.available).map(|lane| {
            let needs = |issuer: &IssuerEntry| {
                issuer.answers() && issuer.key_lost.is_none() && issuer.token == lane.name && !has_key(issuer)
            };
            HealthProblem {
                code: "hsm_unavailable",
                message: format!("the token {} is away: {}", lane.name, lane.detail),
                is_fatal: issuers.iter().any(|issuer| needs(issuer)),
            }
        }));
        // What a token has that is away is told of the token.
        let is_away = |name: &str| {
            let lane = status.lanes.iter().find(|lane| lane.name == name);
            lane.is_some_and(|lane| !lane.available)
        };
        let now = self.inner().clock.now();
        let is_missing = |issuer: &IssuerEntry| {
            let is_over = issuer
                .certificate
                .as_ref()
                .is_some_and(|own| own.not_after() < now);
            issuer.acts_by_itself() && !is_over && !has_key(issuer) && !is_away(&issuer.token)
        };
        problems.extend(issuers.iter().filter(|issuer| is_missing(issuer)).map(|issuer| {
            HealthProblem {
                code: "hsm_key_missing",
                message: format!(
                    "no token that is there has the key of the issuer {} {} ({}); it was in the token {}: {REMEDY}",
                    issuer.name, issuer.generation, issuer.key, issuer.token
                ),
                is_fatal: self.is_to_issue(issuer),
            }
        }));
        problems
    }

    /// The keys of the tokens, asked for at most every few seconds unless one is missed: it may have been made in the meantime.
    async fn look_at_keys(
        &self,
        issuers: &[Arc<IssuerEntry>],
    ) -> std::result::Result<Vec<KeyRecord>, SignFault> {
        let mut look = self.inner().keys_look.0.lock().await;
        let has_all = |keys: &[KeyRecord]| {
            let mut wanted = issuers.iter().filter(|issuer| issuer.acts_by_itself());
            wanted.all(|issuer| keys.iter().any(|record| record.key == key_ref(issuer.key)))
        };
        if let Some((at, keys)) = look.as_ref()
            && at.elapsed() < LOOK_INTERVAL
            && has_all(keys)
        {
            return Ok(keys.clone());
        }
        let asked = tokio::time::timeout(LOOK_DEADLINE, self.inner().signer.list()).await;
        let keys = asked.unwrap_or_else(|_| Err(SignFault::deadline()))?;
        *look = Some((Instant::now(), keys.clone()));
        Ok(keys)
    }

    /// Whether certificates are to be had of it: of a root only where there is no other CA.
    fn is_to_issue(&self, issuer: &IssuerEntry) -> bool {
        let is_active = |one: &IssuerEntry| one.state == IssuerState::Active && one.acts_by_itself();
        let is_the_only = || {
            !self
                .issuers()
                .iter()
                .any(|one| is_active(one) && one.origin != IssuerOrigin::Root)
        };
        let is_wanted = issuer.origin != IssuerOrigin::Root || is_the_only();
        is_active(issuer) && is_wanted && self.revocation_of(issuer).is_none()
    }

    /// Whether it is a CA under another one of which certificates are to be had by itself.
    pub fn is_to_issue_leaves(&self, issuer: &IssuerEntry) -> bool {
        issuer.origin != IssuerOrigin::Root && self.is_to_issue(issuer)
    }

    /// The token of the first CA whose token is there; nothing when there is no CA. That of a CA whose HSM is lost is passed over.
    pub(crate) async fn token_of_a_ca(&self) -> Result<Option<String>> {
        let issuers = self.issuers();
        let tokens = issuers.iter().filter(|issuer| issuer.acts_by_itself());
        let tokens: Vec<String> = tokens.map(|issuer| issuer.token.clone()).collect();
        if tokens.is_empty() {
            return Ok(None);
        }
        let status = self.inner().signer.status().await?;
        let is_there = |token: &&String| {
            let mut lanes = status.lanes.iter();
            lanes.any(|lane| lane.available && lane.name == **token)
        };
        if let Some(token) = tokens.iter().find(is_there) {
            return Ok(Some(token.clone()));
        }
        let message = format!("no token of a CA is there: {}", tokens.join(", "));
        Err(SignFault::absent(message).into())
    }

    /// Refuses where no token has the key of an issuer, before anything is begun that wants a signature by it.
    pub async fn require_key(&self, issuer: &IssuerEntry) -> Result<()> {
        let signer = &self.inner().signer;
        if signer
            .list()
            .await?
            .iter()
            .any(|record| record.key == key_ref(issuer.key))
        {
            return Ok(());
        }
        // A token that is away may come back with it.
        let status = signer.status().await?;
        if let Some(lane) = status.lanes.iter().find(|lane| !lane.available) {
            let message = format!("the token {} is away: {}", lane.name, lane.detail);
            return Err(SignFault::absent(message).into());
        }
        let message = format!(
            "no token has the key of the CA {} {} ({}): {REMEDY}",
            issuer.name, issuer.generation, issuer.key
        );
        Err(SignFault::key_missing(message).into())
    }
}

/// Whether a token that is there has the key.
fn is_at_hand(key: KeyFingerprint, keys: &[KeyRecord], status: &ServiceStatus) -> bool {
    let is_available = |name: &String| {
        status
            .lanes
            .iter()
            .any(|lane| lane.available && lane.name == *name)
    };
    let record = keys.iter().find(|record| record.key == key_ref(key));
    record.is_some_and(|record| record.tokens.iter().any(is_available))
}
