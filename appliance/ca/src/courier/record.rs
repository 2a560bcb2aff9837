//! Courier records: who a courier is, and what it may have. Managed by admins; read by every request of the courier.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use pki::allowed_name::{AllowedName, AllowedNames};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::couriers::CourierRow;
use uuid::Uuid;

use super::method::Method;
use crate::audit;
use crate::authority::Authority;
use crate::clock::{self, from_millis};
use crate::error::{Error, Refusal, Result};
use crate::permit;
use crate::principal::Principal;

/// What a courier may have, as it is written by operators and kept in the store. Everything that is absent is denied.
// stored: as JSON in couriers.record
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct CourierRecord {
    /// The names it may have certificates for; none when empty.
    pub allowed_names: AllowedNames,
    /// Names of the list that cover a whole public suffix or more, and are wanted that way.
    pub allow_public_suffixes: bool,
    /// Where it may come from; anywhere when empty.
    pub allowed_ips: Vec<IpNet>,
    /// The profiles it may use; the first is taken when it names none.
    pub profiles: Vec<String>,
    /// The CA that issues for it, by name or identifier; the only one that comes into question when absent.
    pub issuer: Option<String>,
    /// Whether the appliance may make keys for it.
    pub platform_keys: PlatformKeys,
    /// Whether it may revoke certificates of its own.
    pub may_revoke: bool,
    /// Whether its orders wait for somebody's approval.
    pub needs_approval: bool,
    /// How much of what it may have.
    pub quotas: Quotas,
    /// Methods of authentication that are switched off for it.
    pub disabled_methods: BTreeSet<Method>,
    /// The lowest version of the program `courier` that is let in.
    pub minimum_client_version: Option<String>,
    /// Whatever the operator notes beside it.
    pub labels: BTreeMap<String, String>,
}

/// Whether keys are made by the appliance.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PlatformKeys {
    /// Never.
    #[default]
    Forbid,
    /// When the courier asks for it.
    Allow,
    /// Always.
    Require,
}

impl PlatformKeys {
    /// `forbid`, `allow` or `require`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forbid => "forbid",
            Self::Allow => "allow",
            Self::Require => "require",
        }
    }
}

/// How much a courier may have.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quotas {
    /// Certificates within any 24 hours; as many as it likes when absent.
    pub certificates_per_day: Option<u32>,
    /// The longest validity in days.
    pub max_validity_days: Option<u32>,
    /// The key algorithms it may use, as `ec-256` or `rsa-3072`; all of the profile when empty.
    pub key_algorithms: BTreeSet<String>,
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CourierStatus {
    /// It is let in.
    Active,
    /// It was switched off.
    Disabled,
    /// Its time is over.
    Expired,
}

impl fmt::Display for CourierStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
        })
    }
}

/// A courier.
#[derive(Clone, Debug, PartialEq)]
pub struct Courier {
    /// Its identifier, which goes with every authentication.
    pub id: Uuid,
    /// Its name, which no other has.
    pub name: String,
    /// Where it stands.
    pub status: CourierStatus,
    /// What it may have.
    pub record: CourierRecord,
    /// Counts up from 1 with every change.
    pub revision: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// A courier to be made.
#[derive(Clone, Debug, Default)]
pub struct NewCourier {
    /// Its name.
    pub name: String,
    /// What it may have.
    pub record: CourierRecord,
    /// When it ends; never when absent.
    pub expires_at: Option<Timestamp>,
}

/// What a courier becomes. The whole record is given: what is left out is denied from then on.
#[derive(Clone, Debug)]
pub struct CourierChange {
    /// What it may have.
    pub record: CourierRecord,
    /// When it ends; never when absent.
    pub expires_at: Option<Timestamp>,
    /// The revision that was looked at; whatever it is when absent.
    pub expected_revision: Option<i64>,
}

/// Most couriers on a page.
const MOST: u32 = 1000;

impl Authority {
    /// Makes a courier. It cannot authenticate before it has a credential.
    pub async fn create_courier(&self, principal: &Principal, new: NewCourier) -> Result<Courier> {
        let permit = permit::to_manage_couriers(principal)?;
        check_name(&new.name)?;
        self.check_record(&new.record)?;
        let at = self.inner().clock.now();
        if new.expires_at.is_some_and(|end| end <= at) {
            return Err(
                Refusal::of_requester("expiry_invalid", "the courier would end before it begins").into(),
            );
        }
        let row = CourierRow {
            id: clock::new_id(),
            name: new.name,
            status: "active".to_owned(),
            record: written(&new.record)?,
            revision: 1,
            created_at: at.as_millisecond(),
            updated_at: at.as_millisecond(),
            expires_at: new.expires_at.map(Timestamp::as_millisecond),
        };
        let logged = json!({ "name": row.name, "record": new.record, "expires_at": new.expires_at });
        let entry = audit::entry(at, permit.actor(), "courier.create", row.id, audit::OK, &logged);
        let inserted = row.clone();
        self.change(entry, move |tx| store::couriers::insert(tx, &inserted))
            .await
            .map_err(|error| named_twice(error, &row.name))?;
        self.courier_of(row)
    }

    /// Changes what a courier may have. It counts from the next request on.
    pub async fn change_courier(
        &self,
        principal: &Principal,
        id: Uuid,
        change: CourierChange,
    ) -> Result<Courier> {
        let permit = permit::to_manage_couriers(principal)?;
        self.check_record(&change.record)?;
        let record = change.record.clone();
        let expires_at = change.expires_at;
        let set = move |row: &mut CourierRow| {
            row.record = written(&record)?;
            row.expires_at = expires_at.map(Timestamp::as_millisecond);
            Ok(())
        };
        let logged = json!({ "record": change.record, "expires_at": change.expires_at });
        let expected = change.expected_revision;
        let row = self
            .update_courier(permit.actor(), "courier.change", id, expected, &logged, set)
            .await?;
        self.courier_of(row)
    }

    /// Lets a courier in again, or not any more; then its sessions end at once.
    pub async fn enable_courier(&self, principal: &Principal, id: Uuid, is_enabled: bool) -> Result<Courier> {
        let permit = permit::to_manage_couriers(principal)?;
        let (status, action) = if is_enabled {
            ("active", "courier.enable")
        } else {
            ("disabled", "courier.disable")
        };
        let set = |row: &mut CourierRow| {
            status.clone_into(&mut row.status);
            Ok(())
        };
        let row = self
            .update_courier(permit.actor(), action, id, None, &json!({}), set)
            .await?;
        self.courier_of(row)
    }

    /// Removes a courier with its credentials and sessions. Its orders and certificates stay.
    pub async fn delete_courier(&self, principal: &Principal, id: Uuid) -> Result<()> {
        let permit = permit::to_manage_couriers(principal)?;
        let courier = self.courier_by_id(id).await?;
        let at = self.inner().clock.now();
        let logged = json!({ "name": courier.name });
        let entry = audit::entry(at, permit.actor(), "courier.delete", id, audit::OK, &logged);
        self.change(entry, move |tx| store::couriers::delete(tx, id).map(drop))
            .await?;
        Ok(())
    }

    /// One courier, by identifier or name.
    pub async fn courier(&self, principal: &Principal, named: &str) -> Result<Courier> {
        permit::check_reads_couriers(principal)?;
        let (id, name) = (Uuid::try_parse(named).ok(), named.to_owned());
        let read = self.inner().store.read(move |reader| match id {
            Some(id) => store::couriers::find(reader, id),
            None => store::couriers::named(reader, &name),
        });
        let row = read
            .await?
            .ok_or_else(|| Error::not_found("courier", shown(named)))?;
        self.courier_of(row)
    }

    /// Couriers in the order of their making, after one of them.
    pub async fn couriers(
        &self,
        principal: &Principal,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Courier>> {
        permit::check_reads_couriers(principal)?;
        let filter = store::couriers::Filter {
            after,
            limit: limit.clamp(1, MOST),
            ..store::couriers::Filter::default()
        };
        let read = self
            .inner()
            .store
            .read(move |reader| store::couriers::list(reader, &filter));
        read.await?.into_iter().map(|row| self.courier_of(row)).collect()
    }

    /// The courier with this identifier.
    pub(crate) async fn courier_by_id(&self, id: Uuid) -> Result<Courier> {
        let read = self
            .inner()
            .store
            .read(move |reader| store::couriers::find(reader, id));
        let row = read.await?.ok_or_else(|| Error::not_found("courier", id))?;
        self.courier_of(row)
    }

    /// Changes a row as long as nobody else changes it meanwhile.
    async fn update_courier(
        &self,
        actor: &str,
        action: &str,
        id: Uuid,
        expected: Option<i64>,
        logged: &serde_json::Value,
        set: impl Fn(&mut CourierRow) -> Result<()>,
    ) -> Result<CourierRow> {
        let read = self
            .inner()
            .store
            .read(move |reader| store::couriers::find(reader, id));
        let mut row = read.await?.ok_or_else(|| Error::not_found("courier", id))?;
        let found = row.revision;
        if expected.is_some_and(|expected| expected != found) {
            let message = format!(
                "the courier {} was changed meanwhile: it is at revision {found}",
                row.name
            );
            return Err(Error::conflict("revision_stale", message));
        }
        set(&mut row)?;
        let at = self.inner().clock.now();
        row.updated_at = at.as_millisecond();
        let ends_sessions = row.status != "active";
        let entry = audit::entry(at, actor, action, id, audit::OK, logged);
        let updated = row.clone();
        let change = self.change(entry, move |tx| {
            store::couriers::update(tx, &updated)?;
            if ends_sessions {
                store::courier_sessions::remove_of_courier(tx, id)?;
            }
            Ok(())
        });
        change.await?;
        row.revision = found + 1;
        Ok(row)
    }

    /// A record with problems is not saved: all of them are told.
    fn check_record(&self, record: &CourierRecord) -> Result<()> {
        let mut problems = Vec::new();
        if !record.allow_public_suffixes {
            let broad = record
                .allowed_names
                .iter()
                .filter(|name| name.covers_public_suffix(&is_public_suffix));
            problems.extend(broad.map(|name: &AllowedName| {
                format!("`{name}` covers a whole public suffix: name a domain below it, or set allow_public_suffixes")
            }));
        }
        for profile in &record.profiles {
            match self.profile(profile) {
                Err(_) => problems.push(format!("there is no profile `{}`", shown(profile))),
                Ok(entry) if entry.profile.is_authority() || entry.profile.ocsp_no_check => {
                    problems.push(format!(
                        "certificates of the profile `{profile}` are not for couriers"
                    ));
                }
                Ok(_) => {}
            }
        }
        if let Some(issuer) = &record.issuer
            && self.issuer(issuer).is_err()
        {
            problems.push(format!("there is no issuer `{}`", shown(issuer)));
        }
        for algorithm in &record.quotas.key_algorithms {
            if super::key_name::parse(algorithm).is_none() {
                problems.push(format!(
                    "`{}` is no key algorithm: write ec-256 or rsa-3072",
                    shown(algorithm)
                ));
            }
        }
        if problems.is_empty() {
            return Ok(());
        }
        let details = json!(problems);
        Err(Refusal::of_requester("record_invalid", problems.join("; "))
            .with_details(details)
            .into())
    }

    fn courier_of(&self, row: CourierRow) -> Result<Courier> {
        let now = self.inner().clock.now();
        let expires_at = row.expires_at.map(from_millis);
        let status = match row.status.as_str() {
            _ if expires_at.is_some_and(|end| end <= now) => CourierStatus::Expired,
            "active" => CourierStatus::Active,
            _ => CourierStatus::Disabled,
        };
        let record = serde_json::from_str(&row.record).map_err(|error| {
            Error::Internal(format!("the stored courier {} cannot be read: {error}", row.name))
        })?;
        Ok(Courier {
            id: row.id,
            status,
            record,
            revision: row.revision,
            created_at: from_millis(row.created_at),
            updated_at: from_millis(row.updated_at),
            expires_at,
            name: row.name,
        })
    }
}

impl Courier {
    /// Whether it may come from there. An address that is not known is nowhere.
    pub(crate) fn may_come_from(&self, address: Option<IpAddr>) -> bool {
        let allowed = &self.record.allowed_ips;
        allowed.is_empty()
            || address.is_some_and(|address| {
                let address = address.to_canonical();
                allowed.iter().any(|network| network.contains(&address))
            })
    }

    /// How it appears in the audit log and as the requester of its certificates.
    pub(crate) fn requester(&self) -> String {
        format!("courier:{}", self.name)
    }
}

/// Whether a name is a public suffix by the list, or stands above one.
pub(crate) fn is_public_suffix(name: &str) -> bool {
    psl::suffix(name.as_bytes()).is_none_or(|suffix| suffix.as_bytes().len() >= name.len())
}

fn check_name(name: &str) -> Result<()> {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(is_fit) || Uuid::try_parse(name).is_ok() {
        let message =
            "a courier's name has 1 to 64 letters, digits, dots, hyphens and underscores, and is no UUID";
        return Err(Refusal::of_requester("name_invalid", message).into());
    }
    Ok(())
}

fn named_twice(error: Error, name: &str) -> Error {
    match error {
        Error::Conflict { code: "conflict", .. } => {
            Error::conflict("courier_exists", format!("there is a courier `{name}` already"))
        }
        other => other,
    }
}

fn written(record: &CourierRecord) -> Result<String> {
    serde_json::to_string(record).map_err(Error::internal)
}

/// As much of a name as is told again.
fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    #[test]
    fn the_oldest_record_is_read_and_denies_everything() {
        let record: CourierRecord = serde_json::from_str("{}").unwrap();
        assert!(record.allowed_names.is_empty() && record.profiles.is_empty());
        assert_eq!(record.platform_keys, PlatformKeys::Forbid);
        assert!(!record.may_revoke);
        assert!(serde_json::from_str::<CourierRecord>(r#"{"may_revok":true}"#).is_err());
    }

    #[test]
    fn public_suffixes_are_known() {
        assert!(is_public_suffix("com") && is_public_suffix("co.uk") && is_public_suffix("github.io"));
        assert!(!is_public_suffix("example.com") && !is_public_suffix("example.co.uk"));
    }
}
