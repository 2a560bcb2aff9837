//! Asking the appliance how the certificate stands: at most once a day when there is nothing else to do.

use courier_wire::{Fingerprints, Report as Heartbeat, Statuses};

use super::Run;
use crate::decide::Standing;
use crate::failure::Failure;
use crate::report::hexadecimal;

impl Run<'_> {
    /// Asks, and remembers the answer. That the appliance cannot be reached is a warning: what is on disk works without it.
    pub(super) async fn ask(&mut self) -> Result<(), Failure> {
        match self.ask_now().await {
            Err(failure) if failure.exit_code() == 4 => {
                self.warn(&format!(
                    "the appliance could not be asked how the certificate stands: {}",
                    failure.told()
                ));
                Ok(())
            }
            done => done,
        }
    }

    async fn ask_now(&mut self) -> Result<(), Failure> {
        let courier = self.task.site.courier().await?;
        // What its server has not taken is not installed.
        let late = self.state.unacknowledged.clone();
        if let Some(late) = late.filter(|_| !self.state.is_undeployed) {
            let told = match serde_json::from_value(late.report) {
                Ok(report) => courier.acknowledge(late.order, &report).await,
                // Another version wrote it: there is nothing to tell.
                Err(_) => Ok(()),
            };
            match told {
                Ok(()) => self.state.unacknowledged = None,
                // The order is past being told anything.
                Err(crate::client::Fault::Refused(refusal)) if refusal.status < 500 => {
                    self.state.unacknowledged = None;
                }
                Err(fault) => return Err(fault.into()),
            }
        }
        let Some(leaf) = self.found.leaf() else {
            return self.save();
        };
        let fingerprint = hexadecimal(&leaf.fingerprint_sha256());
        let asked = Fingerprints {
            fingerprints_sha256: vec![fingerprint.clone()],
        };
        let told: Statuses = courier.certificates_status(&asked).await?;
        let told = told
            .certificates
            .into_iter()
            .find(|one| one.fingerprint_sha256.eq_ignore_ascii_case(&fingerprint));
        self.state.standing = match told.as_ref().map(|one| one.status.as_str()) {
            Some("revoked") => Standing::Revoked,
            Some("superseded") => Standing::Superseded,
            Some("active" | "expired") => Standing::Good,
            _ => Standing::Unknown,
        };
        self.state.window = told
            .and_then(|one| one.renewal)
            .map(|renewal| (renewal.suggested_window.start, renewal.suggested_window.end));
        self.state.checked_at = Some(self.now());
        if self.state.share.is_none() {
            self.state.share = Some(random());
        }
        self.save()?;
        let beat = Heartbeat {
            last_run_at: Some(self.now()),
            failures: self.state.failures,
            ..Heartbeat::default()
        };
        if let Err(fault) = self.task.site.courier().await?.report(&beat).await {
            tracing::debug!(%fault, "the appliance took no report");
        }
        Ok(())
    }
}

/// A random number; the middle when there is none.
pub(super) fn random() -> u32 {
    let mut octets = [0x7f; 4];
    let drawn = aws_lc_rs::rand::fill(&mut octets);
    drawn.map_or(u32::MAX / 2, |()| u32::from_le_bytes(octets))
}
