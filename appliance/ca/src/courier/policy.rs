//! Policies: what requests are held against, whoever asks. Kept as they are written, numbered, and switched on or off.

use jiff::Timestamp;
use pki::policy::Policy;
use serde_json::json;
use store::policies::PolicyRow;

use crate::audit;
use crate::authority::Authority;
use crate::clock::from_millis;
use crate::error::{Error, Refusal, Result};
use crate::permit;
use crate::principal::Principal;

/// Most policies there may be: each request is held against all of them.
const MOST: usize = 1000;

/// A policy as it is listed.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyEntry {
    /// Its number.
    pub id: i64,
    /// The policy.
    pub policy: Policy,
    /// Counts up from 1 with every change.
    pub revision: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

impl Authority {
    /// All policies by number.
    pub async fn policies(&self, principal: &Principal) -> Result<Vec<PolicyEntry>> {
        permit::check_reads_couriers(principal)?;
        let rows = self.inner().store.read(store::policies::all).await?;
        rows.iter().map(entry_of).collect()
    }

    /// One policy.
    pub async fn policy(&self, principal: &Principal, id: i64) -> Result<PolicyEntry> {
        permit::check_reads_couriers(principal)?;
        entry_of(&self.policy_row(id).await?)
    }

    /// Adds a policy. It counts from the next request on.
    pub async fn create_policy(&self, principal: &Principal, policy: Policy) -> Result<PolicyEntry> {
        let permit = permit::to_manage_couriers(principal)?;
        let body = written(&policy)?;
        let at = self.inner().clock.now();
        let entry = audit::entry(
            at,
            permit.actor(),
            "policy.create",
            &policy.name,
            audit::OK,
            &json!(policy),
        );
        let (name, is_enabled) = (policy.name.clone(), policy.is_enabled);
        let change = self.change(entry, move |tx| {
            if store::policies::all(tx)?.len() >= MOST {
                return Err(store::Error::Conflict {
                    constraint: format!("there are {MOST} policies already"),
                });
            }
            store::policies::insert(tx, &name, &body, is_enabled, at.as_millisecond())
        });
        let (id, _) = change.await.map_err(|error| named_twice(error, &policy.name))?;
        self.policy(principal, id).await
    }

    /// Puts another policy in the place of one. The whole of it is given.
    pub async fn replace_policy(
        &self,
        principal: &Principal,
        id: i64,
        policy: Policy,
        expected_revision: Option<i64>,
    ) -> Result<PolicyEntry> {
        let permit = permit::to_manage_couriers(principal)?;
        let mut row = self.policy_row(id).await?;
        if expected_revision.is_some_and(|expected| expected != row.revision) {
            let message = format!(
                "the policy was changed meanwhile: it is at revision {}",
                row.revision
            );
            return Err(Error::conflict("revision_stale", message));
        }
        let at = self.inner().clock.now();
        row.name.clone_from(&policy.name);
        row.body = written(&policy)?;
        row.is_enabled = policy.is_enabled;
        row.updated_at = at.as_millisecond();
        let entry = audit::entry(
            at,
            permit.actor(),
            "policy.replace",
            id,
            audit::OK,
            &json!(policy),
        );
        let change = self.change(entry, move |tx| store::policies::update(tx, &row));
        change.await.map_err(|error| named_twice(error, &policy.name))?;
        self.policy(principal, id).await
    }

    /// Switches a policy on or off.
    pub async fn enable_policy(
        &self,
        principal: &Principal,
        id: i64,
        is_enabled: bool,
    ) -> Result<PolicyEntry> {
        let entry = self.policy(principal, id).await?;
        let policy = Policy {
            is_enabled,
            ..entry.policy
        };
        self.replace_policy(principal, id, policy, Some(entry.revision))
            .await
    }

    /// Removes a policy.
    pub async fn delete_policy(&self, principal: &Principal, id: i64) -> Result<()> {
        let permit = permit::to_manage_couriers(principal)?;
        let row = self.policy_row(id).await?;
        let at = self.inner().clock.now();
        let logged = json!({ "name": row.name });
        let entry = audit::entry(at, permit.actor(), "policy.delete", id, audit::OK, &logged);
        let change = self.change(entry, move |tx| store::policies::delete(tx, id).map(drop));
        change.await.map(drop)
    }

    /// What every request is held against now.
    pub(super) async fn enabled_policies(&self) -> Result<Vec<Policy>> {
        let rows = self.inner().store.read(store::policies::all).await?;
        let enabled = rows.iter().filter(|row| row.is_enabled);
        enabled
            .map(|row| entry_of(row).map(|entry| entry.policy))
            .collect()
    }

    async fn policy_row(&self, id: i64) -> Result<PolicyRow> {
        let read = self
            .inner()
            .store
            .read(move |reader| store::policies::find(reader, id));
        read.await?.ok_or_else(|| Error::not_found("policy", id))
    }
}

fn written(policy: &Policy) -> Result<String> {
    let name = policy.name.trim();
    if name.is_empty() || name.len() > 128 || name.chars().any(char::is_control) {
        let message = "a policy needs a name of at most 128 octets";
        return Err(Refusal::of_requester("name_invalid", message).into());
    }
    serde_json::to_string(policy).map_err(Error::internal)
}

fn named_twice(error: Error, name: &str) -> Error {
    match error {
        Error::Conflict {
            code: "conflict",
            message,
        } if !message.contains("already") => {
            tracing::debug!(message, "a policy was not written");
            Error::conflict(
                "policy_exists",
                format!("there is a policy `{name}` already, or this one was changed meanwhile"),
            )
        }
        other => other,
    }
}

fn entry_of(row: &PolicyRow) -> Result<PolicyEntry> {
    let policy = serde_json::from_str(&row.body).map_err(|error| {
        Error::Internal(format!("the stored policy {} cannot be read: {error}", row.name))
    })?;
    Ok(PolicyEntry {
        id: row.id,
        policy,
        revision: row.revision,
        created_at: from_millis(row.created_at),
        updated_at: from_millis(row.updated_at),
    })
}
