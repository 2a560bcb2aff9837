//! The reference of the configuration, as Markdown.
//!
//! Keys and defaults come from the types, by writing the defaults as TOML; the texts stand here, and a test fails when a key
//! has none or a text has no key.

use std::fmt;

use toml::Value;

use super::Config;

/// Key and what it means.
pub(super) const TEXTS: &[(&str, &str)] = &[
    ("version", "The version of this format: 1."),
    (
        "state_dir",
        "Where the state is; other relative paths begin here. Relative to the folder of this file.",
    ),
    (
        "public.listen",
        "Address and port of the plain-HTTP listener for OCSP, CRLs and CA certificates.",
    ),
    (
        "public.base_url",
        "What the addresses in certificates begin with; it must last as long as they do. Begins with `http://`.",
    ),
    (
        "api.listen",
        "Address and port of the TLS listener of the REST API.",
    ),
    (
        "api.names",
        "Names and addresses in the server's own certificate.",
    ),
    (
        "api.issuer",
        "The CA that issues the server's own certificate, by name; the only one that comes into question when left out.",
    ),
    (
        "metrics.listen",
        "Address and port of the plain-HTTP listener for Prometheus.",
    ),
    ("store.url", "`sqlite:` and the path of the database file."),
    (
        "store.max_pages",
        "Most pages of 4096 octets the database may have; no limit of its own when left out.",
    ),
    (
        "signer.mode",
        "`spawn`: the server starts and supervises the signing process; `connect`: somebody else does; `in-process`: no process of its own.",
    ),
    (
        "signer.config",
        "The configuration of the signing process, for `spawn` and `in-process`.",
    ),
    (
        "signer.socket",
        "The socket of the signing process, for `spawn` and `connect`.",
    ),
    (
        "signer.program",
        "The program `chancery-signerd`, for `spawn`; beside `chancery` when left out.",
    ),
    ("log.format", "`text` or `json`."),
    (
        "log.level",
        "A filter such as `info` or `info,front=debug`. Changes with SIGHUP.",
    ),
    ("lifetimes.crl_hours", "Hours a CRL is valid."),
    (
        "lifetimes.crl_interval_hours",
        "Hours after which the next CRL is made when nothing was revoked.",
    ),
    ("lifetimes.ocsp_hours", "Hours an OCSP answer is valid."),
    (
        "lifetimes.responder_days",
        "Days the certificate of an OCSP responder is valid; it is renewed after half of that.",
    ),
    (
        "limits.connections",
        "Connections at the same time, for each listener.",
    ),
    ("limits.api_body", "Octets of the body of an API request."),
    (
        "limits.header_seconds",
        "Seconds a client may take to send the head of a request.",
    ),
    (
        "limits.body_seconds",
        "Seconds a client may take to send the body of a request.",
    ),
    (
        "limits.drain_seconds",
        "Seconds that open connections may go on after the server was told to stop.",
    ),
];

/// Keys that are absent by default.
#[cfg(test)]
pub(super) const OPTIONAL: &[&str] = &["api.issuer", "store.max_pages", "signer.program"];

/// Prints the reference.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reference;

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Configuration\n")?;
        writeln!(
            f,
            "`chancery.toml`: what belongs to the machine. Made by `chancery init`, checked by `chancery config check`."
        )?;
        writeln!(
            f,
            "An unknown key is an error that names the nearest one. Printed by `chancery config reference`.\n"
        )?;
        writeln!(f, "| Key | Default | Meaning |\n|---|---|---|")?;
        let defaults = Value::try_from(Config::new()).map_err(|_| fmt::Error)?;
        for (key, text) in TEXTS {
            let default = key.split('.').try_fold(&defaults, |value, part| value.get(part));
            let default = default.map_or_else(|| "none".to_owned(), |value| format!("`{value}`"));
            writeln!(f, "| `{key}` | {default} | {text} |")?;
        }
        Ok(())
    }
}
