//! Dovecot: certificate and key are read when the configuration is (`ssl_cert = <…`), so that the check reads the new files as well.

use std::path::PathBuf;

use kit::probe::StartTls;
use kit::{Bundle, Fault, Field, HostTarget, Kind, Plan, Problem, kind};
use serde_json::Value;

use crate::pair::{CERT_MODE, GROUP, KEY_MODE, OWNER, PROBE, Pair, Usual};

const USUAL: Usual = Usual {
    cert_path: "/etc/dovecot/certs/cert.pem",
    key_path: "/etc/dovecot/certs/key.pem",
    reload_command: &["doveadm", "reload"],
    validate_command: &["doveconf", "-n"],
    start_tls: StartTls::None,
    keeps_chain: false,
    reads_by_itself: false,
};

const FIELDS: &[Field] = &[
    Field {
        name: "cert_path",
        default: "`/etc/dovecot/certs/cert.pem`",
        meaning: "Certificate and chain.",
    },
    Field {
        name: "key_path",
        default: "`/etc/dovecot/certs/key.pem`",
        meaning: "The key.",
    },
    Field {
        name: "chain_path",
        default: "",
        meaning: "The chain alone; then it is left out of `cert_path`.",
    },
    Field {
        name: "reload_command",
        default: "`doveadm reload`",
        meaning: "How the server takes the new files.",
    },
    Field {
        name: "validate_command",
        default: "`doveconf -n`",
        meaning: "Whether it would start with them; run before the reload.",
    },
    OWNER,
    GROUP,
    CERT_MODE,
    KEY_MODE,
    PROBE,
];

pub(crate) static KIND: Kind = Kind {
    name: "dovecot",
    summary: "Dovecot, IMAP and POP3.",
    fields: FIELDS,
    build,
};

#[derive(Debug)]
struct Target(Pair);

fn build(settings: Value) -> Result<Box<dyn HostTarget>, Vec<Problem>> {
    let pair: Pair = kind::settings(FIELDS, settings)?;
    USUAL.check(&pair)?;
    Ok(Box::new(Target(pair)))
}

impl HostTarget for Target {
    fn plan(&self, bundle: &Bundle) -> Result<Plan, Fault> {
        USUAL.plan(&self.0, bundle)
    }

    fn paths(&self) -> Vec<PathBuf> {
        USUAL.paths(&self.0).into_iter().map(|(_, path)| path).collect()
    }
}
