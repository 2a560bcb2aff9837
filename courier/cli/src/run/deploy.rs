//! Handing the files to servers on this host.

use kit::{Bundle, Options, Receipt};
use pki::Certificate;

use super::Run;
use super::disk::Found;
use crate::config::{CertificateSettings, Deployment};
use crate::export;
use crate::failure::Failure;
use crate::write::Watch;

impl Run<'_> {
    /// Every server of the file takes what is on disk. A failure is an error only under `hooks.strict`; the others are handed to all the
    /// same.
    pub(super) async fn deploy(&mut self) -> Result<(), Failure> {
        let settings = self.task.settings;
        let mut failed = None;
        for deployment in &settings.deploy {
            let done = hand_to(
                deployment,
                settings,
                &self.found,
                Options::default(),
                &mut self.watch,
            )
            .await;
            match done {
                Ok(receipt) => tracing::info!(
                    target = deployment.kind,
                    applied = receipt.applied,
                    verified = receipt.verified,
                    "deployed"
                ),
                Err(failure) if settings.hooks.strict => {
                    tracing::error!(reason = failure.told(), "not deployed");
                    failed.get_or_insert(failure);
                }
                Err(failure) => self.warn(&format!("not deployed: {}", failure.told())),
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

/// One server takes what was found on disk.
pub async fn hand_to(
    deployment: &Deployment,
    settings: &CertificateSettings,
    found: &Found,
    options: Options,
    watch: &mut impl Watch,
) -> Result<Receipt, Failure> {
    let bundle = bundle(settings, found)?;
    let done = match deployment.target.plan(&bundle) {
        Ok(plan) => kit::deploy(&plan, options, watch).await,
        Err(fault) => Err(fault),
    };
    done.map_err(|fault| Failure::Deploy {
        kind: deployment.kind.clone(),
        fault,
    })
}

fn bundle(settings: &CertificateSettings, found: &Found) -> Result<Bundle, Failure> {
    let (Some(leaf), Some(key)) = (found.leaf(), &found.key) else {
        return Err(Failure::Usage(
            "there is no certificate with its key on disk".to_owned(),
        ));
    };
    let above: Vec<Certificate> = found.chain.iter().skip(1).cloned().collect();
    let names = leaf.subject_alt_names().unwrap_or_default();
    Ok(Bundle {
        leaf_pem: leaf.pem(),
        chain_pem: export::pem_of(&above),
        key_pem: key.to_text(settings.key.passphrase.as_ref())?,
        fingerprint_sha256: leaf.fingerprint_sha256(),
        server_name: names.iter().find_map(|name| match name {
            pki::SubjectAltName::Dns(name) if !name.starts_with('*') => Some(name.clone()),
            _ => None,
        }),
    })
}
