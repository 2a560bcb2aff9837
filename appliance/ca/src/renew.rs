//! Renewing a certificate: the same profile, names and owner, a new validity, the same key or a new one.

use std::sync::Arc;
use std::time::Duration;

use pki::Certificate;
use pki::profile::Order;
use store::certificates::CertificateRow;

use crate::authority::Authority;
use crate::certificates::CertRef;
use crate::certify::{Certification, Prepared};
use crate::clock;
use crate::companion::Companion;
use crate::error::{Error, Refusal, Result};
use crate::issue::{Attempt, Issued};
use crate::issuer::{Issuer, IssuerEntry, IssuerState};
use crate::permit;
use crate::principal::Principal;

/// A renewal that is asked for.
#[derive(Clone, Debug)]
pub struct RenewRequest {
    /// The certificate.
    pub certificate: CertRef,
    /// A request for a new key, PEM or DER; the same key is certified again when absent.
    pub csr: Option<Vec<u8>>,
    /// How long the new certificate shall live; as long as the old one when absent.
    pub validity: Option<Duration>,
}

impl Authority {
    /// Renews a certificate. The old one stays valid until it ends or is revoked.
    pub async fn renew(&self, principal: &Principal, request: RenewRequest) -> Result<Issued> {
        let row = self.certificate_row(principal, request.certificate).await?;
        let mut attempt = Attempt {
            order_id: clock::new_id(),
            action: "certificate.renew",
            profile: row.profile.clone(),
            subject: row.subject.clone(),
            ..Attempt::default()
        };
        match self.admit_renewal(principal, &row, &request, &mut attempt) {
            Ok(prepared) => self.carry_out(prepared).await,
            Err(error) => Err(self.record_refusal(principal, attempt, error).await),
        }
    }

    fn admit_renewal(
        &self,
        principal: &Principal,
        row: &CertificateRow,
        request: &RenewRequest,
        attempt: &mut Attempt,
    ) -> Result<Prepared> {
        let issuer = self.issuer_of_renewal(row)?;
        attempt.issuer_id = Some(issuer.entry().id);
        let profile = self.profile_of_request(&row.profile)?;
        let permit = permit::to_issue(principal, &issuer.entry(), &profile)?;
        if row.revoked_at.is_some() {
            let message = "a revoked certificate is not renewed: ask for a new one";
            return Err(Refusal::of_policy("certificate_revoked", message).into());
        }
        let old = Certificate::from_der(&row.der).map_err(Error::internal)?;
        let is_own = |issuer: &Arc<IssuerEntry>| issuer.certificate.as_ref() == Some(&old);
        if let Some(own) = self.issuers().iter().find(|issuer| is_own(issuer)) {
            let message = format!(
                "this is the certificate of the CA {}: a CA is renewed by rollover",
                own.name
            );
            return Err(Refusal::of_requester("ca_needs_rollover", message).into());
        }
        let mut order = Order {
            subject: old.subject().clone(),
            names: old.subject_alt_names().map_err(Error::internal)?,
            public_key: old.public_key().clone(),
            validity: request.validity.or_else(|| lifetime_of(row)),
            // Whoever vouched for it did so for the certificate that is renewed.
            ms_sid: old.microsoft_sid(),
        };
        attempt.names = order
            .names
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" ");
        if let Some(csr) = &request.csr {
            let csr = self.verified_csr(csr)?;
            order.public_key = csr.public_key().clone();
            order.covers(&profile, &csr)?;
        }
        let certification = Certification {
            view: self.view_of_active(&issuer)?,
            issuer,
            profile,
            order,
            order_id: attempt.order_id,
            requester: row.requester.clone(),
            replaces: Some(row.id),
            action: attempt.action,
            companion: Companion::None,
        };
        self.prepare(&permit, certification)
    }

    /// The active generation of the CA that issued the old certificate.
    fn issuer_of_renewal(&self, row: &CertificateRow) -> Result<Arc<Issuer>> {
        let issuer = self.inner().registry.find(row.issuer_id);
        let issuer = issuer.ok_or_else(|| Error::internal("a certificate of no issuer"))?;
        let entry = issuer.entry();
        if entry.state == IssuerState::Active {
            Ok(issuer)
        } else {
            self.inner().registry.resolve(&entry.name)
        }
    }
}

/// How long the old certificate was made to live, from issuance to its end.
fn lifetime_of(row: &CertificateRow) -> Option<Duration> {
    let millis = u64::try_from(row.not_after.saturating_sub(row.created_at)).ok()?;
    // The end was cut to a whole second.
    Some(Duration::from_secs(millis.div_ceil(1000)))
}
