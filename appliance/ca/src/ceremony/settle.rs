//! After an interruption: what a step that was begun had done by then.
//!
//! Everything that is signed leaves an entry in the audit log in the transaction that records it, under the name of the step. What
//! was signed without being recorded was revoked when the authority was opened ([`crate::Recovery`]), and is in the log as well.

use std::collections::HashSet;

use pki::{Certificate, RevocationReason, Serial};
use uuid::Uuid;

use super::act::Task;
use super::output::{Output, Role};
use super::step::Step;
use crate::audit::{AuditRecord, OK};
use crate::authority::Authority;
use crate::certificates::{CertRef, CertificateStatus};
use crate::error::Result;
use crate::issuer::IssuerState;
use crate::principal::Principal;
use crate::revoke::RevokeRequest;

/// How a step that was broken off stands.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What it made, when it was done in truth.
    pub(super) outputs: Option<Vec<Output>>,
    /// Serials that may have been signed and are recorded nowhere.
    pub(super) orphans: Vec<Serial>,
    /// Certificates of a CA that did not come about.
    pub(super) abandoned: Vec<Output>,
    /// Labels of keys that were made and are not used.
    pub(super) unused_keys: Vec<String>,
}

impl Found {
    /// Whether there is something to tell.
    pub(super) fn is_worth_a_record(&self) -> bool {
        self.outputs.is_none()
            || !(self.orphans.is_empty() && self.abandoned.is_empty() && self.unused_keys.is_empty())
    }
}

impl Task<'_> {
    /// Looks at what happened since the audit entry before the step, and revokes what goes nowhere.
    pub(super) async fn settle(&self, authority: &Authority, since: i64) -> Result<Found> {
        let by = self.principal();
        let records = since_then(authority, &by, since).await?;
        let actor = by.actor();
        let own: Vec<&AuditRecord> = records
            .iter()
            .filter(|record| record.actor == actor && record.outcome == OK)
            .collect();
        let mut found = Found::default();
        for record in records
            .iter()
            .filter(|record| record.action == "certificate.orphan")
        {
            found.orphans.extend(record.object.parse::<Serial>().ok());
        }
        for record in own.iter().filter(|record| record.action == "issuer.begin") {
            let entry = record
                .object
                .parse::<Uuid>()
                .ok()
                .and_then(|id| authority.issuer(&id.to_string()).ok());
            match entry {
                Some(entry) if entry.state == IssuerState::Active => {
                    found.outputs = Some(self.outputs_of_ca(&entry)?);
                }
                _ => {
                    let label = record.details.get("label").and_then(serde_json::Value::as_str);
                    found.unused_keys.extend(label.map(str::to_owned));
                }
            }
        }
        match self.step {
            Step::RollOver(_) => self.settle_links(authority, &by, &own, &mut found).await?,
            Step::Crl(_) if own.iter().any(|record| record.action == "crl.publish") => {
                let id = self
                    .known
                    .issuer
                    .as_ref()
                    .map(|issuer| issuer.id)
                    .unwrap_or_default();
                if let Some(crl) = authority.current_crl(id) {
                    let der = crl.der().map_err(crate::Error::internal)?;
                    found.outputs = Some(self.output_of_crl(&der)?);
                }
            }
            _ => {}
        }
        if let Some(record) = own.iter().rfind(|record| record.action == "issuer.certify") {
            let certificate = certificate_of(authority, &by, record).await?;
            found.outputs = Some(self.output_of_certified(&certificate.1));
        }
        Ok(found)
    }

    /// Link certificates that do not belong to the generation that came about.
    async fn settle_links(
        &self,
        authority: &Authority,
        by: &Principal,
        own: &[&AuditRecord],
        found: &mut Found,
    ) -> Result<()> {
        let kept: HashSet<String> = found
            .outputs
            .iter()
            .flatten()
            .map(|output| output.sha256.clone())
            .collect();
        for record in own.iter().filter(|record| record.action == "issuer.link") {
            let (id, certificate, status) = certificate_of(authority, by, record).await?;
            let file = self.file("abandoned", ".pem");
            let output = Output::certificate(Role::NewWithOld, file, &certificate);
            if kept.contains(&output.sha256) {
                continue;
            }
            if status == CertificateStatus::Valid {
                let request = RevokeRequest {
                    certificate: CertRef::Id(id),
                    reason: RevocationReason::CessationOfOperation,
                    invalidity_date: None,
                };
                authority.revoke(by, request).await?;
            }
            found.abandoned.push(output);
        }
        Ok(())
    }
}

/// The audit log since an entry.
async fn since_then(authority: &Authority, by: &Principal, since: i64) -> Result<Vec<AuditRecord>> {
    let (mut records, mut last) = (Vec::new(), since);
    loop {
        let page = authority.audit_tail(by, last, 1000).await?;
        let Some(end) = page.last().map(|record| record.seq) else {
            return Ok(records);
        };
        last = end;
        records.extend(page);
    }
}

async fn certificate_of(
    authority: &Authority,
    by: &Principal,
    record: &AuditRecord,
) -> Result<(Uuid, Certificate, CertificateStatus)> {
    let id: Uuid = record.object.parse().map_err(crate::Error::internal)?;
    let entry = authority.certificate(by, CertRef::Id(id)).await?;
    let certificate = Certificate::from_der(&entry.der).map_err(crate::Error::internal)?;
    Ok((id, certificate, entry.status))
}
