//! From `[[audit.witnesses]]` to what asks, and from `[audit.witness]` to what is asked.

use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use ca::{WitnessKey, WitnessSettings};
use jobs::AuditWitness;

use crate::config::{Config, Cosigner};

/// Those who cosign the audit log, each ready to be asked.
pub(crate) fn audit_witnesses(config: &Config) -> Result<Vec<Arc<AuditWitness>>> {
    let make = |one: &Cosigner| -> Result<_> {
        let key = one.key().map_err(|what| anyhow!("key: {what}"))?;
        let read = |path| {
            let path = config.path(path);
            std::fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))
        };
        let roots = one.tls_roots.as_deref().map(read).transpose()?;
        let made = AuditWitness::new(key, &one.url, roots.as_deref()).map_err(|error| anyhow!(error))?;
        Ok(Arc::new(made))
    };
    let all = config.audit.witnesses.iter().zip(1..);
    all.map(|(one, place)| make(one).with_context(|| format!("audit.witnesses[{place}]")))
        .collect()
}

/// What makes this server a witness of other logs; nothing when it is none.
pub(crate) fn witness(config: &Config) -> Result<Option<WitnessSettings>> {
    let Some(own) = &config.audit.witness else {
        return Ok(None);
    };
    Ok(Some(WitnessSettings {
        name: own.name.clone(),
        key_file: config.path(&own.key_file),
        folder: config.path(&own.folder),
        logs: own.keys().map_err(|what| anyhow!("audit.witness.logs: {what}"))?,
    }))
}

/// Whether the key of the witness can be used, when it is there; nothing is made.
pub(crate) fn check_witness(config: &Config) -> Result<()> {
    match witness(config)? {
        Some(own) if own.key_file.exists() => {
            WitnessKey::open(&own.name, &own.key_file).context("audit.witness.key_file")?;
            Ok(())
        }
        _ => Ok(()),
    }
}
