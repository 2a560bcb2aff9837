//! Who may do what. The only place that makes a [`Permit`], which every mutating use case needs.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::issuer::IssuerEntry;

/// What a caller is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything: issuers, profiles, tokens, and all that the others may.
    Admin,
    /// Certificates of everybody: issue, renew, revoke; CRLs.
    Operator,
    /// Its own certificates: issue, renew, revoke.
    Requester,
    /// Reads everything, changes nothing.
    Auditor,
}

/// The text names no role.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is no role: write admin, operator, requester or auditor")]
pub struct UnknownRole(String);

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Requester => "requester",
            Self::Auditor => "auditor",
        })
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        [Self::Admin, Self::Operator, Self::Requester, Self::Auditor]
            .into_iter()
            .find(|role| role.to_string() == text)
            .ok_or_else(|| UnknownRole(text.chars().take(40).collect()))
    }
}

/// Which issuers or profiles a caller may use, by name; an issuer also by its identifier.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// All of them.
    #[default]
    All,
    /// These and no others.
    Only(BTreeSet<String>),
}

impl Scope {
    /// A scope of these names; no names at all means all.
    pub fn of<I: IntoIterator<Item = String>>(names: I) -> Self {
        let names: BTreeSet<String> = names.into_iter().collect();
        if names.is_empty() {
            Self::All
        } else {
            Self::Only(names)
        }
    }

    /// Whether a name lies within.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(name),
        }
    }
}

/// An authenticated caller.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Principal {
    /// The identifier of its token, or how it came in.
    pub id: String,
    /// Its name; certificates belong to a name, so that a token can be replaced.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// The issuers it may use.
    pub issuers: Scope,
    /// The profiles it may use.
    pub profiles: Scope,
}

impl Principal {
    /// The program itself on this machine, as in `chancery init`: an admin without limits.
    pub fn local(name: &str) -> Self {
        Self {
            id: "local".to_owned(),
            name: name.to_owned(),
            role: Role::Admin,
            issuers: Scope::All,
            profiles: Scope::All,
        }
    }

    /// How the caller appears in the audit log.
    pub(crate) fn actor(&self) -> String {
        format!("{} ({})", self.name, self.id)
    }

    /// Whether it sees things of others.
    pub(crate) fn sees_everything(&self) -> bool {
        self.role != Role::Requester
    }

    pub(crate) fn may_use_issuer(&self, issuer: &IssuerEntry) -> bool {
        self.issuers.contains(&issuer.name) || self.issuers.contains(&issuer.id.to_string())
    }
}

/// Marks of what a permit is for.
pub(crate) mod action {
    /// To issue or renew a certificate.
    #[derive(Debug)]
    pub(crate) enum Issue {}
    /// To revoke a certificate or release a hold.
    #[derive(Debug)]
    pub(crate) enum Revoke {}
    /// To publish a CRL.
    #[derive(Debug)]
    pub(crate) enum Publish {}
    /// To make, change or roll over issuers.
    #[derive(Debug)]
    pub(crate) enum ManageIssuers {}
    /// To change profiles.
    #[derive(Debug)]
    pub(crate) enum ManageProfiles {}
    /// To make and revoke API tokens.
    #[derive(Debug)]
    pub(crate) enum ManageTokens {}
    /// To accept a clock that was set back.
    #[derive(Debug)]
    pub(crate) enum AcceptClock {}
}

/// Proof that somebody may do `A`.
#[derive(Debug)]
pub(crate) struct Permit<A> {
    actor: String,
    action: PhantomData<fn() -> A>,
}

impl<A> Permit<A> {
    fn for_actor(actor: String) -> Self {
        Self {
            actor,
            action: PhantomData,
        }
    }

    /// Who, for the audit log.
    pub(crate) fn actor(&self) -> &str {
        &self.actor
    }
}

impl Permit<action::ManageIssuers> {
    /// Whoever manages issuers may have their certificates made.
    pub(crate) fn to_issue(&self) -> Permit<action::Issue> {
        Permit::for_actor(self.actor.clone())
    }
}

/// The authority's own duties need permits too: renewing responders, publishing on schedule, revoking orphans.
pub(crate) fn of_duty<A>(duty: &str) -> Permit<A> {
    Permit::for_actor(format!("chancery ({duty})"))
}

/// May the caller have a certificate of this profile from this issuer? Authorities and responders only by an admin.
pub(crate) fn to_issue(
    principal: &Principal,
    issuer: &IssuerEntry,
    profile: &pki::profile::Profile,
) -> Result<Permit<action::Issue>> {
    let speaks_for_ca = profile.is_authority() || profile.ocsp_no_check;
    let is_role_fit = match principal.role {
        Role::Admin => true,
        Role::Operator | Role::Requester => !speaks_for_ca,
        Role::Auditor => false,
    };
    if !is_role_fit {
        let message = format!(
            "the role {} may not issue certificates of the profile {}",
            principal.role, profile.name
        );
        return Err(Error::forbidden("role_insufficient", message));
    }
    in_scope(principal, issuer, &profile.name)?;
    Ok(Permit::for_actor(principal.actor()))
}

/// May the caller revoke, hold or release a certificate of this owner?
pub(crate) fn to_revoke(
    principal: &Principal,
    issuer: &IssuerEntry,
    profile: &str,
    owner: &str,
) -> Result<Permit<action::Revoke>> {
    match principal.role {
        Role::Admin | Role::Operator => {}
        Role::Requester if principal.name == owner => {}
        Role::Requester => {
            return Err(Error::forbidden(
                "not_yours",
                "the certificate belongs to another requester",
            ));
        }
        Role::Auditor => {
            return Err(Error::forbidden(
                "role_insufficient",
                "the role auditor changes nothing",
            ));
        }
    }
    in_scope(principal, issuer, profile)?;
    Ok(Permit::for_actor(principal.actor()))
}

/// May the caller publish a CRL of this issuer?
pub(crate) fn to_publish(principal: &Principal, issuer: &IssuerEntry) -> Result<Permit<action::Publish>> {
    only(principal, &[Role::Admin, Role::Operator])?;
    if principal.may_use_issuer(issuer) {
        Ok(Permit::for_actor(principal.actor()))
    } else {
        Err(out_of_scope("issuer", &issuer.name))
    }
}

/// May the caller make, change and roll over issuers?
pub(crate) fn to_manage_issuers(principal: &Principal) -> Result<Permit<action::ManageIssuers>> {
    of_admin(principal)
}

/// May the caller change profiles?
pub(crate) fn to_manage_profiles(principal: &Principal) -> Result<Permit<action::ManageProfiles>> {
    of_admin(principal)
}

/// May the caller make and revoke API tokens?
pub(crate) fn to_manage_tokens(principal: &Principal) -> Result<Permit<action::ManageTokens>> {
    of_admin(principal)
}

/// May the caller accept the clock as it is?
pub(crate) fn to_accept_clock(principal: &Principal) -> Result<Permit<action::AcceptClock>> {
    of_admin(principal)
}

/// May the caller read the audit log?
pub(crate) fn check_reads_audit(principal: &Principal) -> Result<()> {
    only(principal, &[Role::Admin, Role::Auditor])
}

/// May the caller look at keys, tokens and the state of the machine?
pub(crate) fn check_reads_system(principal: &Principal) -> Result<()> {
    only(principal, &[Role::Admin, Role::Operator, Role::Auditor])
}

/// Who may list API tokens: those who make them and those who check on them.
pub(crate) fn check_reads_tokens(principal: &Principal) -> Result<()> {
    only(principal, &[Role::Admin, Role::Auditor])
}

/// An admin limited to some issuers or profiles may not widen its limits by managing them.
fn of_admin<A>(principal: &Principal) -> Result<Permit<A>> {
    only(principal, &[Role::Admin])?;
    if principal.issuers != Scope::All || principal.profiles != Scope::All {
        return Err(Error::forbidden(
            "scope_insufficient",
            "only an admin without scopes may do this",
        ));
    }
    Ok(Permit::for_actor(principal.actor()))
}

fn only(principal: &Principal, roles: &[Role]) -> Result<()> {
    if roles.contains(&principal.role) {
        return Ok(());
    }
    let names: Vec<String> = roles.iter().map(ToString::to_string).collect();
    let message = format!(
        "the role {} may not do this; it takes {}",
        principal.role,
        names.join(" or ")
    );
    Err(Error::forbidden("role_insufficient", message))
}

fn in_scope(principal: &Principal, issuer: &IssuerEntry, profile: &str) -> Result<()> {
    if !principal.may_use_issuer(issuer) {
        return Err(out_of_scope("issuer", &issuer.name));
    }
    if !principal.profiles.contains(profile) {
        return Err(out_of_scope("profile", profile));
    }
    Ok(())
}

fn out_of_scope(what: &str, name: &str) -> Error {
    Error::forbidden(
        "scope_insufficient",
        format!("the {what} {name} is not within the scope of the token"),
    )
}
