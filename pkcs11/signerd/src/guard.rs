//! What this service lets its clients do: which keys, which schemes, how often.
//!
//! The appliance decides what is signed; this is the limit on what a taken-over appliance could have signed.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use parking_lot::{Mutex, RwLock};
use signer_wire::{Fault, FaultClass, KeyRecord, KeyRef, Scheme, Sign};
use token::{KeyRing, Limits};

/// The limits, ready to be asked.
#[derive(Debug)]
pub(crate) struct Guard {
    /// Keys that may sign, by fingerprint or label; `None` for all.
    keys: Option<HashSet<String>>,
    /// What was decided about a key, so that its label is looked up once.
    decided: RwLock<HashMap<KeyRef, bool>>,
    schemes: Option<HashSet<Scheme>>,
    /// Signatures in a second for each key; zero for no limit.
    rate: u32,
    buckets: Mutex<HashMap<KeyRef, Bucket>>,
    may_generate: bool,
    may_import: bool,
}

/// A token bucket: `level` signatures are allowed at `at`, and `rate` more each second, up to `rate`.
#[derive(Debug)]
struct Bucket {
    level: f64,
    at: Instant,
}

impl Guard {
    pub(crate) fn new(limits: &Limits) -> Self {
        let keys = (!limits.keys.is_empty()).then(|| limits.keys.iter().cloned().collect());
        let schemes: HashSet<Scheme> = limits
            .schemes
            .iter()
            .filter_map(|text| text.parse().ok())
            .collect();
        Self {
            keys,
            decided: RwLock::new(HashMap::new()),
            schemes: (!limits.schemes.is_empty()).then_some(schemes),
            rate: limits.signatures_per_second,
            buckets: Mutex::new(HashMap::new()),
            may_generate: limits.generate,
            may_import: limits.import,
        }
    }

    /// Whether this signature may be made now.
    pub(crate) fn admit(&self, ring: &KeyRing, item: &Sign, now: Instant) -> Result<(), Fault> {
        if self
            .schemes
            .as_ref()
            .is_some_and(|schemes| !schemes.contains(&item.scheme))
        {
            return Err(refused(format!("limits.schemes does not allow {}", item.scheme)));
        }
        if self
            .keys
            .as_ref()
            .is_some_and(|keys| !self.is_allowed(keys, ring, &item.key))
        {
            return Err(refused(format!("limits.keys does not allow {}", item.key)));
        }
        if self.rate > 0 && !self.take(item.key, now) {
            let fault = Fault::new(
                FaultClass::Overloaded,
                format!(
                    "the key {} has made the {} signatures it may make in a second",
                    item.key, self.rate
                ),
            );
            return Err(fault.retry_after(1000 / self.rate.min(1000)));
        }
        Ok(())
    }

    /// The scheme of a test signature with this key: what its kind is used with, or what else is allowed; nothing when the key
    /// may not sign at all.
    pub(crate) fn test_scheme(&self, record: &KeyRecord) -> Option<Scheme> {
        if self.keys.as_ref().is_some_and(|keys| !is_named(keys, record)) {
            return None;
        }
        let is_allowed = |scheme: &Scheme| {
            scheme.is_usable_with(record.kind)
                && self
                    .schemes
                    .as_ref()
                    .is_none_or(|allowed| allowed.contains(scheme))
        };
        [Scheme::default_for(record.kind)]
            .into_iter()
            .chain(Scheme::ALL)
            .find(is_allowed)
    }

    /// Whether keys may be made.
    pub(crate) fn admit_generation(&self) -> Result<(), Fault> {
        if self.may_generate {
            Ok(())
        } else {
            Err(refused("limits.generate is off".to_owned()))
        }
    }

    /// Whether private keys may be taken over.
    pub(crate) fn admit_import(&self) -> Result<(), Fault> {
        if self.may_import {
            Ok(())
        } else {
            Err(refused("limits.import is off".to_owned()))
        }
    }

    fn is_allowed(&self, keys: &HashSet<String>, ring: &KeyRing, key: &KeyRef) -> bool {
        if let Some(decided) = self.decided.read().get(key) {
            return *decided;
        }
        // A key that is not there is let through, to be answered as what it is: not found.
        let Some(record) = ring.find(key) else { return true };
        let allowed = is_named(keys, &record);
        self.decided.write().insert(*key, allowed);
        allowed
    }

    fn take(&self, key: KeyRef, now: Instant) -> bool {
        let rate = f64::from(self.rate);
        let mut buckets = self.buckets.lock();
        let bucket = buckets.entry(key).or_insert(Bucket { level: rate, at: now });
        let gained = now.saturating_duration_since(bucket.at).as_secs_f64() * rate;
        bucket.level = (bucket.level + gained).min(rate);
        bucket.at = now;
        let admitted = bucket.level >= 1.0;
        if admitted {
            bucket.level -= 1.0;
        }
        admitted
    }
}

/// Whether the list has the key's label or its fingerprint.
fn is_named(keys: &HashSet<String>, record: &KeyRecord) -> bool {
    keys.contains(&record.label) || keys.contains(&record.key.to_string())
}

fn refused(why: String) -> Fault {
    Fault::new(FaultClass::Refused, why)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::time::Duration;

    use signer_wire::{Backend, Input, KeyKind};

    use super::*;

    fn ring_and_item() -> (KeyRing, Sign) {
        let ring = KeyRing::in_memory();
        let record = ring
            .generate(&Backend::Software, "issuing", KeyKind::P256)
            .unwrap();
        let item = Sign {
            key: record.key,
            scheme: Scheme::EcdsaSha256,
            input: Input::Message(vec![1]),
        };
        (ring, item)
    }

    fn class(outcome: Result<(), Fault>) -> Option<FaultClass> {
        outcome.err().map(|fault| fault.class)
    }

    #[test]
    fn keys_are_allowed_by_label_or_fingerprint_and_others_are_refused() {
        let (ring, item) = ring_and_item();
        let now = Instant::now();
        for (keys, expected) in [
            (vec![], None),
            (vec!["issuing".to_owned()], None),
            (vec![item.key.to_string()], None),
            (vec!["root".to_owned()], Some(FaultClass::Refused)),
        ] {
            let guard = Guard::new(&Limits {
                keys,
                ..Limits::default()
            });
            assert_eq!(class(guard.admit(&ring, &item, now)), expected);
            assert_eq!(
                class(guard.admit(&ring, &item, now)),
                expected,
                "and the same the second time"
            );
        }
    }

    #[test]
    fn schemes_that_are_not_listed_are_refused() {
        let (ring, item) = ring_and_item();
        let guard = Guard::new(&Limits {
            schemes: vec!["ed25519".to_owned()],
            ..Limits::default()
        });
        assert_eq!(
            class(guard.admit(&ring, &item, Instant::now())),
            Some(FaultClass::Refused)
        );
    }

    #[test]
    fn a_test_signature_keeps_to_the_limits_of_everybody() {
        let (ring, item) = ring_and_item();
        let record = ring.find(&item.key).unwrap();
        let scheme = |keys: &[&str], schemes: &[&str]| {
            let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect();
            let guard = Guard::new(&Limits {
                keys: owned(keys),
                schemes: owned(schemes),
                ..Limits::default()
            });
            guard.test_scheme(&record)
        };
        assert_eq!(scheme(&[], &[]), Some(Scheme::EcdsaSha256));
        assert_eq!(scheme(&["issuing"], &[]), Some(Scheme::EcdsaSha256));
        assert_eq!(scheme(&["root"], &[]), None);
        assert_eq!(scheme(&[], &["ed25519"]), None);
    }

    #[test]
    fn the_rate_of_a_key_is_held() {
        let (ring, item) = ring_and_item();
        let guard = Guard::new(&Limits {
            signatures_per_second: 10,
            ..Limits::default()
        });
        let start = Instant::now();
        let admitted = (0..20)
            .filter(|_| guard.admit(&ring, &item, start).is_ok())
            .count();
        assert_eq!(admitted, 10, "the burst");
        assert_eq!(
            class(guard.admit(&ring, &item, start)),
            Some(FaultClass::Overloaded)
        );
        let later = start + Duration::from_millis(310);
        let admitted = (0..20)
            .filter(|_| guard.admit(&ring, &item, later).is_ok())
            .count();
        assert_eq!(admitted, 3, "what has come in since");
    }

    #[test]
    fn generation_and_import_can_be_switched_off() {
        let guard = Guard::new(&Limits {
            generate: false,
            import: false,
            ..Limits::default()
        });
        assert_eq!(class(guard.admit_generation()), Some(FaultClass::Refused));
        assert_eq!(class(guard.admit_import()), Some(FaultClass::Refused));
        let guard = Guard::new(&Limits::default());
        assert!(guard.admit_generation().is_ok() && guard.admit_import().is_ok());
    }
}
