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
}

impl fmt::Debug for DocumentFetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DocumentFetch")
    }
}

/// The keys that are known, by the address they came from. One is asked for at a time.
#[derive(Debug, Default)]
pub(crate) struct IssuerKeys(Mutex<HashMap<String, Arc<Mutex<Known>>>>);

#[derive(Debug, Default)]
struct Known {
    keys: Option<Arc<KeySet>>,
    fetched_at: Duration,
    asked_at: Option<Duration>,
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
            let mut all = self.inner().couriers.issuer_keys.0.lock().await;
            if all.len() >= MOST && !all.contains_key(address) {
                all.clear();
            }
            Arc::clone(all.entry(address.to_owned()).or_default())
        };
        let mut known = known.lock().await;
        let now = since_start();
        let age = now.saturating_sub(known.fetched_at);
        let was_just_asked = known.asked_at.is_some_and(|at| now.saturating_sub(at) < PAUSE);
        if let Some(keys) = &known.keys
            && (was_just_asked || (age < FRESH && !anew))
        {
            return Ok(Arc::clone(keys));
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
                known.keys.clone().filter(|_| age < STALE).ok_or_else(|| {
                    let message = format!("the keys at {address} cannot be fetched: {fault}");
                    Denial::Known(Error::Unavailable {
                        code: "issuer_unreachable",
                        message,
                    })
                })
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
        let Some(DocumentFetch(fetch)) = &self.inner().settings.couriers.fetch_document else {
            return Err("nothing is fetched here: pin the keys of the issuer".to_owned());
        };
        let document = fetch(address.to_owned()).await?;
        if document.len() > MOST_DOCUMENT {
            return Err(format!("the document has more than {MOST_DOCUMENT} octets"));
        }
        Ok(document)
    }
}
