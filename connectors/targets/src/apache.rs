//! Apache httpd: `SSLCertificateFile` takes the chain since 2.4.8; with `SSLCertificateChainFile` it would be sent twice, so that a chain
//! with a file of its own is left out of the certificate's.

use std::path::PathBuf;

use kit::probe::StartTls;
use kit::{Bundle, Fault, Field, HostTarget, Kind, Plan, Problem, kind};
use serde_json::Value;

use crate::pair::{CERT_MODE, GROUP, KEY_MODE, OWNER, PROBE, Pair, Usual};

const USUAL: Usual = Usual {
    cert_path: "/etc/apache2/ssl/cert.pem",
    key_path: "/etc/apache2/ssl/key.pem",
    reload_command: &["apachectl", "graceful"],
    validate_command: &["apachectl", "configtest"],
    start_tls: StartTls::None,
    keeps_chain: false,
    reads_by_itself: false,
};

const FIELDS: &[Field] = &[
    Field {
        name: "cert_path",
        default: "`/etc/apache2/ssl/cert.pem`",
        meaning: "Certificate and chain.",
    },
    Field {
        name: "key_path",
        default: "`/etc/apache2/ssl/key.pem`",
        meaning: "The key.",
    },
    Field {
        name: "chain_path",
        default: "",
        meaning: "The chain alone, for `SSLCertificateChainFile`; then it is left out of `cert_path`.",
    },
    Field {
        name: "reload_command",
        default: "`apachectl graceful`",
        meaning: "How the server takes the new files.",
    },
    Field {
        name: "validate_command",
        default: "`apachectl configtest`",
        meaning: "Whether it would start with them; run before the reload.",
    },
    OWNER,
    GROUP,
    CERT_MODE,
    KEY_MODE,
    PROBE,
];

pub(crate) static KIND: Kind = Kind {
    name: "apache",
    summary: "Apache httpd with mod_ssl.",
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
