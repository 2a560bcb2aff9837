//! Revoking a certificate, putting it on hold, and releasing the hold (RFC 5280 §5.3.1).

use jiff::Timestamp;
use pki::crl::RevocationReason;
use pki::{Certificate, Serial};
use serde_json::json;
use store::certificates::CertificateRow;
use store::crls::NewChange;
use store::revocations::RevocationRow;
use uuid::Uuid;

use crate::audit;
use crate::authority::Authority;
use crate::certificates::{CertRef, reason_of};
use crate::clock::from_millis;
use crate::crl_shard::Listing;
use crate::error::{Error, Refusal, Result};
use crate::issuer::Issuer;
use crate::permit::{self, Permit, action};
use crate::principal::Principal;
use crate::status_index::State;

/// A revocation that is asked for.
#[derive(Clone, Copy, Debug)]
pub struct RevokeRequest {
    /// The certificate.
    pub certificate: CertRef,
    /// Why; `removeFromCRL` releases a hold.
    pub reason: RevocationReason,
    /// Since when its key is known or suspected to be bad.
    pub invalidity_date: Option<Timestamp>,
}

/// How a certificate stands after that.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Revoked {
    /// The certificate.
    pub id: Uuid,
    /// Its serial.
    pub serial: Serial,
    /// Who issued it.
    pub issuer_id: Uuid,
    /// Whether nothing was changed, because it stood that way already.
    pub already: bool,
    /// When it was revoked; absent after a hold was released.
    pub revoked_at: Option<Timestamp>,
    /// Why; absent after a hold was released.
    pub reason: Option<RevocationReason>,
}

/// How often a revocation is decided anew when others change it at the same time.
const ATTEMPTS: usize = 4;

/// What a request means for a certificate as it stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    /// It stands that way already.
    Nothing,
    /// It becomes revoked, or revoked for another reason, as of the first time.
    Put { revoked_at: i64 },
    /// Its hold is released.
    Release,
}

impl Authority {
    /// Revokes a certificate. When this returns, OCSP says so, and the CRL is on its way. Revoking it again changes
    /// nothing, except that a hold may become final and that a reason may become `keyCompromise`.
    pub async fn revoke(&self, principal: &Principal, request: RevokeRequest) -> Result<Revoked> {
        let row = self.certificate_row(principal, request.certificate).await?;
        let issuer = self.inner().registry.find(row.issuer_id);
        let issuer = issuer.ok_or_else(|| Error::internal("a certificate of no issuer"))?;
        let permit = permit::to_revoke(
            principal,
            &issuer.entry(),
            &row.profile,
            &row.requester,
            speaks_for_ca(&row)?,
        )?;
        if issuer
            .entry()
            .certificate
            .as_ref()
            .is_some_and(|own| own.der() == row.der)
        {
            let message = "a root cannot revoke itself: take it out of the trust stores, and roll it over";
            return Err(Error::conflict("root_not_revocable", message));
        }
        let now = self.inner().clock.now();
        if request.invalidity_date.is_some_and(|date| date > now) {
            return Err(Refusal::of_requester(
                "invalidity_date_invalid",
                "the invalidity date lies in the future",
            )
            .into());
        }
        let carry_out = |authority: Self| async move {
            let outcome = authority.revoke_anew(&permit, &issuer, row, request).await;
            if let Ok(revoked) = &outcome
                && revoked.revoked_at.is_some()
            {
                authority.replace_revoked_responder(&issuer, &revoked.serial);
            }
            outcome
        };
        self.to_the_end(carry_out).await
    }

    /// Somebody else may change the revocation between reading and writing; then it is decided anew.
    async fn revoke_anew(
        &self,
        permit: &Permit<action::Revoke>,
        issuer: &Issuer,
        row: CertificateRow,
        request: RevokeRequest,
    ) -> Result<Revoked> {
        for _ in 1..ATTEMPTS {
            match self
                .carry_out_revocation(permit, issuer, row.clone(), request)
                .await
            {
                Err(Error::Conflict { code: "conflict", .. }) => {}
                outcome => return outcome,
            }
        }
        self.carry_out_revocation(permit, issuer, row, request).await
    }

    async fn carry_out_revocation(
        &self,
        permit: &Permit<action::Revoke>,
        issuer: &Issuer,
        row: CertificateRow,
        request: RevokeRequest,
    ) -> Result<Revoked> {
        let at = self.inner().clock.now().as_millisecond();
        let serial = Serial::from_unsigned(&row.serial).map_err(Error::internal)?;
        let _turn = issuer.turns.of(&serial).await;
        let key = (row.issuer_id, row.serial.clone());
        let find = self
            .inner()
            .store
            .read(move |reader| store::revocations::find(reader, key.0, &key.1));
        let known = find.await?;
        let step = step(known.as_ref(), request.reason, at)?;
        let (id, issuer_id) = (row.id, row.issuer_id);
        let answer = |already, revoked: Option<(i64, RevocationReason)>| Revoked {
            id,
            serial,
            issuer_id,
            already,
            revoked_at: revoked.map(|(at, _)| from_millis(at)),
            reason: revoked.map(|(_, reason)| reason),
        };
        if step == Step::Nothing {
            return Ok(answer(
                true,
                known.map(|known| (known.revoked_at, reason_of(known.reason))),
            ));
        }
        let change = Change::of(&row, request, known, step, issuer.shards.of(&serial).index);
        let listing = match &change.put {
            Some(revocation) => Listing::of(revocation)?,
            None => Listing::released(serial, from_millis(at), row.not_after)?,
        };
        let keeps = issuer.entry().crl.deltas;
        let (number, seq) = self.write_step(permit, row, request, change, keeps).await?;
        let revoked = match step {
            Step::Put { revoked_at } => Some((revoked_at, request.reason)),
            _ => None,
        };
        let state = revoked.map_or(State::Good, |(at, reason)| State::Revoked { at, reason });
        issuer.statuses.apply(serial, state, seq);
        issuer.shards.of(&serial).apply(listing, number, keeps);
        self.inner().crl_nudge.notify_one();
        self.inner()
            .metrics
            .revoked(&issuer.entry().name, &request.reason.to_string());
        tracing::info!(%serial, issuer = issuer.entry().name, reason = %request.reason, "certificate revoked");
        Ok(answer(false, revoked))
    }

    /// Writes the step, unless somebody changed the revocation since it was decided on; gives the number of the change in
    /// its shard, and that of the audit entry.
    async fn write_step(
        &self,
        permit: &Permit<action::Revoke>,
        row: CertificateRow,
        request: RevokeRequest,
        change: Change,
        keeps: bool,
    ) -> Result<(i64, i64)> {
        let at = self.inner().clock.now();
        let Change { known, put, shard } = change;
        let action = if put.is_none() {
            "certificate.release"
        } else {
            "certificate.revoke"
        };
        let serial = audit::hexadecimal(&row.serial);
        let details = json!({
            "serial": serial, "issuer_id": row.issuer_id, "reason": request.reason,
            "was": known.as_ref().map(|known| reason_of(known.reason)),
            "invalidity_date": request.invalidity_date.map(|date| date.to_string()),
        });
        let entry = audit::entry(at, permit.actor(), action, row.id, audit::OK, &details);
        let change = move |tx: &store::Tx<'_>| {
            if store::revocations::find(tx, row.issuer_id, &row.serial)? != known {
                return Err(store::Error::Conflict {
                    constraint: "it was revoked or released meanwhile".to_owned(),
                });
            }
            match &put {
                Some(revocation) => store::revocations::put(tx, revocation)?,
                None => drop(store::revocations::remove(tx, row.issuer_id, &row.serial)?),
            }
            let noted = NewChange {
                issuer_id: row.issuer_id,
                shard,
                serial: &row.serial,
                released_at: put.is_none().then_some(at.as_millisecond()),
                not_after: row.not_after,
            };
            store::crls::note_change(tx, &noted, keeps)
        };
        self.change(entry, change).await
    }
}

/// A step as it is written: what was there, and what is to be there; nothing after a hold was released.
#[derive(Debug)]
struct Change {
    known: Option<RevocationRow>,
    put: Option<RevocationRow>,
    shard: u32,
}

impl Change {
    fn of(
        row: &CertificateRow,
        request: RevokeRequest,
        known: Option<RevocationRow>,
        step: Step,
        shard: u32,
    ) -> Self {
        let put = match step {
            Step::Put { revoked_at } => {
                let invalidity_date = request.invalidity_date.map(Timestamp::as_millisecond);
                Some(RevocationRow {
                    issuer_id: row.issuer_id,
                    serial: row.serial.clone(),
                    revoked_at,
                    reason: request.reason.code().into(),
                    invalidity_date: invalidity_date
                        .or(known.as_ref().and_then(|known| known.invalidity_date)),
                    not_after: row.not_after,
                    is_orphan: false,
                })
            }
            _ => None,
        };
        Self { known, put, shard }
    }
}

/// What RFC 5280 §5.3.1 and the Baseline Requirements §7.2.2 allow: a hold is released or becomes final, and any reason
/// may become keyCompromise when evidence of that comes up; the time of the first revocation stays.
fn step(known: Option<&RevocationRow>, reason: RevocationReason, now: i64) -> Result<Step> {
    use RevocationReason::{CertificateHold, KeyCompromise, RemoveFromCrl};
    let known = known.map(|known| (known.revoked_at, reason_of(known.reason)));
    match (known, reason) {
        (None, RemoveFromCrl) => Err(Error::conflict("not_on_hold", "the certificate is not on hold")),
        (None, _) => Ok(Step::Put { revoked_at: now }),
        (Some((_, CertificateHold)), RemoveFromCrl) => Ok(Step::Release),
        (Some(_), RemoveFromCrl) => Err(Error::conflict(
            "revocation_final",
            "the certificate is revoked for good: only a hold can be released",
        )),
        (Some((_, before)), _) if before == reason => Ok(Step::Nothing),
        (Some((revoked_at, CertificateHold)), _) | (Some((revoked_at, _)), KeyCompromise) => {
            Ok(Step::Put { revoked_at })
        }
        (Some(_), CertificateHold) => Err(Error::conflict(
            "revocation_final",
            "the certificate is revoked for good and cannot be put on hold",
        )),
        (Some(_), _) => Ok(Step::Nothing),
    }
}

/// Whether it is the certificate of an authority or of an OCSP responder.
fn speaks_for_ca(row: &CertificateRow) -> Result<bool> {
    let certificate = Certificate::from_der(&row.der).map_err(Error::internal)?;
    Ok(certificate.is_ca() || certificate.is_ocsp_responder())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;
    use RevocationReason::{CertificateHold, KeyCompromise, RemoveFromCrl, Superseded};

    fn revoked(reason: RevocationReason) -> RevocationRow {
        RevocationRow {
            issuer_id: Uuid::nil(),
            serial: vec![1],
            revoked_at: 7,
            reason: reason.code().into(),
            invalidity_date: None,
            not_after: 100,
            is_orphan: false,
        }
    }

    #[test]
    fn only_a_hold_is_released_and_only_keycompromise_replaces_a_final_reason() {
        let of = |known: Option<RevocationReason>, reason| step(known.map(revoked).as_ref(), reason, 50);
        assert_eq!(of(None, Superseded).unwrap(), Step::Put { revoked_at: 50 });
        assert_eq!(of(Some(Superseded), Superseded).unwrap(), Step::Nothing);
        assert_eq!(of(Some(KeyCompromise), Superseded).unwrap(), Step::Nothing);
        assert_eq!(
            of(Some(Superseded), KeyCompromise).unwrap(),
            Step::Put { revoked_at: 7 }
        );
        assert_eq!(
            of(Some(CertificateHold), Superseded).unwrap(),
            Step::Put { revoked_at: 7 }
        );
        assert_eq!(of(Some(CertificateHold), RemoveFromCrl).unwrap(), Step::Release);
        assert_eq!(
            of(Some(Superseded), RemoveFromCrl).unwrap_err().code(),
            "revocation_final"
        );
        assert_eq!(
            of(Some(Superseded), CertificateHold).unwrap_err().code(),
            "revocation_final"
        );
        assert_eq!(of(None, RemoveFromCrl).unwrap_err().code(), "not_on_hold");
    }
}
