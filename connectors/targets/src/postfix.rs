//! Postfix: every new server process reads the files by itself, also between two renames. `pem_path` puts key, certificate and chain into
//! one file (`smtpd_tls_chain_files`), which is replaced at once; with files of their own a process that starts in between finds a
//! certificate and another's key.

use std::path::PathBuf;

use kit::probe::StartTls;
use kit::{Bundle, Fault, Field, HostTarget, Kind, Plan, Problem, kind};
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::pair::{CERT_MODE, GROUP, KEY_MODE, OWNER, PROBE, Pair, Usual};

const USUAL: Usual = Usual {
    cert_path: "/etc/postfix/certs/cert.pem",
    key_path: "/etc/postfix/certs/key.pem",
    reload_command: &["postfix", "reload"],
    validate_command: &["postfix", "check"],
    start_tls: StartTls::Smtp,
    keeps_chain: false,
    reads_by_itself: true,
};

const FIELDS: &[Field] = &[
    Field {
        name: "pem_path",
        default: "",
        meaning: "Key, certificate and chain in one file, for `smtpd_tls_chain_files`; replaces the three paths below.",
    },
    Field {
        name: "cert_path",
        default: "`/etc/postfix/certs/cert.pem`",
        meaning: "Certificate and chain.",
    },
    Field {
        name: "key_path",
        default: "`/etc/postfix/certs/key.pem`",
        meaning: "The key.",
    },
    Field {
        name: "chain_path",
        default: "",
        meaning: "The chain alone; then it is left out of `cert_path`.",
    },
    Field {
        name: "reload_command",
        default: "`postfix reload`",
        meaning: "How the server takes the new files.",
    },
    Field {
        name: "validate_command",
        default: "`postfix check`",
        meaning: "Whether it would start with them; run before the reload.",
    },
    OWNER,
    GROUP,
    CERT_MODE,
    KEY_MODE,
    PROBE,
];

pub(crate) static KIND: Kind = Kind {
    name: "postfix",
    summary: "Postfix, SMTP.",
    fields: FIELDS,
    build,
};

#[derive(Debug, Deserialize)]
struct Target {
    pem_path: Option<PathBuf>,
    #[serde(flatten)]
    pair: Pair,
}

fn build(settings: Value) -> Result<Box<dyn HostTarget>, Vec<Problem>> {
    let target: Target = kind::settings(FIELDS, settings)?;
    let pair = &target.pair;
    USUAL.check(pair)?;
    if let Some(path) = &target.pem_path {
        kind::check_paths(&[("pem_path", path.clone())])?;
    }
    let has_paths = pair.cert_path.is_some() || pair.key_path.is_some() || pair.chain_path.is_some();
    if target.pem_path.is_some() && has_paths {
        return Err(vec![kind::problem(
            "pem_path",
            "replaces `cert_path`, `key_path` and `chain_path`",
        )]);
    }
    Ok(Box::new(target))
}

impl HostTarget for Target {
    fn plan(&self, bundle: &Bundle) -> Result<Plan, Fault> {
        let Some(path) = &self.pem_path else {
            return USUAL.plan(&self.pair, bundle);
        };
        let text = Zeroizing::new(format!("{}{}", bundle.key_pem.as_str(), bundle.fullchain_pem()));
        let file = self.pair.ownership.secret(path, &text)?;
        USUAL.around(&self.pair, bundle, vec![file])
    }

    fn paths(&self) -> Vec<PathBuf> {
        match &self.pem_path {
            Some(path) => vec![path.clone()],
            None => USUAL
                .paths(&self.pair)
                .into_iter()
                .map(|(_, path)| path)
                .collect(),
        }
    }

    fn joins_key(&self) -> bool {
        self.pem_path.is_some()
    }
}
