//! Sends the entries of the audit log to where they are collected: a file, a syslog server, a web address.
//!
//! Each export has a task of its own, so that one that hangs holds up no other, and nothing that writes entries. Where it has got
//! to is in the store and moves on only when what was sent has arrived as far as that can be known, so that after a failure
//! entries may come twice, and none is left out. Every entry has its number.

mod file;
mod syslog;
mod tls;
mod webhook;

use std::path::PathBuf;
use std::time::Duration;

use ca::{AuditLine, Authority};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use file::FileExport;
use syslog::SyslogExport;
use webhook::WebhookExport;

/// Entries that are sent together.
const PAGE: u32 = 500;
/// How often it is looked for new ones.
const INTERVAL: Duration = Duration::from_secs(1);
/// The longest pause after failures; it begins with two intervals and doubles.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// How long a page may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// Where entries go. Octets of certificates and keys are PEM.
#[derive(Debug)]
#[non_exhaustive]
pub enum Destination {
    /// A file, to which lines are appended; it is opened again when it was renamed or removed.
    File {
        /// Its path.
        path: PathBuf,
    },
    /// A syslog server (RFC 5424) by TLS (RFC 5425).
    Syslog {
        /// `host:port`.
        address: String,
        /// Who may certify it.
        roots: Vec<u8>,
        /// Certificate, chain and key it knows us by.
        identity: Option<SecretString>,
    },
    /// A web address that lines are posted to.
    Webhook {
        /// `https://…`.
        url: String,
        /// Who may certify it; for a loopback address without TLS nobody.
        roots: Option<Vec<u8>>,
        /// The secret of the signature (HMAC-SHA256).
        secret: SecretString,
    },
}

/// An export that can be run.
#[derive(Debug)]
pub struct AuditExport {
    name: String,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    File(FileExport),
    Syslog(Box<SyslogExport>),
    Webhook(Box<WebhookExport>),
}

impl AuditExport {
    /// An export by its name and destination; the text of an error is for the operator.
    pub fn new(name: &str, destination: Destination) -> Result<Self, String> {
        let sink = match destination {
            Destination::File { path } => Sink::File(FileExport::new(path)),
            Destination::Syslog {
                address,
                roots,
                identity,
            } => Sink::Syslog(Box::new(SyslogExport::new(&address, &roots, identity.as_ref())?)),
            Destination::Webhook { url, roots, secret } => {
                Sink::Webhook(Box::new(WebhookExport::new(&url, roots.as_deref(), secret)?))
            }
        };
        Ok(Self {
            name: name.to_owned(),
            sink,
        })
    }

    /// Sends new entries until it is told to end.
    pub(crate) async fn run(&self, authority: &Authority, cancel: &CancellationToken) {
        let mut failures = 0_u32;
        while !cancel.is_cancelled() {
            let outcome = tokio::select! {
                outcome = self.send_all(authority) => outcome,
                // What was under way may come twice.
                () = cancel.cancelled() => return,
            };
            failures = match outcome {
                Ok(()) => 0,
                Err(error) => {
                    if failures == 0 {
                        tracing::warn!(
                            export = self.name,
                            error,
                            "entries of the audit log cannot be exported"
                        );
                    }
                    failures.saturating_add(1)
                }
            };
            let pause = INTERVAL.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE);
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Sends page after page until there is nothing more.
    async fn send_all(&self, authority: &Authority) -> Result<(), String> {
        let said = |error: ca::Error| error.to_string();
        while let Some(page) = authority
            .audit_export_page(&self.name, PAGE)
            .await
            .map_err(said)?
        {
            let sent = tokio::time::timeout(DEADLINE, self.send(authority, &page.lines)).await;
            let sent = sent.unwrap_or_else(|_| Err("no answer in time".to_owned()));
            match sent {
                Ok(()) => authority.audit_exported(page).await.map_err(said)?,
                Err(why) => {
                    authority.audit_export_failed(page, &why).await;
                    return Err(why);
                }
            }
        }
        Ok(())
    }

    async fn send(&self, authority: &Authority, lines: &[AuditLine]) -> Result<(), String> {
        match &self.sink {
            Sink::File(file) => file.send(lines).await,
            Sink::Syslog(syslog) => syslog.send(lines).await,
            Sink::Webhook(webhook) => webhook.send(lines, authority.clock().now()).await,
        }
    }
}

/// Each entry as a line.
fn joined(lines: &[AuditLine]) -> String {
    let mut text = String::with_capacity(lines.iter().map(|line| line.json.len() + 1).sum());
    for line in lines {
        text.push_str(&line.json);
        text.push('\n');
    }
    text
}
