//! `[audit]`: the checkpoints of the audit log, its files, where its entries are sent, and who witnesses it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::witness::{Cosigner, Witness};

/// `[audit]`
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Audit {
    /// Seconds an entry may wait for a signed checkpoint.
    pub(crate) checkpoint_seconds: u32,
    /// Where the log is written out as files.
    pub(crate) folder: PathBuf,
    /// The token that its key is made in.
    pub(crate) token: Option<String>,
    /// Where its entries are sent. Not written when there are none, so that a section can be added to what `init` wrote.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) exports: Vec<Export>,
    /// Who cosigns its checkpoints.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) witnesses: Vec<Cosigner>,
    /// What makes this server a witness of other logs.
    pub(crate) witness: Option<Witness>,
}

/// `[[audit.exports]]`
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Export {
    /// The name by which it goes on where it was.
    pub(crate) name: String,
    /// What it is.
    pub(crate) kind: ExportKind,
    /// Of a file.
    pub(crate) path: Option<PathBuf>,
    /// Of a syslog server.
    pub(crate) address: Option<String>,
    /// Of a webhook.
    pub(crate) url: Option<String>,
    /// Authorities (PEM) that may certify the other side.
    pub(crate) tls_roots: Option<PathBuf>,
    /// Certificate, chain and key (PEM) that the syslog server knows this server by.
    pub(crate) tls_identity: Option<PathBuf>,
    /// The file with the secret that signs what is posted.
    pub(crate) secret_file: Option<PathBuf>,
}

/// Kinds of exports.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ExportKind {
    /// Lines of a file.
    File,
    /// RFC 5424 by TLS.
    Syslog,
    /// Posted to a web address.
    Webhook,
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            checkpoint_seconds: 5,
            folder: "audit-log".into(),
            token: None,
            exports: Vec::new(),
            witnesses: Vec::new(),
            witness: None,
        }
    }
}

impl Audit {
    /// What is wrong, each with its key.
    pub(super) fn problems(&self) -> Vec<(String, String)> {
        let mut problems: Vec<(String, String)> = self
            .own_problems()
            .into_iter()
            .map(|(key, what)| (key, what.to_owned()))
            .collect();
        problems.extend(Cosigner::problems(&self.witnesses));
        problems.extend(self.witness.iter().flat_map(Witness::problems));
        problems
    }

    fn own_problems(&self) -> Vec<(String, &'static str)> {
        let mut problems = Vec::new();
        if !(1..=3600).contains(&self.checkpoint_seconds) {
            problems.push(("audit.checkpoint_seconds".to_owned(), "1 to 3600"));
        }
        if self.folder.as_os_str().is_empty() {
            problems.push(("audit.folder".to_owned(), "the path of a folder"));
        }
        for (place, export) in self.exports.iter().enumerate() {
            let before = self.exports.iter().take(place);
            let is_twice = before.clone().any(|other| other.name == export.name);
            let mut found = export.problems();
            if is_twice {
                found.push(("name", "another export has this name"));
            }
            problems.extend(
                found
                    .into_iter()
                    .map(|(key, what)| (format!("audit.exports[{}].{key}", export.name), what)),
            );
        }
        problems
    }
}

impl Export {
    fn problems(&self) -> Vec<(&'static str, &'static str)> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let (file, syslog, webhook) = (
            self.kind == ExportKind::File,
            self.kind == ExportKind::Syslog,
            self.kind == ExportKind::Webhook,
        );
        let is_plain = self.url.as_deref().is_some_and(is_plain_loopback);
        let is_https = self.url.as_deref().is_some_and(|url| url.starts_with("https://"));
        let checks = [
            (
                self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(is_name),
                "name",
                "1 to 64 letters, digits, -, _ and .",
            ),
            (
                file != self.path.is_some(),
                "path",
                "belongs to a file, and a file needs it",
            ),
            (
                syslog != self.address.is_some(),
                "address",
                "belongs to a syslog server, which needs it",
            ),
            (
                webhook != self.url.is_some(),
                "url",
                "belongs to a webhook, which needs it",
            ),
            (
                webhook && self.url.is_some() && !is_https && !is_plain,
                "url",
                "begins with https://, or with http:// and a loopback address",
            ),
            (
                (syslog || is_https) != self.tls_roots.is_some(),
                "tls_roots",
                "is what makes TLS safe: name the authorities of the syslog server or the webhook",
            ),
            (
                self.tls_identity.is_some() && !syslog,
                "tls_identity",
                "belongs to a syslog server",
            ),
            (
                webhook != self.secret_file.is_some(),
                "secret_file",
                "belongs to a webhook, which needs it",
            ),
        ];
        let wrong = checks.into_iter().filter(|(is_wrong, ..)| *is_wrong);
        wrong.map(|(_, key, what)| (key, what)).collect()
    }
}

/// `http://` to an address of this machine.
pub(super) fn is_plain_loopback(url: &str) -> bool {
    let rest = url.strip_prefix("http://").unwrap_or_default();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let with_port = authority.parse::<SocketAddr>().map(|address| address.ip());
    let address = with_port.or_else(|_| authority.trim_matches(['[', ']']).parse::<IpAddr>());
    address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test that meets something unexpected should stop there"
    )]

    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let audit: Audit = toml::from_str(text).unwrap();
        let found = audit.problems();
        found.iter().map(|(key, what)| format!("{key}: {what}")).collect()
    }

    fn of(rest: &str) -> Vec<String> {
        let found = problems(&format!("[[exports]]\nname = \"a\"\n{rest}"));
        let key = |problem: &String| {
            let key = problem.split(':').next().unwrap();
            key.trim_start_matches("audit.exports[a].").to_owned()
        };
        found.iter().map(key).collect()
    }

    #[test]
    fn what_does_not_go_together_is_told() {
        let none: [&str; 0] = [];
        assert_eq!(problems(""), none);
        assert_eq!(
            problems("checkpoint_seconds = 0"),
            ["audit.checkpoint_seconds: 1 to 3600"]
        );
        assert_eq!(problems("folder = \"\""), ["audit.folder: the path of a folder"]);
        assert_eq!(of("kind = \"file\"\npath = \"x\""), none);
        assert_eq!(of("kind = \"file\""), ["path"]);
        assert_eq!(
            of("kind = \"file\"\npath = \"x\"\ntls_identity = \"x\""),
            ["tls_identity"]
        );
        assert_eq!(
            of("kind = \"syslog\"\naddress = \"siem:6514\"\ntls_roots = \"x\""),
            none
        );
        assert_eq!(
            of("kind = \"syslog\"\npath = \"x\""),
            ["path", "address", "tls_roots"]
        );
        let webhook = |rest: &str| of(&format!("kind = \"webhook\"\nsecret_file = \"s\"\n{rest}"));
        assert_eq!(webhook("url = \"https://siem/\"\ntls_roots = \"x\""), none);
        assert_eq!(webhook("url = \"https://siem/\""), ["tls_roots"]);
        assert_eq!(webhook("url = \"http://127.0.0.1:8000/\""), none);
        assert_eq!(webhook("url = \"http://siem/\""), ["url"]);
        assert_eq!(webhook("url = \"http://127.0.0.1@siem/\""), ["url"]);
        assert_eq!(of("kind = \"webhook\"\nurl = \"http://[::1]/\""), ["secret_file"]);
        let two = "[[exports]]\nname = \"a\"\nkind = \"file\"\npath = \"x\"\n".repeat(2);
        assert_eq!(
            problems(&two),
            ["audit.exports[a].name: another export has this name"]
        );
        let odd = problems("[[exports]]\nname = \"a b\"\nkind = \"file\"\npath = \"x\"");
        assert_eq!(
            odd,
            ["audit.exports[a b].name: 1 to 64 letters, digits, -, _ and ."]
        );
    }
}
