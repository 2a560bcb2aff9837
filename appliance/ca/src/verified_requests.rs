//! Requests that were read and verified before.
//!
//! Whether a request can be read and is signed with its own key depends on its octets alone, and checking that is the
//! dearest step of issuance that is ours. So the last ones are remembered: hosts renew with the request they have, and
//! send it again when an answer got lost. What the profile, the lists of known keys and the caller's rights say of it is looked
//! at every time.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use parking_lot::Mutex;
use pki::{Csr, CsrFault, Verified};

/// So many are remembered.
const MOST: usize = 2048;
/// Longer ones are not: in PEM, one for RSA-4096 with twenty names has 2 KiB.
const LONGEST: usize = 4096;

/// The octets as they came, PEM or DER, hashed.
type Name = [u8; 32];

/// The last requests that were verified.
#[derive(Debug, Default)]
pub(crate) struct VerifiedRequests(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    requests: HashMap<Name, Arc<Verified<Csr>>>,
    /// Oldest first.
    names: VecDeque<Name>,
}

impl VerifiedRequests {
    /// Reads a request and checks its signature, unless that was done before.
    pub(crate) fn verify(&self, octets: &[u8]) -> Result<Arc<Verified<Csr>>, CsrFault> {
        let name = (octets.len() <= LONGEST)
            .then(|| Name::try_from(digest(&SHA256, octets).as_ref()).ok())
            .flatten();
        let known = name.and_then(|name| self.0.lock().requests.get(&name).cloned());
        if let Some(known) = known {
            return Ok(known);
        }
        let verified = Arc::new(Csr::parse(octets)?.verify()?);
        if let Some(name) = name {
            self.0.lock().remember(name, &verified);
        }
        Ok(verified)
    }
}

impl Remembered {
    fn remember(&mut self, name: Name, verified: &Arc<Verified<Csr>>) {
        if self.requests.insert(name, Arc::clone(verified)).is_some() {
            return;
        }
        self.names.push_back(name);
        if self.names.len() > MOST
            && let Some(oldest) = self.names.pop_front()
        {
            self.requests.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test says what broke by panicking"
    )]

    use super::*;

    /// PEM as `openssl req -new` writes it, for a P-256 key.
    const REQUEST: &[u8] = include_bytes!("../testdata/request.pem");

    #[test]
    fn what_was_verified_is_remembered_by_its_octets() {
        let requests = VerifiedRequests::default();
        let first = requests.verify(REQUEST).unwrap();
        let again = requests.verify(REQUEST).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        assert_eq!(*first, Csr::parse(REQUEST).unwrap().verify().unwrap());
    }

    #[test]
    fn a_bad_one_stays_bad_also_beside_its_good_original() {
        let requests = VerifiedRequests::default();
        let good = requests.verify(REQUEST).unwrap();
        let mut forged = good.der().to_vec();
        *forged.last_mut().unwrap() ^= 1;
        for _ in 0..2 {
            assert_eq!(requests.verify(&forged), Err(CsrFault::Signature));
        }
        assert_eq!(requests.0.lock().names.len(), 1);
    }

    #[test]
    fn the_oldest_is_forgotten_and_the_longest_is_not_kept() {
        let mut remembered = Remembered::default();
        let verified = Arc::new(Csr::parse(REQUEST).unwrap().verify().unwrap());
        let name = |number: usize| {
            let mut name = [0; 32];
            name[..8].copy_from_slice(&number.to_be_bytes());
            name
        };
        for number in 0..=MOST {
            remembered.remember(name(number), &verified);
            remembered.remember(name(number), &verified);
        }
        assert_eq!((remembered.names.len(), remembered.requests.len()), (MOST, MOST));
        assert!(!remembered.requests.contains_key(&name(0)));
        assert!(remembered.requests.contains_key(&name(1)));

        let requests = VerifiedRequests::default();
        let padded = [&b"a line before it\n".repeat(LONGEST / 16)[..], REQUEST].concat();
        requests.verify(&padded).unwrap();
        assert!(requests.0.lock().requests.is_empty());
    }
}
