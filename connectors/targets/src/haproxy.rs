//! HAProxy: one file with certificate, chain and key in this order. With `stats_socket` the certificate is replaced in the memory of the
//! running process (`set ssl cert`, `commit ssl cert`), which ends no connection; the file is for the next start.

use std::path::PathBuf;

use kit::command::CommandLine;
use kit::probe::StartTls;
use kit::{Apply, Bundle, Fault, Field, HostTarget, Kind, Plan, Problem, kind};
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::pair::{GROUP, KEY_MODE, OWNER, Ownership, PROBE, ProbeSettings, Usual};

const RELOAD: &[&str] = &["systemctl", "reload", "haproxy"];
const PEM_PATH: &str = "/etc/haproxy/certs/site.pem";

const FIELDS: &[Field] = &[
    Field {
        name: "pem_path",
        default: "`/etc/haproxy/certs/site.pem`",
        meaning: "Certificate, chain and key in one file, as `crt` names it.",
    },
    Field {
        name: "stats_socket",
        default: "",
        meaning: "The runtime interface at level admin: the certificate is replaced there, without a reload.",
    },
    Field {
        name: "reload_command",
        default: "`systemctl reload haproxy`",
        meaning: "How the server takes the new file, without `stats_socket`.",
    },
    Field {
        name: "validate_command",
        default: "",
        meaning: "Whether it would start with it, as `haproxy -c -f /etc/haproxy/haproxy.cfg`; run before anything else is done.",
    },
    OWNER,
    GROUP,
    KEY_MODE,
    PROBE,
];

pub(crate) static KIND: Kind = Kind {
    name: "haproxy",
    summary: "HAProxy.",
    fields: FIELDS,
    build,
};

#[derive(Debug, Deserialize)]
struct Target {
    pem_path: Option<PathBuf>,
    stats_socket: Option<PathBuf>,
    reload_command: Option<CommandLine>,
    validate_command: Option<CommandLine>,
    #[serde(flatten)]
    ownership: Ownership,
    probe: Option<ProbeSettings>,
}

fn build(settings: Value) -> Result<Box<dyn HostTarget>, Vec<Problem>> {
    let target: Target = kind::settings(FIELDS, settings)?;
    target.ownership.check()?;
    ProbeSettings::check(target.probe.as_ref())?;
    kind::check_paths(&[("pem_path", target.pem_path())])?;
    Ok(Box::new(target))
}

impl Target {
    fn pem_path(&self) -> PathBuf {
        self.pem_path.clone().unwrap_or_else(|| PEM_PATH.into())
    }
}

impl HostTarget for Target {
    fn plan(&self, bundle: &Bundle) -> Result<Plan, Fault> {
        let path = self.pem_path();
        let text = Zeroizing::new(format!("{}{}", bundle.fullchain_pem(), bundle.key_pem.as_str()));
        let file = self.ownership.secret(&path, &text)?;
        let apply = match &self.stats_socket {
            Some(socket) => Apply::HaproxySocket {
                socket: socket.clone(),
                certificate: path,
            },
            None => Apply::Command(Usual::command(self.reload_command.as_ref(), RELOAD)?),
        };
        let probe = self.probe.as_ref();
        Ok(Plan {
            files: vec![file],
            check: self.validate_command.clone(),
            apply,
            reads_by_itself: false,
            probe: probe.map(|probe| probe.probe(bundle, StartTls::None)),
        })
    }

    fn paths(&self) -> Vec<PathBuf> {
        vec![self.pem_path()]
    }

    fn joins_key(&self) -> bool {
        true
    }
}
