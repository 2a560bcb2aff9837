//! The bed of the tests of the methods: an appliance that says who it is and challenges, and what surrounds a method.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::source::{Appliance, Context, Method, Pending};
use super::{Fault, Places, Presented};

/// Who the appliance is.
pub(crate) const IDENTITY: &str = "https://ca.example.test";
/// What it challenges with.
pub(crate) const NONCE: &str = "bm9uY2Utb2YtdGhlLXRlc3Q";
/// The courier.
pub(crate) const COURIER: Uuid = Uuid::from_u128(0x550e_8400_e29b_41d4_a716_4466_5544_0000);

/// An appliance that answers at once.
pub(crate) struct Stub;

impl Appliance for Stub {
    fn identity(&self) -> Pending<'_, Result<String, Fault>> {
        Box::pin(async { Ok(IDENTITY.to_owned()) })
    }

    fn challenge(&self) -> Pending<'_, Result<String, Fault>> {
        Box::pin(async { Ok(NONCE.to_owned()) })
    }
}

/// What surrounds a method.
#[derive(Default)]
pub(crate) struct Surroundings {
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) places: Places,
    pub(crate) thumbprint: Option<String>,
}

impl Surroundings {
    /// With places that are not there, so that nothing of this machine is read.
    pub(crate) fn nowhere() -> Self {
        let nowhere = "/nonexistent/courier-test";
        Self {
            places: Places {
                azure_token_file: nowhere.into(),
                azure_metadata: "http://127.0.0.1:9".to_owned(),
                arc_tokens: nowhere.into(),
                aws_token_file: nowhere.into(),
                aws_metadata: "http://127.0.0.1:9".to_owned(),
                aws_containers: "http://127.0.0.1:9".to_owned(),
            },
            ..Self::default()
        }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) async fn present(&self, method: &Method) -> Result<Presented, Fault> {
        let context = Context {
            uuid: COURIER,
            environment: &self.variables,
            places: &self.places,
            appliance: &Stub,
            now: now(),
            thumbprint: self.thumbprint.as_deref(),
        };
        method.present(&context).await
    }
}

/// The time of the tests.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

/// A token for an audience, good for an hour. Its signature is none: whoever receives it here does not verify it.
pub(crate) fn token(audience: &str) -> String {
    token_with(&json!({ "aud": audience, "exp": 1_800_003_600, "sub": "workload" }))
}

/// A token with these claims.
pub(crate) fn token_with(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!(
        "{}.{}.c2lnbmF0dXJl",
        part(&json!({ "alg": "RS256", "kid": "k" })),
        part(claims)
    )
}

/// A part of a compact token.
pub(crate) fn part(token: &str, number: usize) -> Value {
    let part = token.split('.').nth(number).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}
