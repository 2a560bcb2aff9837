//! Who may do what. The only place that makes a [`Permit`], which every mutating use case needs.

use std::marker::PhantomData;

use crate::error::{Error, Result};
use crate::issuer::IssuerEntry;
use crate::principal::{Principal, Role, Scope};

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
    /// To make, change and end couriers, their credentials, domains and policies.
    #[derive(Debug)]
    pub(crate) enum ManageCouriers {}
    /// To approve or reject an order that waits.
    #[derive(Debug)]
    pub(crate) enum Approve {}
    /// To accept a clock that was set back.
    #[derive(Debug)]
    pub(crate) enum AcceptClock {}
    /// To remove what is old enough.
    #[derive(Debug)]
    pub(crate) enum Retain {}
    /// To begin the audit log anew.
    #[derive(Debug)]
    pub(crate) enum BeginAuditLogAnew {}
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

/// May the caller revoke, hold or release a certificate of this owner? Those of authorities and responders only as an
/// admin: whoever may not make one may not end one either.
pub(crate) fn to_revoke(
    principal: &Principal,
    issuer: &IssuerEntry,
    profile: &str,
    owner: &str,
    speaks_for_ca: bool,
) -> Result<Permit<action::Revoke>> {
    match principal.role {
        Role::Operator | Role::Requester if speaks_for_ca => {
            let message = format!(
                "the role {} may not revoke authorities and OCSP responders",
                principal.role
            );
            return Err(Error::forbidden("role_insufficient", message));
        }
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
    check_publishes(principal, issuer)?;
    Ok(Permit::for_actor(principal.actor()))
}

/// Who may have CRLs and OCSP answers of this issuer made.
pub(crate) fn check_publishes(principal: &Principal, issuer: &IssuerEntry) -> Result<()> {
    only(principal, &[Role::Admin, Role::Operator])?;
    if principal.may_use_issuer(issuer) {
        Ok(())
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

/// May the caller manage couriers, domains and policies?
pub(crate) fn to_manage_couriers(principal: &Principal) -> Result<Permit<action::ManageCouriers>> {
    of_admin(principal)
}

/// May the caller approve or reject what waits for somebody's approval?
pub(crate) fn to_approve(principal: &Principal) -> Result<Permit<action::Approve>> {
    only(principal, &[Role::Admin, Role::Operator])?;
    Ok(Permit::for_actor(principal.actor()))
}

/// Who may look at couriers, their orders, domains and policies.
pub(crate) fn check_reads_couriers(principal: &Principal) -> Result<()> {
    only(principal, &[Role::Admin, Role::Operator, Role::Auditor])
}

/// May the caller accept the clock as it is?
pub(crate) fn to_accept_clock(principal: &Principal) -> Result<Permit<action::AcceptClock>> {
    of_admin(principal)
}

/// May the caller begin the audit log anew?
pub(crate) fn to_begin_audit_log_anew(principal: &Principal) -> Result<Permit<action::BeginAuditLogAnew>> {
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
