//! `chancery cert`: issue, list, show, renew, revoke, explain.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Subcommand;
use serde_json::Value;

use super::client::{Api, ApiFailure, escape, fields};
use super::{Output, Place, table};
use crate::cli::say::{say, say_part};
use crate::files::{self, Readers};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Issue a certificate from a CSR.
    #[command(after_help = "Example: chancery cert issue --profile tls-server host.csr --out host.pem")]
    Issue {
        /// PKCS#10 in PEM.
        csr: PathBuf,
        /// The profile.
        #[arg(long)]
        profile: String,
        /// The CA; may be left out when only one comes into question.
        #[arg(long)]
        ca: Option<String>,
        /// Days it shall live.
        #[arg(long)]
        validity_days: Option<u32>,
        /// Where the certificate and those above it are written; printed when left out.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// List certificates.
    #[command(
        after_help = "Example: chancery cert list --status valid --profile tls-server --name example.com"
    )]
    List {
        /// Of this CA.
        #[arg(long)]
        ca: Option<String>,
        /// Under this profile.
        #[arg(long)]
        profile: Option<String>,
        /// valid, revoked or expired.
        #[arg(long)]
        status: Option<String>,
        /// With this name, or this text in the subject.
        #[arg(long)]
        name: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// Show one certificate.
    #[command(after_help = "Example: chancery cert show 4f0c2a…")]
    Show {
        /// Identifier or serial.
        certificate: String,
    },
    /// Renew a certificate.
    #[command(after_help = "Example: chancery cert renew 4f0c2a… --csr host.csr --out host.pem")]
    Renew {
        /// Identifier or serial.
        certificate: String,
        /// PKCS#10 in PEM for a new key; the same key is certified again when left out.
        #[arg(long)]
        csr: Option<PathBuf>,
        /// Where the certificate and those above it are written; printed when left out.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Revoke a certificate, put it on hold, or release a hold.
    #[command(
        after_help = "Reasons: unspecified keyCompromise cACompromise affiliationChanged superseded \
        cessationOfOperation certificateHold removeFromCRL privilegeWithdrawn aACompromise\n\nExample: chancery cert revoke 4f0c2a… \
        --reason keyCompromise"
    )]
    Revoke {
        /// Identifier or serial.
        certificate: String,
        /// Why.
        #[arg(long, default_value = "unspecified", value_parser = REASONS, hide_possible_values = true)]
        reason: String,
    },
    /// Tell what became of an order, and why it was refused.
    #[command(after_help = "Example: chancery cert explain 0190c0de-0000-7000-8000-000000000000")]
    Explain {
        /// The order's identifier, as a refusal tells it, or a certificate's identifier or serial.
        order: String,
    },
}

/// The reasons of RFC 5280 §5.3.1.
const REASONS: [&str; 10] = [
    "unspecified",
    "keyCompromise",
    "cACompromise",
    "affiliationChanged",
    "superseded",
    "cessationOfOperation",
    "certificateHold",
    "removeFromCRL",
    "privilegeWithdrawn",
    "aACompromise",
];

pub(crate) async fn run(place: &Place, command: Command) -> Result<()> {
    let api = Api::new(place)?;
    match command {
        Command::Issue {
            csr,
            profile,
            ca,
            validity_days,
            out,
        } => {
            check_out(out.as_deref())?;
            let body = fields(&[
                ("csr_pem", Some(super::read(&csr)?.into())),
                ("profile", Some(profile.into())),
                ("issuer_id", ca.map(Into::into)),
                ("validity_days", validity_days.map(Into::into)),
            ]);
            hand_out(place, &api.post("/api/v1/certificates", &body).await?, out)
        }
        Command::List {
            ca,
            profile,
            status,
            name,
            limit,
        } => {
            let filters = [
                ("issuer", ca),
                ("profile", profile),
                ("status", status),
                ("name", name),
            ];
            list(place, &api, filters, limit).await
        }
        Command::Show { certificate } => {
            let path = format!("/api/v1/certificates/{}", escape(&certificate));
            match api.get(&path).await {
                Ok(found) => show(place, &found),
                Err(error) if is_never_recorded(&error) => never_recorded(place, &api, &certificate).await?,
                Err(error) => return Err(error),
            }
            Ok(())
        }
        Command::Renew {
            certificate,
            csr,
            out,
        } => {
            check_out(out.as_deref())?;
            let csr = csr.map(|csr| super::read(&csr)).transpose()?;
            let body = fields(&[("csr_pem", csr.map(Into::into))]);
            hand_out(
                place,
                &api.post(
                    &format!("/api/v1/certificates/{}/renew", escape(&certificate)),
                    &body,
                )
                .await?,
                out,
            )
        }
        Command::Revoke { certificate, reason } => revoke(place, &api, &certificate, reason).await,
        Command::Explain { order } => explain(place, &api, &order).await,
    }
}

fn is_never_recorded(error: &anyhow::Error) -> bool {
    let failure = error.downcast_ref::<ApiFailure>();
    failure.is_some_and(|failure| failure.code() == "certificate_never_recorded")
}

/// What is known of a serial that is revoked without a certificate.
async fn never_recorded(place: &Place, api: &Api, serial: &str) -> Result<()> {
    let found = api
        .get(&format!("/api/v1/never-recorded/{}", escape(serial)))
        .await?;
    let items = found.pointer("/items").and_then(Value::as_array);
    let rows = [
        ("Serial", "/serial"),
        ("Status", "/status"),
        ("Revoked at", "/revoked_at"),
        ("Reason", "/revocation_reason"),
        ("CA", "/issuer"),
        ("Would end", "/not_after"),
        ("Certificate", "/note"),
    ];
    for item in items.into_iter().flatten() {
        table::one(place.output, item, &rows);
    }
    if place.output == Output::Table {
        say!("What was noted of it: chancery audit tail --object {serial}");
    }
    Ok(())
}

async fn revoke(place: &Place, api: &Api, certificate: &str, reason: String) -> Result<()> {
    let body = fields(&[("reason", Some(reason.into()))]);
    let path = format!("/api/v1/certificates/{}/revoke", escape(certificate));
    let revoked = api.post(&path, &body).await?;
    let rows = [
        ("Serial", "/serial"),
        ("Status", "/status"),
        ("Reason", "/reason"),
        ("At", "/revoked_at"),
        ("Already", "/already"),
    ];
    table::one(place.output, &revoked, &rows);
    Ok(())
}

/// A page of certificates; a filter without a value is left out.
async fn list(place: &Place, api: &Api, filters: [(&str, Option<String>); 4], limit: u32) -> Result<()> {
    let mut path = format!("/api/v1/certificates?limit={limit}");
    for (key, value) in filters {
        if let Some(value) = value {
            for part in ["&", key, "=", &escape(&value)] {
                path.push_str(part);
            }
        }
    }
    let page = api.get(&path).await?;
    let columns = [
        ("SERIAL", "/serial"),
        ("STATUS", "/status"),
        ("PROFILE", "/profile"),
        ("SUBJECT", "/subject"),
        ("NAMES", "/names"),
        ("ENDS", "/not_after"),
    ];
    table::list(
        place.output,
        page.pointer("/items").unwrap_or(&Value::Null),
        &columns,
    );
    if place.output == Output::Table && page.get("next").is_some_and(Value::is_string) {
        say!("there are more: raise --limit, or narrow the list");
    }
    Ok(())
}

async fn explain(place: &Place, api: &Api, order: &str) -> Result<()> {
    // An identifier has hyphens, a serial has none.
    let order = if order.contains('-') {
        order.to_owned()
    } else {
        let certificate = api
            .get(&format!("/api/v1/certificates/{}", escape(order)))
            .await?;
        let id = certificate.get("id").and_then(Value::as_str);
        id.context("a certificate without an identifier")?.to_owned()
    };
    let order = api.get(&format!("/api/v1/orders/{}", escape(&order))).await?;
    let rows = [
        ("Order", "/id"),
        ("At", "/at"),
        ("By", "/requester"),
        ("Profile", "/profile"),
        ("Subject", "/subject"),
        ("Names", "/names"),
        ("State", "/state"),
        ("Code", "/code"),
        ("Why", "/message"),
        ("Details", "/details"),
        ("Certificate", "/certificate_id"),
    ];
    table::one(place.output, &order, &rows);
    Ok(())
}

/// Whether a file can be written, before something is ordered that would go into it.
fn check_out(out: Option<&std::path::Path>) -> Result<()> {
    out.map_or(Ok(()), |out| {
        files::check_writable(out).context("nothing was ordered")
    })
}

/// Writes or prints a new certificate with those above it.
fn hand_out(place: &Place, certificate: &Value, out: Option<PathBuf>) -> Result<()> {
    let part = |pointer: &str| {
        certificate
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let pem = format!("{}{}", part("/certificate_pem"), part("/chain_pem"));
    if let Some(out) = out {
        files::write(&out, pem.as_bytes(), Readers::All).with_context(|| {
            let id = part("/id");
            format!(
                "the certificate was issued but not written; fetch it: chancery cert show {id} --output json"
            )
        })?;
        show(place, certificate);
    } else if place.output == Output::Json {
        table::json(certificate);
    } else {
        say_part!("{pem}");
    }
    Ok(())
}

fn show(place: &Place, certificate: &Value) {
    if place.output == Output::Json {
        table::json(certificate);
        return;
    }
    let rows = [
        ("Identifier", "/id"),
        ("Status", "/status"),
        ("Revoked at", "/revoked_at"),
        ("Reason", "/revocation_reason"),
        ("Profile", "/profile"),
        ("CA", "/issuer"),
        ("Requester", "/requester"),
        ("Order", "/order_id"),
        ("Renews", "/replaces"),
    ];
    table::one(place.output, certificate, &rows);
    let pem = certificate
        .pointer("/certificate_pem")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if let Ok(certificate) = pki::Certificate::parse(pem.as_bytes()) {
        say_part!("{}", certificate.summary());
    }
}
