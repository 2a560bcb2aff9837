//! Keys of those whose tokens couriers show: fetched where they say (OpenID Connect Discovery §4, SPIFFE bundle endpoints), and kept
//! for a while, so that an issuer that is away for a moment keeps nobody out.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jose::KeySet;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::binding::KeySource;
use super::session::Denial;
use crate::authority::Authority;
use crate::clock::since_start;
use crate::error::Error;

/// How long keys are taken as they are.
const FRESH: Duration = Duration::from_hours(1);
/// How long they are good when the issuer cannot be asked.
const STALE: Duration = Duration::from_hours(24);
/// How often at most an issuer is asked because of a key that is not known.
const PAUSE: Duration = Duration::from_mins(1);
/// Longest document, in octets.
pub const MOST_DOCUMENT: usize = 256 * 1024;
/// Most issuers whose keys are kept.
const MOST: usize = 1000;

/// How documents are fetched: by `https`, without following redirects, no longer than [`MOST_DOCUMENT`]. The program gives it, because
/// here is no HTTP.
#[derive(Clone)]
pub struct DocumentFetch(Arc<Fetch>);

type Fetch = dyn Fn(String) -> Fetching + Send + Sync;
/// A document on its way.
pub type Fetching = Pin<Box<dyn Future<Output = Result<Vec<u8>, String>> + Send>>;

impl DocumentFetch {
    /// Fetches by this function.
    pub fn new(fetch: impl Fn(String) -> Fetching + Send + Sync + 'static) -> Self {
        Self(Arc::new(fetch))
    }

    /// Fetches what is at this address.
    pub fn fetch(&self, address: String) -> Fetching {
        (self.0)(address)
    }
}

impl fmt::Debug for DocumentFetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DocumentFetch")
    }
}

/// The keys that are known.
#[derive(Debug, Default)]
pub(crate) struct IssuerKeys {
    /// By the address they came from. One is asked for at a time.
    known: Mutex<HashMap<String, Arc<Mutex<Known>>>>,
    /// Where the keys of an issuer are that was asked for them.
    sources: Mutex<HashMap<String, KeySource>>,
}

impl IssuerKeys {
    /// Notes where the keys of an issuer are.
    pub(crate) async fn hear_of(&self, issuer: &str, source: &KeySource) {
        let mut sources = self.sources.lock().await;
        if sources.contains_key(issuer) {
            return;
        }
        if sources.len() >= MOST {
            sources.clear();
        }
        sources.insert(issuer.to_owned(), source.clone());
    }

    /// Where the keys of an issuer are, when somebody's token was held against them.
    pub(crate) async fn source_of(&self, issuer: &str) -> Option<KeySource> {
        self.sources.lock().await.get(issuer).cloned()
    }
}

#[derive(Debug, Default)]
struct Known {
    keys: Option<Arc<KeySet>>,
    fetched_at: Duration,
    asked_at: Option<Duration>,
}

/// What is done about keys that are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Those that are known are taken.
    Take,
    /// The issuer is asked.
    Ask,
    /// Neither: it was asked a moment ago, and what is known is too old or nothing.
    Refuse,
}

impl Known {
    fn next(&self, now: Duration, anew: bool) -> Next {
        let age = now.saturating_sub(self.fetched_at);
        let was_just_asked = self.asked_at.is_some_and(|at| now.saturating_sub(at) < PAUSE);
        match &self.keys {
            Some(_) if age < FRESH && !anew => Next::Take,
            // An issuer that does not answer must not bring keys to life that it may have withdrawn.
            Some(_) if was_just_asked && age < STALE => Next::Take,
            _ if was_just_asked => Next::Refuse,
            _ => Next::Ask,
        }
    }
}

/// The courier learns that this is no fault of its own, and not whom it is that the appliance asks.
fn unreachable(address: &str, why: &str) -> Denial {
    tracing::warn!(address, why, "the keys of an issuer are not there");
    Denial::Known(Error::Unavailable {
        code: "issuer_unreachable",
        message: "the issuer of the credential cannot be asked now: try again later".to_owned(),
    })
}

#[derive(Deserialize)]
struct Configuration {
    issuer: String,
    jwks_uri: String,
}

/// Reads a key set.
pub(crate) fn read(document: &[u8]) -> Result<KeySet, String> {
    KeySet::parse(document).map_err(|fault| fault.to_string())
}

impl Authority {
    /// The keys at an address; of an OpenID provider through its own description. With `anew`, because a key is missing, it is asked
    /// again, unless it was just asked.
    pub(crate) async fn keys_of(
        &self,
        address: &str,
        issuer: Option<&str>,
        anew: bool,
    ) -> Result<Arc<KeySet>, Denial> {
        let known = {
            let mut all = self.inner().couriers.issuer_keys.known.lock().await;
            if all.len() >= MOST && !all.contains_key(address) {
                all.clear();
            }
            Arc::clone(all.entry(address.to_owned()).or_default())
        };
        let mut known = known.lock().await;
        let now = since_start();
        match (known.next(now, anew), &known.keys) {
            (Next::Take, Some(keys)) => return Ok(Arc::clone(keys)),
            (Next::Refuse, _) => return Err(unreachable(address, "it was asked a moment ago")),
            _ => {}
        }
        known.asked_at = Some(now);
        match self.fetch_keys(address, issuer).await {
            Ok(keys) => {
                let keys = Arc::new(keys);
                known.keys = Some(Arc::clone(&keys));
                known.fetched_at = now;
                Ok(keys)
            }
            Err(fault) => {
                tracing::warn!(address, fault, "the keys of an issuer cannot be fetched");
                let age = now.saturating_sub(known.fetched_at);
                let kept = known.keys.clone().filter(|_| age < STALE);
                kept.ok_or_else(|| unreachable(address, &fault))
            }
        }
    }

    async fn fetch_keys(&self, address: &str, issuer: Option<&str>) -> Result<KeySet, String> {
        let Some(issuer) = issuer else {
            return read(&self.fetch(address).await?);
        };
        let document = self.fetch(address).await?;
        let configuration: Configuration = serde_json::from_slice(&document)
            .map_err(|_| "the description of the issuer cannot be read".to_owned())?;
        // OpenID Connect Discovery §4.3: whoever describes itself as somebody else is not the issuer.
        if configuration.issuer.trim_end_matches('/') != issuer.trim_end_matches('/') {
            return Err("the description is that of another issuer".to_owned());
        }
        read(&self.fetch(&configuration.jwks_uri).await?)
    }

    async fn fetch(&self, address: &str) -> Result<Vec<u8>, String> {
        let Some(documents) = &self.inner().settings.couriers.fetch_document else {
            return Err("nothing is fetched here: pin the keys of the issuer".to_owned());
        };
        let document = documents.fetch(address.to_owned()).await?;
        if document.len() > MOST_DOCUMENT {
            return Err(format!("the document has more than {MOST_DOCUMENT} octets"));
        }
        Ok(document)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    #[test]
    fn old_keys_do_not_come_back_to_life_while_an_issuer_is_away() {
        let minutes = |minutes| Duration::from_mins(minutes);
        let known = |fetched_at, asked_at, has_keys: bool| Known {
            keys: has_keys.then(|| Arc::new(KeySet::parse(b"{\"keys\":[]}").unwrap())),
            fetched_at,
            asked_at,
        };
        let day = minutes(24 * 60);
        // Known keys, by their age, when they were not just asked for.
        let fresh = known(day, Some(day), true);
        assert_eq!(fresh.next(day + minutes(59), false), Next::Take);
        assert_eq!(fresh.next(day + minutes(59), true), Next::Ask);
        assert_eq!(fresh.next(day + minutes(61), false), Next::Ask);
        // Asked half a minute ago: not again, and only what is not too old.
        let half = Duration::from_secs(30);
        assert_eq!(fresh.next(day + half, true), Next::Take);
        let old = known(day, Some(day + minutes(120)), true);
        assert_eq!(old.next(day + minutes(120) + half, false), Next::Take);
        let too_old = known(day, Some(day * 2 + minutes(1)), true);
        assert_eq!(too_old.next(day * 2 + minutes(1) + half, false), Next::Refuse);
        assert_eq!(too_old.next(day * 2 + minutes(3), false), Next::Ask);
        // Nothing is known: asked once a minute.
        assert_eq!(known(Duration::ZERO, None, false).next(day, false), Next::Ask);
        assert_eq!(
            known(Duration::ZERO, Some(day), false).next(day + half, false),
            Next::Refuse
        );
    }
}
