//! Signed OCSP answers in memory, bounded.
//!
//! The key holds the generation of the serial's status, so an answer from before a revocation cannot be found after it;
//! nothing has to be thrown out in time. Room is made by age: when the young half is full, it becomes the old half, and
//! what was not asked for since the last time goes. A look-up that hits takes a read lock and copies a pointer.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use jiff::Timestamp;
use ocsp::CertId;
use parking_lot::{Mutex, RwLock};
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::answer_ocsp::OcspAnswer;

const SHARDS: usize = 16;

/// What an answer is found by. The CertID is kept whole, because it is echoed octet for octet.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct CacheKey {
    pub(crate) issuer_id: Uuid,
    pub(crate) cert_id: CertId,
    pub(crate) generation: i64,
    /// How many responders of the issuer had been revoked.
    pub(crate) responders_revoked: u64,
}

/// An answer and when it should be signed anew.
#[derive(Clone, Debug)]
pub(crate) struct CachedAnswer {
    pub(crate) answer: OcspAnswer,
    pub(crate) refresh_at: Timestamp,
    pub(crate) next_update: Timestamp,
}

/// What waits for one signature.
pub(crate) type Flight = Arc<OnceCell<Option<Arc<CachedAnswer>>>>;

/// The answers, and the signatures on their way.
#[derive(Debug)]
pub(crate) struct OcspCache {
    shards: Vec<RwLock<Halves>>,
    hasher: RandomState,
    half: usize,
    flights: Mutex<HashMap<CacheKey, Flight>>,
}

#[derive(Debug, Default)]
struct Halves {
    young: HashMap<CacheKey, Arc<CachedAnswer>>,
    old: HashMap<CacheKey, Arc<CachedAnswer>>,
}

impl OcspCache {
    /// A cache of at most about `entries` answers.
    pub(crate) fn new(entries: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            hasher: RandomState::new(),
            half: (entries / SHARDS / 2).max(1),
            flights: Mutex::default(),
        }
    }

    pub(crate) fn find(&self, key: &CacheKey) -> Option<Arc<CachedAnswer>> {
        let shard = self.shard(key)?;
        let found = {
            let halves = shard.read();
            if let Some(found) = halves.young.get(key) {
                return Some(Arc::clone(found));
            }
            Arc::clone(halves.old.get(key)?)
        };
        self.keep(*key, Arc::clone(&found));
        Some(found)
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

    /// The flight for a key: whoever comes first signs, the others wait for it.
    pub(crate) fn flight(&self, key: CacheKey) -> Flight {
        Arc::clone(self.flights.lock().entry(key).or_default())
    }

    /// Ends a flight, so that the next who asks begins a new one.
    pub(crate) fn land(&self, key: &CacheKey, flight: &Flight) {
        let mut flights = self.flights.lock();
        if flights.get(key).is_some_and(|known| Arc::ptr_eq(known, flight)) {
            flights.remove(key);
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
    use ocsp::IssuerHash;
    use pki::Serial;

    fn key(number: u8, generation: i64) -> CacheKey {
        let issuer = IssuerHash::Sha1 {
            name: [1; 20],
            key: [2; 20],
        };
        let cert_id = CertId::new(issuer, Serial::from_random([number; 16]));
        CacheKey {
            issuer_id: Uuid::nil(),
            cert_id,
            generation,
            responders_revoked: 0,
        }
    }

    fn answer() -> Arc<CachedAnswer> {
        let answer = OcspAnswer {
            der: bytes::Bytes::new(),
            kind: OcspAnswerKind::Good,
            cacheable: None,
        };
        Arc::new(CachedAnswer {
            answer,
            refresh_at: Timestamp::MAX,
            next_update: Timestamp::MAX,
        })
    }

    #[test]
    fn another_generation_is_another_answer() {
        let cache = OcspCache::new(1000);
        cache.keep(key(1, 1), answer());
        assert!(cache.find(&key(1, 1)).is_some());
        assert!(cache.find(&key(1, 2)).is_none());
    }

    #[test]
    fn it_never_grows_beyond_its_bound() {
        let cache = OcspCache::new(64);
        for generation in 0..1000 {
            cache.keep(key(3, generation), answer());
        }
        assert!(cache.len() <= 64, "{}", cache.len());
        assert!(cache.find(&key(3, 999)).is_some());
    }

    #[test]
    fn a_landed_flight_is_over() {
        let cache = OcspCache::new(64);
        let flight = cache.flight(key(1, 0));
        assert!(Arc::ptr_eq(&flight, &cache.flight(key(1, 0))));
        cache.land(&key(1, 0), &flight);
        assert!(!Arc::ptr_eq(&flight, &cache.flight(key(1, 0))));
    }
}
