//! OCSP answers: parsed, looked up in memory, signed when no signed answer is at hand.
//!
//! An answer without a nonce is kept until half of its life is over, then signed anew; should the signer be away then, it
//! is given out until its end. What was never issued is `unknown`, never `good`, and is not kept, so that nobody can fill
//! the memory with serials of their own making.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use ocsp::{CertId, CertStatus, ErrorStatus, Nonce, Request, ResponseInput, SingleStatus};
use pki::{DigestAlgorithm, Serial};
use uuid::Uuid;

use crate::audit::hexadecimal;
use crate::authority::Authority;
use crate::clock::from_millis;
use crate::issuer::Issuer;
use crate::ocsp_cache::{CacheKey, CachedAnswer};
use crate::responder::Responder;
use crate::seal::Purpose;
use crate::status_index::{State, Status};

/// What an answer says, for logs and metrics.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum OcspAnswerKind {
    /// Signed: every certificate asked for is good.
    Good,
    /// Signed: at least one is revoked.
    Revoked,
    /// Signed: at least one is unknown, and none revoked.
    Unknown,
    /// Unsigned: the request cannot be read.
    MalformedRequest,
    /// Unsigned: not an issuer of ours, or not the one of this address.
    Unauthorized,
    /// Unsigned: too much to do, or the signer is away.
    TryLater,
    /// Unsigned: a fault of ours.
    InternalError,
}

impl OcspAnswerKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Good,
        Self::Revoked,
        Self::Unknown,
        Self::MalformedRequest,
        Self::Unauthorized,
        Self::TryLater,
        Self::InternalError,
    ];

    /// The value of the metric's label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Revoked => "revoked",
            Self::Unknown => "unknown",
            Self::MalformedRequest => "malformed_request",
            Self::Unauthorized => "unauthorized",
            Self::TryLater => "try_later",
            Self::InternalError => "internal_error",
        }
    }
}

/// From when until when an answer holds, for the cache headers of RFC 9919 §7.2.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Freshness {
    /// producedAt.
    pub produced_at: Timestamp,
    /// thisUpdate.
    pub this_update: Timestamp,
    /// nextUpdate.
    pub next_update: Timestamp,
    /// A strong entity tag, with its quotes.
    pub etag: String,
}

/// An OCSPResponse, ready to be sent.
#[derive(Clone, Debug)]
pub struct OcspAnswer {
    /// DER of the OCSPResponse.
    pub der: Bytes,
    /// What it says.
    pub kind: OcspAnswerKind,
    /// Present when caches may keep it: signed, and without a nonce.
    pub cacheable: Option<Freshness>,
}

impl OcspAnswer {
    fn declined(status: ErrorStatus) -> Self {
        let kind = match status {
            ErrorStatus::MalformedRequest => OcspAnswerKind::MalformedRequest,
            ErrorStatus::Unauthorized => OcspAnswerKind::Unauthorized,
            ErrorStatus::TryLater => OcspAnswerKind::TryLater,
            ErrorStatus::InternalError | ErrorStatus::SigRequired => OcspAnswerKind::InternalError,
        };
        Self {
            der: Bytes::from_static(status.der()),
            kind,
            cacheable: None,
        }
    }
}

/// A certificate asked for, and what is known of it.
type Asked = (CertId, Option<Status>);

impl Authority {
    /// Answers a request in DER that came to an issuer's address. There is always an answer.
    pub async fn answer_ocsp(&self, issuer_id: Uuid, request: &[u8]) -> OcspAnswer {
        let outcome = match Request::parse(request) {
            Ok(request) => self.answer_request(issuer_id, &request).await,
            Err(fault) => Err(fault.status()),
        };
        self.counted(outcome)
    }

    /// Answers for one serial of an issuer, as asked by the short address; the CertID of the answer is hashed by SHA-1.
    pub async fn answer_ocsp_serial(&self, issuer_id: Uuid, serial: Serial) -> OcspAnswer {
        let issuer = self.inner().registry.find(issuer_id);
        let hash = issuer.and_then(|issuer| issuer.hash(ocsp::HashAlgorithm::Sha1));
        let outcome = match hash {
            Some(hash) => {
                self.answer_request(issuer_id, &Request::new(CertId::new(hash, serial)))
                    .await
            }
            None => Err(ErrorStatus::Unauthorized),
        };
        self.counted(outcome)
    }

    fn counted(&self, outcome: Result<OcspAnswer, ErrorStatus>) -> OcspAnswer {
        let answer = outcome.unwrap_or_else(OcspAnswer::declined);
        self.inner().metrics.ocsp_answered(answer.kind);
        answer
    }

    async fn answer_request(&self, issuer_id: Uuid, request: &Request) -> Result<OcspAnswer, ErrorStatus> {
        let issuer = self
            .inner()
            .registry
            .find(issuer_id)
            .ok_or(ErrorStatus::Unauthorized)?;
        // RFC 6960 §2.3: this address answers for one issuer.
        let is_ours =
            |cert_id: &CertId| issuer.hash(cert_id.hash_algorithm()).as_ref() == Some(cert_id.issuer());
        if !request.cert_ids().all(is_ours) {
            return Err(ErrorStatus::Unauthorized);
        }
        if request.nonce().is_none() && request.cert_ids().len() == 1 {
            let cert_id = *request.first();
            if let Some(status) = issuer.statuses.find(&cert_id.serial()) {
                let key = CacheKey {
                    issuer_id,
                    cert_id,
                    generation: status.generation,
                    responders_revoked: issuer.responders_revoked.load(Ordering::SeqCst),
                };
                return self.answer_from_memory(&issuer, key, status).await;
            }
        }
        let asked = request
            .cert_ids()
            .map(|cert_id| (*cert_id, issuer.statuses.find(&cert_id.serial())));
        let asked: Vec<Asked> = asked.collect();
        let signed = self.sign_answer(&issuer, &asked, request.nonce()).await?;
        Ok(signed.answer)
    }

    async fn answer_from_memory(
        &self,
        issuer: &Arc<Issuer>,
        key: CacheKey,
        status: Status,
    ) -> Result<OcspAnswer, ErrorStatus> {
        let cache = &self.inner().ocsp_cache;
        let now = self.inner().clock.now();
        let known = cache.find(&key).filter(|known| now < known.next_update);
        let is_fresh = known.as_ref().is_some_and(|known| now < known.refresh_at);
        self.inner().metrics.ocsp_looked_up(is_fresh);
        if let Some(known) = known.as_ref().filter(|_| is_fresh) {
            return Ok(known.answer.clone());
        }
        let flight = cache.flight(key);
        let sign = async || {
            self.sign_answer(issuer, &[(key.cert_id, Some(status))], None)
                .await
                .ok()
                .map(Arc::new)
        };
        let signed = flight.get_or_init(sign).await.clone();
        if let Some(signed) = &signed {
            cache.keep(key, Arc::clone(signed));
        }
        cache.land(&key, &flight);
        signed
            .or(known)
            .map(|signed| signed.answer.clone())
            .ok_or(ErrorStatus::TryLater)
    }

    async fn sign_answer(
        &self,
        issuer: &Issuer,
        asked: &[Asked],
        nonce: Option<&Nonce>,
    ) -> Result<CachedAnswer, ErrorStatus> {
        let now = whole_second(self.inner().clock.now());
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
        let der = self.seal_answer(&responder, now, &statuses, nonce).await?;
        let freshness = Freshness {
            produced_at: now,
            this_update: now,
            next_update,
            etag: format!(
                "\"{}\"",
                hexadecimal(&DigestAlgorithm::Sha256.digest(&der))
                    .get(..32)
                    .unwrap_or_default()
            ),
        };
        let kind = kind_of(&statuses);
        // What is unknown now may be issued in a moment.
        let is_cacheable = nonce.is_none() && kind != OcspAnswerKind::Unknown;
        let answer = OcspAnswer {
            der: Bytes::from(der),
            kind,
            cacheable: is_cacheable.then_some(freshness),
        };
        let half = SignedDuration::from_secs(next_update.duration_since(now).as_secs() / 2);
        Ok(CachedAnswer {
            answer,
            refresh_at: now.saturating_add(half).unwrap_or(now),
            next_update,
        })
    }

    async fn seal_answer(
        &self,
        responder: &Responder,
        now: Timestamp,
        statuses: &[SingleStatus],
        nonce: Option<&Nonce>,
    ) -> Result<Vec<u8>, ErrorStatus> {
        let ours = |cause: &dyn std::fmt::Display| {
            tracing::error!(%cause, "an OCSP answer could not be made");
            ErrorStatus::InternalError
        };
        let input = ResponseInput {
            responder_key: &responder.signing.public_key,
            algorithm: responder.algorithm,
            produced_at: now,
            statuses,
            nonce,
            is_extended_revoke: false,
        };
        let tbs = ocsp::response_tbs(&input).map_err(|fault| ours(&fault))?;
        let linted = ocsp::lint::check(tbs, &responder.lint).map_err(|report| ours(&report))?;
        let sealed = self.seal(&responder.signing, &linted, Purpose::Ocsp).await;
        let signature = sealed.map_err(|fault| {
            tracing::warn!(%fault, code = fault.code(), "an OCSP answer could not be signed");
            ErrorStatus::TryLater
        })?;
        ocsp::assemble(linted, &signature, &[responder.certificate.der()]).map_err(|fault| ours(&fault))
    }
}

fn single_status((cert_id, status): &Asked, now: Timestamp, next_update: Timestamp) -> SingleStatus {
    let status = match status.map(|status| status.state) {
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

/// The wire has whole seconds.
fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}
