//! OCSP answers: parsed, looked up in memory, signed when no signed answer is at hand.
//!
//! An answer without a nonce is kept until half of its life is over, then signed anew; should the signer be away then, it
//! is given out until its end. What was never issued is `unknown`, never `good`, and is not kept, so that nobody can fill
//! the memory with serials of their own making.

use std::any::Any;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use jiff::Timestamp;
use ocsp::{CertId, ErrorStatus, Request};
use pki::Serial;
use uuid::Uuid;

use crate::authority::Authority;
use crate::issuer::Issuer;
use crate::kept_answer;
use crate::ocsp_cache::{CacheKey, CachedAnswer, Standing, refresh_at};
use crate::seal::Purpose;
use crate::sign_ocsp::Asked;
use crate::status_index::State;

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

    /// Its number where it is stored: its place among all.
    pub(crate) fn number(self) -> u8 {
        let place = Self::ALL.iter().position(|kind| *kind == self);
        place
            .and_then(|place| u8::try_from(place).ok())
            .unwrap_or(u8::MAX)
    }

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

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

/// Who looks for an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Asker {
    /// Somebody who asked for it: an answer on disk may come into memory.
    Client,
    /// The appliance, which wants to know whether there is one.
    Itself,
}

/// From when until when an answer holds, for the cache headers of RFC 9919 §7.2.
#[derive(Debug)]
pub struct Freshness {
    /// producedAt.
    pub produced_at: Timestamp,
    /// thisUpdate.
    pub this_update: Timestamp,
    /// nextUpdate.
    pub next_update: Timestamp,
    /// When it is signed anew: after half of its life.
    pub fresh_until: Timestamp,
    /// A strong entity tag, with its quotes.
    pub etag: Bytes,
    /// All this in the words of a protocol, by whoever speaks it; written once, because an answer is sent many times.
    pub written: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl Freshness {
    /// Of an answer that says how things are when it is made.
    pub(crate) fn of(this_update: Timestamp, next_update: Timestamp, etag: Bytes) -> Self {
        Self {
            produced_at: this_update,
            this_update,
            next_update,
            fresh_until: refresh_at(this_update, next_update),
            etag,
            written: OnceLock::new(),
        }
    }
}

/// An OCSPResponse, ready to be sent. A copy costs no allocation.
#[derive(Clone, Debug)]
pub struct OcspAnswer {
    /// DER of the OCSPResponse.
    pub der: Bytes,
    /// What it says.
    pub kind: OcspAnswerKind,
    /// Present when caches may keep it: signed, and without a nonce.
    pub cacheable: Option<Arc<Freshness>>,
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

impl Authority {
    /// The answer to a request in DER that came to an issuer's address, when it is at hand: in memory, signed, and fresh.
    /// This is the path of nearly every request; it allocates nothing and waits for nothing.
    pub fn ocsp_at_hand(&self, issuer_id: Uuid, request: &[u8]) -> Option<OcspAnswer> {
        let cert_id = &ocsp::usual_cert_id(request)?;
        let inner = self.inner();
        let known = inner.registry.with(issuer_id, |issuer| {
            // RFC 6960 §2.3: this address answers for one issuer.
            if !issuer.is_named_by(cert_id.issuer()) {
                return None;
            }
            let (key, standing) = standing(issuer, cert_id)?;
            self.known_answer(issuer, key, standing, Asker::Client)
        })??;
        if inner.clock.now() >= known.refresh_at {
            return None;
        }
        inner.metrics.ocsp_looked_up(true);
        inner.metrics.ocsp_answered(known.answer.kind);
        Some(known.answer.clone())
    }

    /// Answers a request in DER that came to an issuer's address. There is always an answer.
    pub async fn answer_ocsp(&self, issuer_id: Uuid, request: &[u8]) -> OcspAnswer {
        if let Some(answer) = self.ocsp_at_hand(issuer_id, request) {
            return answer;
        }
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
                let request = Request::new(CertId::new(hash, serial));
                Box::pin(self.answer_request(issuer_id, &request)).await
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
        if !request
            .cert_ids()
            .all(|cert_id| issuer.is_named_by(cert_id.issuer()))
        {
            return Err(ErrorStatus::Unauthorized);
        }
        if request.nonce().is_none()
            && request.cert_ids().len() == 1
            && let Some((key, standing)) = standing(&issuer, request.first())
        {
            return self.answer_once(&issuer, request.first(), key, standing).await;
        }
        let asked: Vec<Asked> = request
            .cert_ids()
            .map(|cert_id| (*cert_id, issuer.statuses.find(&cert_id.serial())))
            .collect();
        let signed = self
            .sign_ocsp(&issuer, &asked, request.nonce(), Purpose::Ocsp)
            .await?;
        Ok(signed.answer)
    }

    /// The answer that was signed before, from memory or from disk. It may have to be signed anew.
    pub(crate) fn known_answer(
        &self,
        issuer: &Issuer,
        key: CacheKey,
        standing: Standing,
        asker: Asker,
    ) -> Option<Arc<CachedAnswer>> {
        let cache = &self.inner().ocsp_cache;
        if let Some(known) = cache.find(&key, &standing) {
            return Some(known);
        }
        let known = self.answer_on_disk(issuer, key, standing)?;
        if asker == Asker::Client {
            cache.keep_when_asked_again(key, &known);
        }
        Some(known)
    }

    /// The answer that is kept on disk, if it holds.
    #[cold]
    fn answer_on_disk(
        &self,
        issuer: &Issuer,
        key: CacheKey,
        standing: Standing,
    ) -> Option<Arc<CachedAnswer>> {
        let answers = self.inner().answers.as_ref()?;
        let whole = |responder: &Serial, der: &[u8]| {
            issuer.with_responder(responder, |certificate| Some([der, certificate].concat().into()))
        };
        let mut known = answers.find(&kept_answer::key(&key), |value| kept_answer::decode(value, whole))?;
        // Whether its responder was revoked since is asked anew: a kept answer does not know how many were.
        let is_signer_good = issuer.statuses.find(&known.responder) == Some(State::Good);
        if known.standing.state != standing.state
            || !is_signer_good
            || self.inner().clock.now() >= known.next_update
        {
            return None;
        }
        known.standing = standing;
        Some(Arc::new(known))
    }

    /// Keeps an answer in memory, and soon on disk.
    pub(crate) fn keep_answer(&self, issuer: &Issuer, key: CacheKey, answer: &Arc<CachedAnswer>) {
        self.inner().ocsp_cache.keep(key, Arc::clone(answer));
        self.keep_on_disk(issuer, &key, answer);
    }

    /// Keeps an answer that was signed ahead: on disk when there is one, so that memory stays with what is asked for, and in
    /// memory where an older one is.
    pub(crate) fn keep_ahead(&self, issuer: &Issuer, key: CacheKey, answer: &Arc<CachedAnswer>) {
        let inner = self.inner();
        if inner.answers.is_none() || inner.ocsp_cache.has(&key) {
            inner.ocsp_cache.keep(key, Arc::clone(answer));
        }
        self.keep_on_disk(issuer, &key, answer);
    }

    fn keep_on_disk(&self, issuer: &Issuer, key: &CacheKey, answer: &CachedAnswer) {
        let Some(answers) = &self.inner().answers else {
            return;
        };
        let encode = |certificate: &[u8]| kept_answer::encode(answer, certificate);
        if let Some(value) = issuer.with_responder(&answer.responder, encode) {
            answers.keep(kept_answer::key(key), value);
        }
    }

    /// One signature, however many ask for it at the same time.
    async fn answer_once(
        &self,
        issuer: &Arc<Issuer>,
        cert_id: &CertId,
        key: CacheKey,
        standing: Standing,
    ) -> Result<OcspAnswer, ErrorStatus> {
        let cache = &self.inner().ocsp_cache;
        let now = self.inner().clock.now();
        let known = self
            .known_answer(issuer, key, standing, Asker::Client)
            .filter(|known| now < known.next_update);
        let is_fresh = known.as_ref().is_some_and(|known| now < known.refresh_at);
        self.inner().metrics.ocsp_looked_up(is_fresh);
        if let Some(known) = known.as_ref().filter(|_| is_fresh) {
            return Ok(known.answer.clone());
        }
        let flight = cache.flight(key, standing);
        let sign = async || {
            self.sign_ocsp(issuer, &[(*cert_id, Some(standing.state))], None, Purpose::Ocsp)
                .await
                .ok()
                .map(Arc::new)
        };
        let signed = flight.get_or_init(sign).await.clone();
        if let Some(signed) = &signed {
            self.keep_answer(issuer, key, signed);
        }
        cache.land(key, standing, &flight);
        signed
            .or(known)
            .map(|signed| signed.answer.clone())
            .ok_or(ErrorStatus::TryLater)
    }
}

/// What an answer for this certificate is kept under, and what it must say; nothing for what was never issued.
pub(crate) fn standing(issuer: &Issuer, cert_id: &CertId) -> Option<(CacheKey, Standing)> {
    let standing = Standing {
        state: issuer.statuses.find(&cert_id.serial())?,
        responders_revoked: issuer.responders_revoked.load(Ordering::SeqCst),
    };
    Some((CacheKey::of(issuer.id, cert_id), standing))
}
