//! Signed OCSP answers in memory, bounded.
//!
//! An answer is found only while what it says is how things stand, so an answer from before a revocation cannot be found
//! after it; nothing has to be thrown out in time. Room is made by age: when the young half is full, it becomes the old
//! half, and what was not asked for since the last time goes. A look-up that hits takes a read lock and copies a pointer.
//!
//! An answer that comes from disk is kept here when it is asked for again before many others were: who asks about every
//! certificate once, as crawlers do, does not push out what is asked for all the time, and costs no memory.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use foldhash::fast::RandomState;
use jiff::{SignedDuration, Timestamp};
use ocsp::{CertId, HashAlgorithm, IssuerHash};
use parking_lot::{Mutex, RwLock};
use pki::Serial;
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::answer_ocsp::OcspAnswer;
use crate::status_index::State;

const SHARDS: usize = 16;

/// What an answer is found by. The spelling of the CertID belongs to it, because it is echoed octet for octet.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct CacheKey {
    issuer_id: Uuid,
    serial: Serial,
    algorithm: HashAlgorithm,
    has_null_parameters: bool,
}

impl CacheKey {
    pub(crate) fn issuer_id(&self) -> Uuid {
        self.issuer_id
    }

    pub(crate) fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// The CertID it stands for, with the issuer's half.
    pub(crate) fn cert_id(&self, issuer: IssuerHash) -> CertId {
        let cert_id = CertId::new(issuer, self.serial);
        if self.has_null_parameters {
            cert_id
        } else {
            cert_id.without_parameters()
        }
    }

    /// The last octet of the serial, which is random.
    pub(crate) fn last_octet(&self) -> u8 {
        self.serial.as_bytes().last().copied().unwrap_or(0)
    }

    /// The end of the serial, which is random for all that is issued here.
    fn number(&self) -> u64 {
        let octets = self.serial.as_bytes().iter().rev().take(8);
        octets.fold(0, |number, octet| (number << 8) | u64::from(*octet))
    }

    /// The issuer, the spelling of the CertID as a number, and the serial.
    pub(crate) fn parts(&self) -> (Uuid, u8, Serial) {
        let algorithm = match self.algorithm {
            HashAlgorithm::Sha1 => 0,
            HashAlgorithm::Sha256 => 2,
        };
        (
            self.issuer_id,
            algorithm | u8::from(self.has_null_parameters),
            self.serial,
        )
    }

    /// The key of the answer for a CertID that names this issuer.
    pub(crate) fn of(issuer_id: Uuid, cert_id: &CertId) -> Self {
        Self {
            issuer_id,
            serial: cert_id.serial(),
            algorithm: cert_id.hash_algorithm(),
            has_null_parameters: cert_id.has_null_parameters(),
        }
    }
}

/// How things stand: what an answer must say, and by whom it may be signed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Standing {
    pub(crate) state: State,
    /// How many responders of the issuer had been revoked.
    pub(crate) responders_revoked: u64,
}

/// An answer and when it should be signed anew.
#[derive(Debug)]
pub(crate) struct CachedAnswer {
    pub(crate) answer: OcspAnswer,
    pub(crate) standing: Standing,
    /// Whose certificate it is signed under.
    pub(crate) responder: Serial,
    pub(crate) refresh_at: Timestamp,
    pub(crate) next_update: Timestamp,
}

/// After half of its life an answer is signed anew.
pub(crate) fn refresh_at(this_update: Timestamp, next_update: Timestamp) -> Timestamp {
    let half = SignedDuration::from_secs(next_update.duration_since(this_update).as_secs() / 2);
    this_update.saturating_add(half).unwrap_or(this_update)
}

/// What waits for one signature.
pub(crate) type Flight = Arc<OnceCell<Option<Arc<CachedAnswer>>>>;

/// The answers, and the signatures on their way.
#[derive(Debug)]
pub(crate) struct OcspCache {
    shards: Vec<RwLock<Halves>>,
    hasher: RandomState,
    half: usize,
    /// What came from disk lately: marks of keys, each in the one place that it may have.
    seen: Box<[AtomicU16]>,
    flights: Mutex<HashMap<(CacheKey, Standing), Flight>>,
}

#[derive(Debug, Default)]
struct Halves {
    young: HashMap<CacheKey, Arc<CachedAnswer>, RandomState>,
    old: HashMap<CacheKey, Arc<CachedAnswer>, RandomState>,
}

impl OcspCache {
    /// A cache of at most about `entries` answers.
    pub(crate) fn new(entries: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            hasher: RandomState::default(),
            half: (entries / SHARDS / 2).max(1),
            seen: (0..entries.max(1)).map(|_| AtomicU16::new(0)).collect(),
            flights: Mutex::default(),
        }
    }

    /// The answer for a key that says how things stand.
    pub(crate) fn find(&self, key: &CacheKey, standing: &Standing) -> Option<Arc<CachedAnswer>> {
        let shard = self.shard(key)?;
        let found = {
            let halves = shard.read();
            if let Some(found) = halves.young.get(key) {
                return (found.standing == *standing).then(|| Arc::clone(found));
            }
            let found = halves.old.get(key)?;
            if found.standing != *standing {
                return None;
            }
            Arc::clone(found)
        };
        self.keep(*key, Arc::clone(&found));
        Some(found)
    }

    /// Whether there is an answer, of whatever standing.
    pub(crate) fn has(&self, key: &CacheKey) -> bool {
        self.shard(key).is_some_and(|shard| {
            let halves = shard.read();
            halves.young.contains_key(key) || halves.old.contains_key(key)
        })
    }

    pub(crate) fn keep(&self, key: CacheKey, answer: Arc<CachedAnswer>) {
        let Some(shard) = self.shard(&key) else { return };
        let mut halves = shard.write();
        if halves.young.len() >= self.half && !halves.young.contains_key(&key) {
            halves.old = std::mem::take(&mut halves.young);
        }
        halves.old.remove(&key);
        halves.young.insert(key, answer);
    }

    /// Keeps an answer that came from disk, unless it is the first time in a while.
    pub(crate) fn keep_when_asked_again(&self, key: CacheKey, answer: &Arc<CachedAnswer>) {
        let number = key.number();
        let [high, low, ..] = number.to_be_bytes();
        // A place that was never marked has zero.
        let mark = u16::from_be_bytes([high, low]) | 1;
        let place = usize::try_from(number).unwrap_or(0) % self.seen.len();
        let before = self
            .seen
            .get(place)
            .map(|seen| seen.swap(mark, Ordering::Relaxed));
        if before == Some(mark) {
            self.keep(key, Arc::clone(answer));
        }
    }

    /// The keys of what was asked for lately and is so.
    pub(crate) fn young(&self, is_so: impl Fn(&CacheKey, &CachedAnswer) -> bool) -> Vec<CacheKey> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let halves = shard.read();
            let matching = halves.young.iter().filter(|(key, answer)| is_so(key, answer));
            found.extend(matching.map(|(key, _)| *key));
        }
        found
    }

    /// The flight for a key: whoever comes first signs, the others wait for it.
    pub(crate) fn flight(&self, key: CacheKey, standing: Standing) -> Flight {
        Arc::clone(self.flights.lock().entry((key, standing)).or_default())
    }

    /// Ends a flight, so that the next who asks begins a new one.
    pub(crate) fn land(&self, key: CacheKey, standing: Standing, flight: &Flight) {
        let mut flights = self.flights.lock();
        if flights
            .get(&(key, standing))
            .is_some_and(|known| Arc::ptr_eq(known, flight))
        {
            flights.remove(&(key, standing));
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| {
                let halves = shard.read();
                halves.young.len() + halves.old.len()
            })
            .sum()
    }

    fn shard(&self, key: &CacheKey) -> Option<&RwLock<Halves>> {
        let hash = usize::try_from(self.hasher.hash_one(key) >> 48).unwrap_or(0);
        self.shards.get(hash % SHARDS)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;
    use crate::answer_ocsp::OcspAnswerKind;
    use pki::RevocationReason;

    fn key(number: u8) -> CacheKey {
        let issuer = IssuerHash::Sha1 {
            name: [1; 20],
            key: [2; 20],
        };
        CacheKey::of(
            Uuid::nil(),
            &CertId::new(issuer, Serial::from_random([number; 16])),
        )
    }

    fn standing(state: State) -> Standing {
        Standing {
            state,
            responders_revoked: 0,
        }
    }

    fn answer(state: State) -> Arc<CachedAnswer> {
        let answer = OcspAnswer {
            der: bytes::Bytes::new(),
            kind: OcspAnswerKind::Good,
            cacheable: None,
        };
        Arc::new(CachedAnswer {
            answer,
            standing: standing(state),
            responder: Serial::from_random([9; 16]),
            refresh_at: Timestamp::MAX,
            next_update: Timestamp::MAX,
        })
    }

    #[test]
    fn an_answer_is_found_while_it_is_true() {
        let revoked = |at| State::Revoked {
            at,
            reason: RevocationReason::Superseded,
        };
        let cache = OcspCache::new(1000);
        cache.keep(key(1), answer(State::Good));
        assert!(cache.find(&key(1), &standing(State::Good)).is_some());
        assert!(cache.find(&key(1), &standing(revoked(5))).is_none());
        cache.keep(key(1), answer(revoked(5)));
        assert!(cache.find(&key(1), &standing(revoked(5))).is_some());
        assert!(cache.find(&key(1), &standing(revoked(6))).is_none());
        let later = Standing {
            responders_revoked: 1,
            ..standing(revoked(5))
        };
        assert!(cache.find(&key(1), &later).is_none());
    }

    #[test]
    fn what_comes_from_disk_once_leaves_the_others_where_they_are() {
        let cache = OcspCache::new(64);
        cache.keep(key(0), answer(State::Good));
        for number in 1..=255 {
            cache.keep_when_asked_again(key(number), &answer(State::Good));
        }
        assert_eq!(cache.len(), 1);
        cache.keep_when_asked_again(key(255), &answer(State::Good));
        assert!(cache.has(&key(0)) && cache.has(&key(255)));
    }

    #[test]
    fn it_never_grows_beyond_its_bound() {
        let cache = OcspCache::new(64);
        for number in 0..=255 {
            cache.keep(key(number), answer(State::Good));
        }
        assert!(cache.len() <= 64, "{}", cache.len());
        assert!(cache.find(&key(255), &standing(State::Good)).is_some());
    }

    #[test]
    fn a_landed_flight_is_over() {
        let cache = OcspCache::new(64);
        let good = standing(State::Good);
        let flight = cache.flight(key(1), good);
        assert!(Arc::ptr_eq(&flight, &cache.flight(key(1), good)));
        cache.land(key(1), good, &flight);
        assert!(!Arc::ptr_eq(&flight, &cache.flight(key(1), good)));
    }
}
