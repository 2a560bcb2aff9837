//! One call, before it is made.

use std::time::Duration;

use reqwest::Method;
use serde::Serialize;
use zeroize::Zeroizing;

use super::Fault;

const JSON: &str = "application/json";
const PEM: &str = "application/pem-certificate-chain";

/// One call, before it is made.
pub struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Option<Zeroizing<Vec<u8>>>,
    pub(super) idempotency_key: Option<String>,
    pub(super) etag: Option<String>,
    pub(super) is_repeatable: bool,
    pub(super) longer: Duration,
    pub(super) accept: &'static str,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("is_repeatable", &self.is_repeatable)
            .finish_non_exhaustive()
    }
}

impl Call {
    /// A call that asks. It may be repeated.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path.into(), true)
    }

    /// A call that asks for what is handed out once, and is not repeated.
    pub fn take(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path.into(), false)
    }

    /// A call that does something. It is not repeated, unless it is told that it may.
    pub fn post(path: impl Into<String>, body: &impl Serialize) -> Result<Self, Fault> {
        let mut call = Self::new(Method::POST, path.into(), false);
        let body = serde_json::to_vec(body)
            .map_err(|_| Fault::Setting(format!("the request to {} cannot be written", call.path)))?;
        call.body = Some(Zeroizing::new(body));
        Ok(call)
    }

    /// It may be repeated: doing it twice is doing it once.
    #[must_use]
    pub fn repeatable(mut self) -> Self {
        self.is_repeatable = true;
        self
    }

    /// It may be repeated, because the appliance knows it again by this key.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: &str) -> Self {
        self.idempotency_key = Some(key.to_owned());
        self.repeatable()
    }

    /// Only what has changed since this tag is wanted.
    #[must_use]
    pub fn unless(mut self, etag: Option<&str>) -> Self {
        self.etag = etag.map(ToOwned::to_owned);
        self
    }

    /// The appliance may take this much longer: it waits for something.
    #[must_use]
    pub fn longer(mut self, by: Duration) -> Self {
        self.longer = by;
        self
    }

    /// Certificates in PEM are wanted, and not JSON that has them.
    #[must_use]
    pub fn in_pem(mut self) -> Self {
        self.accept = PEM;
        self
    }

    fn new(method: Method, path: String, is_repeatable: bool) -> Self {
        Self {
            method,
            path,
            body: None,
            idempotency_key: None,
            etag: None,
            is_repeatable,
            longer: Duration::ZERO,
            accept: JSON,
        }
    }
}
