//! The part of `init` that needs the authority: CAs, the server's own certificate, the first admin token.

use std::path::Path;

use anyhow::{Context as _, Result};
use ca::{Authority, CreateIssuing, CreateRoot, NewApiToken, Principal, Role, Scope};
use secrecy::ExposeSecret as _;

use super::{Args, Steps};
use crate::config::Config;
use crate::files::{self, Readers};
use crate::tls_files::TlsFiles;

/// The name of the root.
pub(super) const ROOT: &str = "root";
/// The name of the issuing CA.
pub(super) const ISSUING: &str = "issuing";

/// The root and the issuing CA, each with its CRL and its OCSP responder.
pub(super) async fn set_up(
    args: &Args,
    token: &str,
    steps: Steps,
    authority: &Authority,
    by: &Principal,
) -> Result<()> {
    if authority.issuer(ROOT).is_ok() {
        steps.done("root", "is there");
    } else {
        let (subject, key_algorithm) = args.root();
        let root = CreateRoot {
            name: ROOT.to_owned(),
            subject: subject.to_owned(),
            key_algorithm,
            signature_algorithm: None,
            token: token.to_owned(),
            validity: None,
            profile: None,
            crl: ca::CrlPlan::default(),
        };
        let root = authority
            .create_root(by, root)
            .await
            .with_context(|| making("root", token))?;
        steps.done(
            "root",
            &format!(
                "made: {}, {}, key in {}",
                root.subject, root.key_algorithm, root.token
            ),
        );
    }
    if authority.issuer(ISSUING).is_ok() {
        steps.done("issuing CA", "is there");
        return Ok(());
    }
    let (subject, key_algorithm) = args.issuing();
    let issuing = CreateIssuing {
        name: ISSUING.to_owned(),
        parent: ROOT.to_owned(),
        subject: subject.to_owned(),
        key_algorithm,
        signature_algorithm: None,
        token: token.to_owned(),
        validity: None,
        profile: None,
        crl: ca::CrlPlan::default(),
    };
    let issuing = authority
        .create_issuing(by, issuing)
        .await
        .with_context(|| making("issuing CA", token))?;
    steps.done(
        "issuing CA",
        &format!(
            "made: {}, {}, key in {}",
            issuing.subject, issuing.key_algorithm, issuing.token
        ),
    );
    Ok(())
}

fn making(what: &str, token: &str) -> String {
    format!("making the {what} with its key in the token `{token}`")
}

/// The key of the audit log, and its first checkpoint.
pub(super) async fn audit_key(token: &str, steps: Steps, authority: &Authority) -> Result<()> {
    let made = authority.make_audit_log(Some(token)).await;
    let key = made.context("making the key of the audit log")?;
    authority
        .tend_audit_log_now()
        .await
        .context("signing the audit log")?;
    let how = key.map_or_else(
        || "is made by another server".to_owned(),
        |key| format!("signed; note its verifier key for auditors: {key}"),
    );
    steps.done("audit log", &how);
    Ok(())
}

/// The server's own certificate.
pub(super) async fn server_certificate(steps: Steps, config: &Config, authority: &Authority) -> Result<()> {
    let renewed = TlsFiles::new(config)
        .renew(&config.api, authority)
        .await
        .with_context(|| of_which(config, authority))?;
    let how = match &config.api.issuer {
        Some(name) if renewed => format!("issued by `{name}`"),
        None if renewed => "issued by the issuing CA".to_owned(),
        _ => "is there".to_owned(),
    };
    steps.done("server's own TLS", &how);
    Ok(())
}

/// What to say where it cannot be issued.
fn of_which(config: &Config, authority: &Authority) -> String {
    let named = config.api.issuer.as_deref();
    let named = named.and_then(|name| authority.issuer(name).ok());
    named.map_or_else(
        || "the server's own certificate".to_owned(),
        |issuer| {
            format!(
                "the server's own certificate is to come from the CA `{}`, whose key is in the token `{}`: bring the keys into the token, or \
                 set `api.issuer` to a CA whose key is at hand",
                issuer.name, issuer.token
            )
        },
    )
}

/// The roots, for clients of the API.
pub(super) fn bundle(steps: Steps, config: &Config, authority: &Authority) -> Result<()> {
    TlsFiles::new(config).write_roots(authority)?;
    steps.done("roots", "written to ca-bundle.pem");
    Ok(())
}

/// The first token for the API.
pub(super) async fn admin_token(
    steps: Steps,
    config: &Config,
    authority: &Authority,
    by: &Principal,
) -> Result<()> {
    let file = config.path(Path::new("admin.token"));
    let known = std::fs::read_to_string(&file).ok();
    if let Some(known) = &known
        && authority
            .authenticate(known.trim())
            .is_ok_and(|bearer| bearer.role == Role::Admin)
    {
        steps.done("admin token", "is there");
        return Ok(());
    }
    let new = NewApiToken {
        name: "admin".to_owned(),
        role: Role::Admin,
        issuers: Scope::All,
        profiles: Scope::All,
        expires_at: None,
    };
    let made = authority.create_api_token(by, new).await?;
    files::write(
        &file,
        format!("{}\n", made.secret.expose_secret()).as_bytes(),
        Readers::Owner,
    )?;
    let what = if known.is_some() {
        "made anew in admin.token: the old one was revoked or has ended"
    } else {
        "written to admin.token (only you may read it)"
    };
    steps.done("admin token", what);
    Ok(())
}
