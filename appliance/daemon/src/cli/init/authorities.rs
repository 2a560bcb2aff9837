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
        let root = CreateRoot {
            name: ROOT.to_owned(),
            subject: args.root_subject.clone(),
            key_algorithm: args.root_algorithm,
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
    let issuing = CreateIssuing {
        name: ISSUING.to_owned(),
        parent: ROOT.to_owned(),
        subject: args.issuing_subject.clone(),
        key_algorithm: args.issuing_algorithm,
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
        .context("the server's own certificate")?;
    let how = if renewed {
        "issued by the issuing CA"
    } else {
        "is there"
    };
    steps.done("server's own TLS", how);
    Ok(())
}

/// The roots, for clients of the API.
pub(super) fn bundle(steps: Steps, config: &Config, authority: &Authority) -> Result<()> {
    let roots: String = authority
        .issuers()
        .iter()
        .filter(|issuer| issuer.parent.is_none())
        .filter_map(|issuer| issuer.certificate.as_ref().map(pki::Certificate::pem))
        .collect();
    files::write(
        &config.path(Path::new("ca-bundle.pem")),
        roots.as_bytes(),
        Readers::All,
    )?;
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
