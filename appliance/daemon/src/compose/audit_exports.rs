//! From `[[audit.exports]]` to what sends: the files of secrets and certificates are read here.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use jobs::{AuditExport, Destination};
use secrecy::SecretString;
use token::PinSource;

use crate::config::{Config, Export, ExportKind};

/// The exports, each ready to send.
pub(crate) fn audit_exports(config: &Config) -> Result<Vec<Arc<AuditExport>>> {
    let make = |export: &Export| -> Result<_> {
        let destination = destination(config, export)?;
        let made = AuditExport::new(&export.name, destination).map_err(|error| anyhow!(error))?;
        Ok(Arc::new(made))
    };
    let exports = config.audit.exports.iter();
    exports
        .map(|export| make(export).with_context(|| format!("audit.exports[{}]", export.name)))
        .collect()
}

fn destination(config: &Config, export: &Export) -> Result<Destination> {
    let read = |path: &PathBuf| {
        let path = config.path(path);
        std::fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))
    };
    let roots = export.tls_roots.as_ref().map(read).transpose()?;
    let missing = |key: &str| anyhow!("{key} is missing");
    Ok(match export.kind {
        ExportKind::File => Destination::File {
            path: config.path(export.path.as_ref().ok_or_else(|| missing("path"))?),
        },
        ExportKind::Syslog => {
            let identity = export.tls_identity.as_ref().map(read).transpose()?;
            let identity = identity.map(String::from_utf8).transpose();
            Destination::Syslog {
                address: export.address.clone().ok_or_else(|| missing("address"))?,
                roots: roots.ok_or_else(|| missing("tls_roots"))?,
                identity: identity
                    .context("tls_identity is not PEM")?
                    .map(SecretString::from),
            }
        }
        ExportKind::Webhook => {
            let file = export
                .secret_file
                .as_ref()
                .ok_or_else(|| missing("secret_file"))?;
            let secret = PinSource::File(config.path(file)).read().context("secret_file")?;
            Destination::Webhook {
                url: export.url.clone().ok_or_else(|| missing("url"))?,
                roots,
                secret: secret.ok_or_else(|| missing("secret_file"))?,
            }
        }
    })
}
