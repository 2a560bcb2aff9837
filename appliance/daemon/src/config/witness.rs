//! `[[audit.witnesses]]`, who cosigns the audit log, and `[audit.witness]`, whose logs this server cosigns.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tlog::{KeyName, NoteKey, SignatureKind};

use super::audit::is_plain_loopback;

/// `[[audit.witnesses]]`
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cosigner {
    /// The prefix of its addresses: `/add-checkpoint` comes after it.
    pub(crate) url: String,
    /// Its verifier key.
    pub(crate) key: String,
    /// Authorities (PEM) that may certify it.
    pub(crate) tls_roots: Option<PathBuf>,
}

/// `[audit.witness]`
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Witness {
    /// Under which name it signs.
    pub(crate) name: String,
    /// The file of its key; made when it is not there.
    pub(crate) key_file: PathBuf,
    /// Where it keeps what it has seen.
    #[serde(default = "folder")]
    pub(crate) folder: PathBuf,
    /// The verifier keys of the logs it watches.
    pub(crate) logs: Vec<String>,
}

fn folder() -> PathBuf {
    "witness".into()
}

impl Cosigner {
    /// The verifier key, which [`Cosigner::problems`] has looked at.
    pub(crate) fn key(&self) -> Result<NoteKey, String> {
        let key: NoteKey = self.key.trim().parse().map_err(|fault| {
            format!(
                "{fault}: the line `<name>+<id>+<key>` that the witness is known by (`chancery audit witness-key`)"
            )
        })?;
        if is_cosigner(&key) {
            Ok(key)
        } else {
            Err("the key of a log; a witness prints its own with `chancery audit witness-key`".to_owned())
        }
    }

    /// What is wrong, each with its key.
    pub(super) fn problems(all: &[Self]) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let mut names = Vec::new();
        for (place, one) in all.iter().enumerate() {
            let mut problem = |key: &str, what: String| {
                problems.push((format!("audit.witnesses[{}].{key}", place + 1), what));
            };
            let is_https = one.url.starts_with("https://");
            if !is_https && !is_plain_loopback(&one.url) {
                problem(
                    "url",
                    "begins with https://, or with http:// and a loopback address".to_owned(),
                );
            }
            if is_https != one.tls_roots.is_some() {
                problem(
                    "tls_roots",
                    "is what makes TLS safe: name the authorities of the witness".to_owned(),
                );
            }
            match one.key() {
                Err(what) => problem("key", what),
                Ok(key) if names.contains(key.name()) => {
                    problem("key", "another witness has this name".to_owned());
                }
                Ok(key) => names.push(key.name().clone()),
            }
        }
        problems
    }
}

impl Witness {
    /// The verifier keys of the logs, which [`Witness::problems`] has looked at.
    pub(crate) fn keys(&self) -> Result<Vec<NoteKey>, String> {
        self.logs.iter().map(|text| log_key(text)).collect()
    }

    /// What is wrong, each with its key.
    pub(super) fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let mut problem = |key: &str, what: &str| {
            problems.push((format!("audit.witness.{key}"), what.to_owned()));
        };
        if let Err(fault) = KeyName::new(&self.name) {
            problem("name", &fault.to_string());
        }
        if self.key_file.as_os_str().is_empty() {
            problem("key_file", "the path of a file; it is made when it is not there");
        }
        if self.folder.as_os_str().is_empty() {
            problem("folder", "the path of a folder");
        }
        let mut known = Vec::new();
        for text in &self.logs {
            match log_key(text) {
                Err(what) => problem("logs", &what),
                Ok(key) if known.contains(&key) => problem("logs", &format!("{key} stands there twice")),
                Ok(key) => known.push(key),
            }
        }
        if self.logs.is_empty() {
            problem(
                "logs",
                "at least one verifier key: what `chancery audit key` prints on the server whose log it is",
            );
        }
        problems
    }
}

fn log_key(text: &str) -> Result<NoteKey, String> {
    let key: NoteKey = text
        .trim()
        .parse()
        .map_err(|fault| format!("{text:?} is no verifier key ({fault}): `chancery audit key` prints one"))?;
    if is_cosigner(&key) {
        Err(format!("{text:?} is the key of a witness, not of a log"))
    } else {
        Ok(key)
    }
}

fn is_cosigner(key: &NoteKey) -> bool {
    matches!(
        key.kind(),
        SignatureKind::Cosignature | SignatureKind::EcdsaCosignature
    )
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test that meets something unexpected should stop there"
    )]

    use super::super::Audit;

    const WITNESS: &str = include_str!("../../../../protocols/tlog/testdata/note/cosignature.vkey");
    const LOG: &str = include_str!("../../../../protocols/tlog/testdata/note/p256.vkey");

    fn problems(text: &str) -> Vec<String> {
        let audit: Audit = toml::from_str(text).unwrap();
        let found = audit.problems();
        found.iter().map(|(key, what)| format!("{key}: {what}")).collect()
    }

    fn cosigner(url: &str, key: &str, rest: &str) -> String {
        format!(
            "[[witnesses]]\nurl = \"{url}\"\nkey = \"{}\"\n{rest}\n",
            key.trim()
        )
    }

    #[test]
    fn a_witness_that_cannot_be_asked_safely_is_told() {
        let none: [&str; 0] = [];
        let roots = "tls_roots = \"x\"";
        assert_eq!(problems(&cosigner("https://w/", WITNESS, roots)), none);
        assert_eq!(problems(&cosigner("http://127.0.0.1:1/w", WITNESS, "")), none);
        let only = |text: &str, begins: &str| {
            let found = problems(text);
            assert!(found.len() == 1 && found[0].starts_with(begins), "{found:?}");
        };
        only(
            &cosigner("https://w/", WITNESS, ""),
            "audit.witnesses[1].tls_roots: ",
        );
        only(&cosigner("http://w/", WITNESS, ""), "audit.witnesses[1].url: ");
        only(&cosigner("ftp://w/", WITNESS, ""), "audit.witnesses[1].url: ");
        only(
            &cosigner("https://w/", "w+1+x", roots),
            "audit.witnesses[1].key: malformed verifier key",
        );
        only(
            &cosigner("https://w/", LOG, roots),
            "audit.witnesses[1].key: the key of a log",
        );
        only(
            &cosigner("https://w/", WITNESS, roots).repeat(2),
            "audit.witnesses[2].key: another witness has this name",
        );
    }

    #[test]
    fn a_witness_without_a_name_or_a_log_is_told() {
        let of = |name: &str, logs: &str| {
            problems(&format!(
                "[witness]\nname = \"{name}\"\nkey_file = \"k\"\nlogs = [{logs}]\n"
            ))
        };
        let log = format!("\"{}\"", LOG.trim());
        let none: [&str; 0] = [];
        assert_eq!(of("witness.example", &log), none);
        for (name, logs, begins) in [
            ("a b", log.clone(), "audit.witness.name: "),
            ("w", String::new(), "audit.witness.logs: at least one"),
            (
                "w",
                "\"x\"".to_owned(),
                "audit.witness.logs: \"x\" is no verifier key",
            ),
            ("w", format!("{log}, {log}"), "audit.witness.logs: "),
            ("w", format!("\"{}\"", WITNESS.trim()), "audit.witness.logs: "),
        ] {
            let found = of(name, &logs);
            assert!(found.len() == 1 && found[0].starts_with(begins), "{found:?}");
        }
        let odd = problems(&format!(
            "[witness]\nname = \"w\"\nkey_file = \"\"\nfolder = \"\"\nlogs = [{log}]\n"
        ));
        assert_eq!(odd.len(), 2, "{odd:?}");
    }
}
