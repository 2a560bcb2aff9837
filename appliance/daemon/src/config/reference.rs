//! The reference of both configuration files, as Markdown.
//!
//! Keys and defaults come from the types, by writing the defaults as TOML; the texts stand here and in `signing.rs`, and a
//! test fails when a key has none or a text has no key.

use std::fmt;

use toml::Value;

use super::{Config, signing};

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
        "api.plain",
        "Plain HTTP in place of TLS, for a reverse proxy on the same machine that does TLS; wants `api.listen` on a loopback address.",
    ),
    (
        "api.names",
        "Names and addresses in the server's own certificate.",
    ),
    (
        "api.issuer",
        "The CA that issues the server's own certificate, by name; the only one that comes into question when left out. A certificate of another CA of the store, or of one that is revoked, is replaced.",
    ),
    (
        "metrics.listen",
        "Address and port of the plain-HTTP listener for Prometheus.",
    ),
    (
        "store.url",
        "`sqlite:` and the path of the database file, or the address of a PostgreSQL database that several servers may share: \
         `postgres://user@host/database`, several hosts with commas between, `postgres:///database?host=/run/postgresql&user=user` \
         for a Unix socket.",
    ),
    (
        "store.connections",
        "Most connections to the database that read at the same time; one more writes, and with PostgreSQL three more follow the other servers.",
    ),
    (
        "store.max_pages",
        "Most pages of 4096 octets an SQLite database may have; no limit of its own when left out.",
    ),
    (
        "store.password_file",
        "The file whose first line is the password for PostgreSQL; only its owner and group may read it.",
    ),
    (
        "store.password_credential",
        "The systemd credential that is the password for PostgreSQL (`LoadCredential=`).",
    ),
    (
        "store.tls_roots",
        "Authorities (PEM) that may certify the PostgreSQL server. Without it there is no TLS, which is for a database on the same \
         machine alone.",
    ),
    (
        "store.tls_identity",
        "Certificate, chain and key (PEM, in one file) that PostgreSQL knows this server by, in place of a password or with it.",
    ),
    (
        "store.lag_seconds",
        "For PostgreSQL: seconds that this server may be without word of what other servers change. After that `/readyz` says that it is \
         behind, and it signs no OCSP answer that says `good` or `unknown`: a certificate may have been revoked elsewhere. It cannot know \
         whether it is the only server; where it is, more is safe.",
    ),
    (
        "keys.blocklists",
        "Files of keys that must not be certified, in the form of Debian's `openssl-blacklist`; a few that are widely known are built in.",
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
    ("log.level", "A filter such as `info` or `info,front=debug`."),
    (
        "audit.checkpoint_seconds",
        "Seconds an entry of the audit log may wait for a signed checkpoint; also how often the log is looked after.",
    ),
    (
        "audit.folder",
        "Where the audit log is written out as files: `checkpoint`, `tile/…`. Everybody may read them but the entries.",
    ),
    (
        "audit.token",
        "The token that the key of the audit log is made in, by its name in `signerd.toml`; the one of the first CA when left out.",
    ),
    (
        "audit.exports",
        "Where entries of the audit log are sent, each a section `[[audit.exports]]`.",
    ),
    (
        "audit.exports[].name",
        "The name by which it goes on where it was; letters, digits, `-`, `_`, `.`.",
    ),
    (
        "audit.exports[].kind",
        "`file`, `syslog` (RFC 5424 by TLS) or `webhook`.",
    ),
    (
        "audit.exports[].path",
        "Of a file: its path. It is made anew after it was renamed or removed.",
    ),
    ("audit.exports[].address", "Of a syslog server: host and port."),
    (
        "audit.exports[].url",
        "Of a webhook: its address, `https://…`; plain `http` only to a loopback address.",
    ),
    (
        "audit.exports[].tls_roots",
        "Authorities (PEM) that may certify the syslog server or the webhook.",
    ),
    (
        "audit.exports[].tls_identity",
        "Certificate, chain and key (PEM, in one file) that the syslog server knows this server by.",
    ),
    (
        "audit.exports[].secret_file",
        "The file whose first line is the secret that signs what is posted; only its owner and group may read it.",
    ),
    (
        "audit.witnesses",
        "Who cosigns the checkpoints of the audit log (c2sp.org/tlog-witness), each a section `[[audit.witnesses]]`.",
    ),
    (
        "audit.witnesses[].url",
        "The prefix of the witness's addresses, `https://…`; plain `http` only to a loopback address. Of another Chancery: its API and \
         `/audit/witness`.",
    ),
    (
        "audit.witnesses[].key",
        "Its verifier key: what `chancery audit witness-key` prints there. Its name is that of the witness in messages and metrics.",
    ),
    (
        "audit.witnesses[].tls_roots",
        "Authorities (PEM) that may certify the witness.",
    ),
    (
        "audit.witness",
        "Makes this server a witness of other logs, at `/audit/witness` of its API; without it there is nothing at that address.",
    ),
    (
        "audit.witness.name",
        "The name it signs under, such as `witness.example`: no spaces and no `+`.",
    ),
    (
        "audit.witness.key_file",
        "The file of its key (Ed25519, PKCS#8 in PEM), made when it is not there. It is in no backup: a witness that was restored is another.",
    ),
    (
        "audit.witness.folder",
        "Where it keeps what it has seen, a file for each log; `witness` in the state folder when left out.",
    ),
    (
        "audit.witness.logs",
        "The verifier keys of the logs it watches: what `chancery audit key` prints on their servers.",
    ),
    (
        "ocsp.sign_ahead",
        "Whether OCSP answers about what is revoked are signed before anybody asks, every hour those that will be due. Without it \
         they are signed at the first question: for an HSM that is slow, or paid for by the signature.",
    ),
    (
        "ocsp.on_demand",
        "Most OCSP answers that are being signed for somebody who waits: for a nonce, or because nobody asked before. Who comes \
         after is told `tryLater` at once.",
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
        "retention.certificate_days",
        "Days a certificate is kept after its end, at least: it goes with the other ones of its month, after they were written into \
         the archive. 0 keeps all for ever.",
    ),
    (
        "retention.order_days",
        "Days an order is kept that was refused or failed; one that was issued goes with its certificate. 0 keeps all for ever.",
    ),
    (
        "retention.archive",
        "The folder into which ended certificates are written, a file of JSON lines for each month; below the state folder unless \
         absolute.",
    ),
    (
        "couriers.identity",
        "How the appliance calls itself towards couriers: the audience of the tokens that they show. `public.base_url` when left out.",
    ),
    (
        "couriers.session_minutes",
        "Minutes that the session of a courier lasts; a run of a courier takes seconds and ends it.",
    ),
    (
        "couriers.attempts_per_courier",
        "Attempts to sign in per minute, courier and address (IPv6: per network of 64 bits), over all servers.",
    ),
    (
        "couriers.attempts_per_address",
        "Attempts to sign in per minute and address (IPv6: per network of 64 bits), over all servers.",
    ),
    (
        "couriers.acknowledge_within_minutes",
        "Minutes within which a courier says that a certificate is in use; later that raises the alarm `issued_not_installed`.",
    ),
    (
        "couriers.silent_after_hours",
        "Hours that a courier may not be seen before that raises the alarm `silent_courier`; 26 at least, as one with nothing to do asks \
         once a day.",
    ),
    (
        "couriers.client_certificates",
        "Whether clients of the API are asked for a certificate, so that couriers may show theirs on the connection (`auth.mutual_tls`). Nobody \
         has to have one; browsers may ask their users.",
    ),
    (
        "couriers.fetch_keys",
        "Whether the keys of issuers are fetched where a credential says so (OpenID Connect Discovery, key sets, SPIFFE bundle endpoints). \
         `false` where nobody may be asked: then only credentials with keys of their own let anybody in.",
    ),
    (
        "couriers.sts_endpoints",
        "Addresses of the security token service of AWS, as `https://sts.eu-central-1.amazonaws.com/`, to which the requests are sent with \
         which couriers show who they are in AWS (`auth.token_source: caller_identity`). None by default; `couriers.tls_roots` verifies them.",
    ),
    (
        "couriers.tls_roots",
        "Authorities (PEM) that may certify those issuers, for example `/etc/ssl/certs/ca-certificates.crt`. Without it only this machine \
         itself is asked.",
    ),
    (
        "limits.connections",
        "Connections at the same time, for each listener.",
    ),
    (
        "limits.connections_per_address",
        "Connections at the same time from one address (of IPv6 its /64 network), for each listener; a further one takes \
         the place of one on which nothing goes on, or is closed. Behind a reverse proxy all come from its address.",
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
pub(super) const OPTIONAL: &[&str] = &[
    "api.issuer",
    "couriers.identity",
    "couriers.tls_roots",
    "store.max_pages",
    "store.password_file",
    "store.password_credential",
    "store.tls_roots",
    "store.tls_identity",
    "signer.program",
    "audit.token",
    "audit.exports",
    "audit.exports[].name",
    "audit.exports[].kind",
    "audit.exports[].path",
    "audit.exports[].address",
    "audit.exports[].url",
    "audit.exports[].tls_roots",
    "audit.exports[].tls_identity",
    "audit.exports[].secret_file",
    "audit.witnesses",
    "audit.witnesses[].url",
    "audit.witnesses[].key",
    "audit.witnesses[].tls_roots",
    "audit.witness",
    "audit.witness.name",
    "audit.witness.key_file",
    "audit.witness.folder",
    "audit.witness.logs",
];

/// Keys of `chancery.toml` that SIGHUP changes; the others want a new start.
pub(crate) const CHANGES_AT_RUN_TIME: &[&str] = &["api.names", "api.issuer", "log.level"];

/// Prints the reference.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reference;

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "# Configuration\n\n\
             Two files belong to the machine; both are made by `chancery init` and checked by `chancery config check`. An unknown\n\
             key is an error that names the nearest one; every other problem is told with the path of its key. A running server\n\
             reads `chancery.toml` again when it gets SIGHUP (`systemctl reload chancery`): a file with any problem changes\n\
             nothing, and keys that want a new start are named in the log.\n\n\
             This page is printed by `chancery config reference`.\n\n\
             ## chancery.toml: the server\n\n\
             | Key | Default | Changes with SIGHUP | Meaning |\n|---|---|---|---|\n",
        )?;
        let defaults = Value::try_from(Config::new()).map_err(|_| fmt::Error)?;
        for (key, text) in TEXTS {
            let at_run_time = if CHANGES_AT_RUN_TIME.contains(key) {
                "yes"
            } else {
                "no"
            };
            writeln!(
                f,
                "| `{key}` | {} | {at_run_time} | {text} |",
                default(&defaults, key)
            )?;
        }
        f.write_str(
            "\n## signerd.toml: the signing process\n\n\
             Read when `chancery-signerd` starts. Relative paths begin in the folder of the file.\n\n\
             | Key | Default | Meaning |\n|---|---|---|\n",
        )?;
        let defaults = Value::try_from(token::Config::default()).map_err(|_| fmt::Error)?;
        for (key, text) in signing::TEXTS {
            writeln!(f, "| `{key}` | {} | {text} |", default(&defaults, key))?;
        }
        Ok(())
    }
}

impl Reference {
    /// The same for machines: a list of keys, each with its file, its default (null for none) and its meaning.
    pub(crate) fn keys() -> serde_json::Value {
        let server = Value::try_from(Config::new()).ok();
        let signing = Value::try_from(token::Config::default()).ok();
        let row = |file: &str, defaults: &Option<Value>, (key, text): &(&str, &str)| {
            let default = defaults.as_ref().and_then(|defaults| at(defaults, key));
            serde_json::json!({
                "file": file, "key": key, "default": default, "meaning": text,
                "changes_with_sighup": CHANGES_AT_RUN_TIME.contains(key),
            })
        };
        let server = TEXTS.iter().map(|key| row("chancery.toml", &server, key));
        let signing = signing::TEXTS
            .iter()
            .map(|key| row("signerd.toml", &signing, key));
        server.chain(signing).collect()
    }
}

fn default(defaults: &Value, key: &str) -> String {
    at(defaults, key).map_or_else(|| "none".to_owned(), |value| format!("`{value}`"))
}

fn at<'a>(defaults: &'a Value, key: &str) -> Option<&'a Value> {
    key.split('.').try_fold(defaults, |value, part| value.get(part))
}
