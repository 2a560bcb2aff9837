//! Handing the files to servers on this host.

use kit::{Bundle, Options, Receipt};
use pki::Certificate;

use super::Run;
use super::disk::Found;
use crate::config::{CertificateSettings, Deployment};
use crate::export;
use crate::failure::Failure;
use crate::report::Done;
use crate::write::Watch;

impl Run<'_> {
    /// Every server of the file takes what is on disk. A failure is an error only under `hooks.strict`; the others are handed to all the
    /// same, and the next run tries again.
    pub(super) async fn deploy(&mut self) -> Result<(), Failure> {
        self.deploy_with(Options::default()).await
    }

    async fn deploy_with(&mut self, options: Options) -> Result<(), Failure> {
        let settings = self.task.settings;
        let mut failed = None;
        self.state.is_undeployed = false;
        for deployment in &settings.deploy {
            let done = hand_to(deployment, settings, &self.found, options, &mut self.watch).await;
            match done {
                Ok(receipt) => tracing::info!(
                    target = deployment.kind,
                    applied = receipt.applied,
                    verified = receipt.verified,
                    "deployed"
                ),
                Err(failure) if settings.hooks.strict => {
                    tracing::error!(reason = failure.told(), "not deployed");
                    self.state.is_undeployed = true;
                    failed.get_or_insert(failure);
                }
                Err(failure) => {
                    self.state.is_undeployed = true;
                    self.warn(&format!(
                        "not deployed, and tried again by the next run: {}",
                        failure.told()
                    ));
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// What a server did not take before is handed over again. Nothing needs it of a file that names no server any more.
    pub(super) async fn deploy_again(&mut self) -> Result<(), Failure> {
        if !self.state.is_undeployed {
            return Ok(());
        }
        let is_there = self.found.leaf().is_some() && self.found.key.is_some();
        if self.task.settings.deploy.is_empty() || !is_there {
            self.state.is_undeployed = false;
            return self.save();
        }
        // A server that was not told before is told now, even where its files are what they should be.
        let options = Options {
            always_apply: true,
            ..Options::default()
        };
        let done = self.deploy_with(options).await;
        self.save()?;
        done?;
        if !self.state.is_undeployed {
            self.report.action = Done::Deployed;
        }
        Ok(())
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
