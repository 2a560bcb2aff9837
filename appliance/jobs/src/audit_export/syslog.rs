//! Messages of RFC 5424 by TLS as RFC 5425 has it.
//!
//! Syslog has no receipts. So each page has a connection of its own, and counts as sent when the server, told that it ends
//! (close_notify), ends it too: it has read all of it by then.

use std::io::ErrorKind;
use std::sync::Arc;

use ca::AuditLine;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use secrecy::SecretString;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::tls;

/// Facility `log audit` (13), severity `informational` (6): RFC 5424 §6.2.1.
const PRIORITY: u8 = 13 * 8 + 6;
/// Longest MSGID (RFC 5424 §6).
const MAX_MESSAGE_ID: usize = 32;

#[derive(Debug)]
pub(super) struct SyslogExport {
    address: String,
    name: ServerName<'static>,
    tls: Arc<ClientConfig>,
    host: String,
}

impl SyslogExport {
    pub(super) fn new(address: &str, roots: &[u8], identity: Option<&SecretString>) -> Result<Self, String> {
        let (name, _) = address.rsplit_once(':').ok_or("address: host and port")?;
        let name = name.trim_matches(['[', ']']).to_owned();
        Ok(Self {
            address: address.to_owned(),
            name: ServerName::try_from(name).map_err(|error| format!("address: {error}"))?,
            tls: tls::config(roots, identity)?,
            host: host(),
        })
    }

    pub(super) async fn send(&self, lines: &[AuditLine]) -> Result<(), String> {
        let said = |error: std::io::Error| format!("{}: {error}", self.address);
        let stream = TcpStream::connect(&self.address).await.map_err(said)?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let mut stream = connector.connect(self.name.clone(), stream).await.map_err(said)?;
        stream.write_all(&frames(lines, &self.host)).await.map_err(said)?;
        stream.shutdown().await.map_err(said)?;
        let mut rest = Vec::new();
        match stream.read_to_end(&mut rest).await {
            Ok(_) => Ok(()),
            // It closed without saying so in TLS, after it had read the end: as good.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(()),
            Err(error) => Err(said(error)),
        }
    }
}

/// The messages, each with its length before it (RFC 5425 §4.3).
fn frames(lines: &[AuditLine], host: &str) -> Vec<u8> {
    let mut frames = Vec::new();
    for line in lines {
        let message = message(line, host);
        frames.extend_from_slice(message.len().to_string().as_bytes());
        frames.push(b' ');
        frames.extend_from_slice(message.as_bytes());
    }
    frames
}

/// A message (RFC 5424 §6): the action is its MSGID, what it says is the line.
fn message(line: &AuditLine, host: &str) -> String {
    let id: String = line
        .action
        .chars()
        .filter(char::is_ascii_graphic)
        .take(MAX_MESSAGE_ID)
        .collect();
    let id = if id.is_empty() { "-" } else { &id };
    format!(
        "<{PRIORITY}>1 {:.3} {host} chancery {} {id} - {}",
        line.at,
        std::process::id(),
        line.json
    )
}

/// The name of this machine, `-` where it has none that can be sent.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String = name.chars().filter(char::is_ascii_graphic).take(255).collect();
    if name.is_empty() { "-".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    #[test]
    fn a_message_is_of_rfc_5424_and_has_its_length_before_it() {
        let line = |action: &str| AuditLine {
            seq: 7,
            at: "2030-01-01T12:00:00.5Z".parse().unwrap(),
            action: action.to_owned(),
            json: "{\"ü\":7}".to_owned(),
        };
        let pid = std::process::id();
        let expected =
            format!("<110>1 2030-01-01T12:00:00.500Z host chancery {pid} certificate.issue - {{\"ü\":7}}");
        assert_eq!(message(&line("certificate.issue"), "host"), expected);
        let frames = String::from_utf8(frames(&[line("certificate.issue")], "host")).unwrap();
        assert_eq!(frames, format!("{} {expected}", expected.len()));
        assert!(message(&line(""), "host").contains(" - - {"));
        assert!(message(&line("a b\u{7}ü"), "host").contains(" ab - {"));
        assert!(!host().is_empty());
    }

    #[test]
    fn what_cannot_be_is_told() {
        let refused = |address: &str, roots: &[u8]| SyslogExport::new(address, roots, None).unwrap_err();
        assert!(refused("siem", b"").starts_with("address"));
        assert!(refused("si em:6514", b"").starts_with("address"));
        assert!(refused("siem:6514", b"").starts_with("tls_roots"));
    }
}
