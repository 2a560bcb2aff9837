//! Registered domains: no courier gets a name that does not lie under one of them, whatever its list of names says.

use jiff::Timestamp;
use pki::SubjectAltName;
use serde_json::json;
use store::domains::DomainRow;

use super::record::is_public_suffix;
use super::spelling;
use crate::audit;
use crate::authority::Authority;
use crate::clock::from_millis;
use crate::error::{Error, Refusal, Result};
use crate::permit;
use crate::principal::Principal;

/// A registered domain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Domain {
    /// The name; everything below it is meant as well.
    pub apex: String,
    /// Whether names under it are given.
    pub is_enabled: bool,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// How a name stands to the registered domains.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Registration {
    /// It lies under one that is enabled, or is no name of the DNS.
    Enabled,
    /// It lies only under such as are not enabled.
    Disabled,
    /// It lies under none.
    Missing,
}

/// Most domains on a page.
const MOST: u32 = 1000;
/// Most labels of a name that are looked up.
const MOST_LABELS: usize = 128;

impl Authority {
    /// Registers a domain, enabled. A public suffix, under which others have names as well, only when that is said.
    pub async fn register_domain(
        &self,
        principal: &Principal,
        apex: &str,
        allows_public_suffix: bool,
    ) -> Result<Domain> {
        let permit = permit::to_manage_couriers(principal)?;
        let apex = normal(apex)?;
        if !allows_public_suffix && is_public_suffix(&apex) {
            let message = format!(
                "{apex} is a public suffix, under which others have names as well: say that it is meant"
            );
            return Err(Refusal::of_requester("domain_invalid", message).into());
        }
        let at = self.inner().clock.now();
        let row = DomainRow {
            apex: apex.clone(),
            is_enabled: true,
            record: "{}".to_owned(),
            created_at: at.as_millisecond(),
            updated_at: at.as_millisecond(),
        };
        let entry = audit::entry(
            at,
            permit.actor(),
            "domain.register",
            &apex,
            audit::OK,
            &json!({}),
        );
        let inserted = row.clone();
        let change = self
            .change(entry, move |tx| store::domains::insert(tx, &inserted))
            .await;
        change.map_err(|error| match error {
            Error::Conflict { code: "conflict", .. } => Error::conflict(
                "domain_exists",
                format!("the domain {apex} is registered already"),
            ),
            other => other,
        })?;
        Ok(domain_of(row))
    }

    /// Gives names under a domain, or not any more. What was issued stays.
    pub async fn enable_domain(&self, principal: &Principal, apex: &str, is_enabled: bool) -> Result<Domain> {
        let permit = permit::to_manage_couriers(principal)?;
        let mut row = self.domain_row(apex).await?;
        let at = self.inner().clock.now();
        let action = if is_enabled {
            "domain.enable"
        } else {
            "domain.disable"
        };
        let entry = audit::entry(at, permit.actor(), action, &row.apex, audit::OK, &json!({}));
        row.is_enabled = is_enabled;
        row.updated_at = at.as_millisecond();
        let updated = row.clone();
        let change = self.change(entry, move |tx| {
            let at = updated.updated_at;
            store::domains::update(tx, &updated.apex, is_enabled, &updated.record, at)
        });
        change.await?;
        Ok(domain_of(row))
    }

    /// Removes a domain from the register. What was issued stays.
    pub async fn remove_domain(&self, principal: &Principal, apex: &str) -> Result<()> {
        let permit = permit::to_manage_couriers(principal)?;
        let row = self.domain_row(apex).await?;
        let at = self.inner().clock.now();
        let entry = audit::entry(
            at,
            permit.actor(),
            "domain.remove",
            &row.apex,
            audit::OK,
            &json!({}),
        );
        let change = self.change(entry, move |tx| store::domains::delete(tx, &row.apex).map(drop));
        change.await?;
        Ok(())
    }

    /// Registered domains by name, after one of them.
    pub async fn domains(
        &self,
        principal: &Principal,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Domain>> {
        permit::check_reads_couriers(principal)?;
        let (after, limit) = (after.map(str::to_owned), limit.clamp(1, MOST));
        let read = self
            .inner()
            .store
            .read(move |reader| store::domains::list(reader, after.as_deref(), limit));
        Ok(read.await?.into_iter().map(domain_of).collect())
    }

    /// How each of these names stands to the register.
    pub(crate) async fn registrations(&self, names: &[SubjectAltName]) -> Result<Vec<Registration>> {
        let hosts: Vec<Option<String>> = names.iter().map(host_of).collect();
        let read = self.inner().store.read(move |reader| {
            hosts
                .iter()
                .map(|host| match host {
                    None => Ok(Registration::Enabled),
                    Some(host) => look_up(reader, host),
                })
                .collect::<store::Result<Vec<_>>>()
        });
        Ok(read.await?)
    }

    async fn domain_row(&self, apex: &str) -> Result<DomainRow> {
        let apex = normal(apex)?;
        let wanted = apex.clone();
        let read = self
            .inner()
            .store
            .read(move |reader| store::domains::find(reader, &wanted));
        read.await?.ok_or_else(|| Error::not_found("domain", apex))
    }
}

/// Looks at the name itself and at every domain above it.
fn look_up(reader: &store::Reader<'_>, host: &str) -> store::Result<Registration> {
    let mut found = Registration::Missing;
    let starts = std::iter::once(0).chain(host.match_indices('.').map(|(at, _)| at + 1));
    for start in starts.take(MOST_LABELS) {
        let Some(domain) = host.get(start..) else { continue };
        match store::domains::find(reader, domain)? {
            Some(row) if row.is_enabled => return Ok(Registration::Enabled),
            Some(_) => found = Registration::Disabled,
            None => {}
        }
    }
    Ok(found)
}

/// The name of the DNS that a subject alternative name is about; an address is about none.
fn host_of(name: &SubjectAltName) -> Option<String> {
    let host = match name {
        SubjectAltName::Dns(name) => name.strip_prefix("*.").unwrap_or(name),
        SubjectAltName::Email(address) => address.rsplit_once('@').map_or("", |(_, domain)| domain),
        SubjectAltName::Uri(uri) => spelling::host_of(uri),
        SubjectAltName::Ip(_) => return None,
        SubjectAltName::Upn(_) => "",
    };
    Some(host.trim_end_matches('.').to_ascii_lowercase())
}

/// A domain as it is kept.
fn normal(apex: &str) -> Result<String> {
    let wrong = |message: String| Error::from(Refusal::of_requester("domain_invalid", message));
    let shown: String = apex.chars().take(64).collect();
    let name = SubjectAltName::dns(apex.trim_end_matches('.'))
        .map_err(|fault| wrong(format!("`{shown}` is no domain: {fault}")))?;
    let SubjectAltName::Dns(name) = name else {
        return Err(wrong(format!("`{shown}` is no domain")));
    };
    let name = name.to_ascii_lowercase();
    if name.starts_with('*') {
        return Err(wrong(format!(
            "`{shown}`: write the domain without `*.`, everything below it is meant"
        )));
    }
    Ok(name)
}

fn domain_of(row: DomainRow) -> Domain {
    Domain {
        apex: row.apex,
        is_enabled: row.is_enabled,
        created_at: from_millis(row.created_at),
        updated_at: from_millis(row.updated_at),
    }
}
