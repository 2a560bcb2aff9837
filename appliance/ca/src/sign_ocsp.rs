//! Signing OCSP answers with the delegated responder of an issuer.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use jiff::Timestamp;
use ocsp::{CertId, CertStatus, ErrorStatus, Nonce, ResponseInput, SingleStatus};
use pki::DigestAlgorithm;

use crate::answer_ocsp::{Freshness, OcspAnswer, OcspAnswerKind};
use crate::audit::hexadecimal;
use crate::authority::Authority;
use crate::clock::from_millis;
use crate::issuer::Issuer;
use crate::ocsp_cache::{CachedAnswer, Standing, refresh_at};
use crate::responder::Responder;
use crate::seal::Purpose;
use crate::status_index::State;

/// A certificate asked for, and what is known of it.
pub(crate) type Asked = (CertId, Option<State>);

impl Authority {
    /// Signs an answer about these certificates.
    pub(crate) async fn sign_ocsp(
        &self,
        issuer: &Issuer,
        asked: &[Asked],
        nonce: Option<&Nonce>,
        purpose: Purpose,
    ) -> Result<CachedAnswer, ErrorStatus> {
        // Who would wait too long is told so at once.
        let _place = match purpose {
            Purpose::Ocsp => Some(
                self.inner()
                    .ocsp_budget
                    .try_acquire()
                    .map_err(|_| ErrorStatus::TryLater)?,
            ),
            _ => None,
        };
        // What was revoked elsewhere may not be known here.
        let is_revoked = |(_, state): &Asked| matches!(state, Some(State::Revoked { .. }));
        if !asked.iter().all(is_revoked) && self.is_behind() {
            return Err(ErrorStatus::TryLater);
        }
        let now = whole_second(self.inner().clock.now());
        // Read before the responder: what a responder signs that is revoked meanwhile counts as signed before.
        let responders_revoked = issuer.responders_revoked.load(Ordering::SeqCst);
        let responder = issuer.responder.load_full();
        let responder = responder
            .filter(|one| one.certificate.is_valid_at(now))
            .ok_or(ErrorStatus::TryLater)?;
        let lifetime = self.inner().settings.ocsp_lifetime;
        let next_update =
            whole_second(now.saturating_add(lifetime).unwrap_or(now)).min(responder.certificate.not_after());
        let statuses: Vec<SingleStatus> = asked
            .iter()
            .map(|asked| single_status(asked, now, next_update))
            .collect();
        let der = self.seal_ocsp(&responder, now, &statuses, nonce, purpose).await?;
        let freshness = Freshness::of(now, next_update, etag(&der));
        let kind = kind_of(&statuses);
        // What is unknown now may be issued in a moment.
        let is_cacheable = nonce.is_none() && kind != OcspAnswerKind::Unknown;
        let answer = OcspAnswer {
            der: Bytes::from(der),
            kind,
            cacheable: is_cacheable.then(|| Arc::new(freshness)),
        };
        // Only the answer about one certificate is kept.
        let state = asked.first().and_then(|(_, state)| *state);
        Ok(CachedAnswer {
            answer,
            standing: Standing {
                state: state.unwrap_or(State::Good),
                responders_revoked,
            },
            responder: responder.certificate.serial(),
            refresh_at: refresh_at(now, next_update),
            next_update,
        })
    }

    async fn seal_ocsp(
        &self,
        responder: &Responder,
        now: Timestamp,
        statuses: &[SingleStatus],
        nonce: Option<&Nonce>,
        purpose: Purpose,
    ) -> Result<Vec<u8>, ErrorStatus> {
        let ours = |cause: &dyn std::fmt::Display| {
            tracing::error!(%cause, "an OCSP answer could not be made");
            ErrorStatus::InternalError
        };
        let input = ResponseInput {
            produced_at: now,
            statuses,
            nonce,
            is_extended_revoke: false,
        };
        let tbs = responder.template.tbs(&input).map_err(|fault| ours(&fault))?;
        let linted = ocsp::lint::check(tbs, &responder.lint).map_err(|report| ours(&report))?;
        let sealed = self.seal(&responder.signing, &linted, purpose).await;
        let signature = sealed.map_err(|fault| {
            tracing::warn!(%fault, code = fault.code(), "an OCSP answer could not be signed");
            ErrorStatus::TryLater
        })?;
        Ok(responder.template.assemble(linted, &signature))
    }
}

fn single_status((cert_id, status): &Asked, now: Timestamp, next_update: Timestamp) -> SingleStatus {
    let status = match *status {
        None => CertStatus::Unknown,
        Some(State::Good) => CertStatus::Good,
        // After the clock was set back a revocation may lie in the future; it holds all the same.
        Some(State::Revoked { at, reason }) => CertStatus::Revoked {
            at: whole_second(from_millis(at)).min(now),
            reason: Some(reason),
        },
    };
    SingleStatus {
        cert_id: *cert_id,
        status,
        this_update: now,
        next_update: Some(next_update),
    }
}

fn kind_of(statuses: &[SingleStatus]) -> OcspAnswerKind {
    let any = |wanted: fn(&CertStatus) -> bool| statuses.iter().any(|single| wanted(&single.status));
    if any(|status| matches!(status, CertStatus::Revoked { .. })) {
        OcspAnswerKind::Revoked
    } else if any(|status| matches!(status, CertStatus::Unknown)) {
        OcspAnswerKind::Unknown
    } else {
        OcspAnswerKind::Good
    }
}

/// A strong entity tag, with its quotes.
fn etag(der: &[u8]) -> Bytes {
    let digest = hexadecimal(&DigestAlgorithm::Sha256.digest(der));
    format!("\"{}\"", digest.get(..32).unwrap_or_default()).into()
}

/// The wire has whole seconds.
fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}
