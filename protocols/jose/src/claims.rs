//! Claims of a verified token (RFC 7519 §4) and the checks that every credential passes.

use serde_json::{Map, Value};

use crate::jws::Verified;
use crate::object;

/// Most clock difference that is ever forgiven, in seconds.
pub const MAX_SKEW: i64 = 60;
/// Longest life a credential may have, in seconds.
pub const MAX_LIFETIME: i64 = 24 * 60 * 60;

/// Why claims are not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimsFault {
    /// The payload is no JSON object, or a registered claim has the wrong kind.
    #[error("the claims cannot be read: {0}")]
    Malformed(&'static str),
    /// A claim that every credential has.
    #[error("the claim `{0}` is missing")]
    Missing(&'static str),
    /// Another issuer.
    #[error("it is from another issuer")]
    Issuer,
    /// For somebody else.
    #[error("it is for another audience")]
    Audience,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// Its time has not come.
    #[error("it is not valid yet")]
    NotYet,
    /// It lives longer than is accepted.
    #[error("it is valid for longer than is accepted")]
    Lifetime,
}

/// What a credential has to say. Times are seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// `iss`; nothing where the set of keys alone says who issues (JWT-SVID).
    pub issuer: Option<&'a str>,
    /// One of these has to be in `aud`. An empty list accepts nothing.
    pub audiences: &'a [&'a str],
    /// The present.
    pub now: i64,
    /// Clock difference to forgive, in seconds; at most [`MAX_SKEW`] counts.
    pub skew: i64,
    /// Longest life, in seconds; at most [`MAX_LIFETIME`] counts.
    pub max_lifetime: i64,
}

/// The claims of a token whose signature was verified.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims {
    object: Map<String, Value>,
    audiences: Vec<String>,
    expires: Option<i64>,
    not_before: Option<i64>,
    issued: Option<i64>,
}

impl Claims {
    /// Reads the payload of a verified token.
    pub fn from_verified(verified: &Verified) -> Result<Self, ClaimsFault> {
        let object = object::parse(verified.payload()).ok_or(ClaimsFault::Malformed(
            "they are no JSON object of distinct members",
        ))?;
        for name in ["iss", "sub", "jti"] {
            if object.get(name).is_some_and(|value| !value.is_string()) {
                return Err(ClaimsFault::Malformed("iss, sub or jti is no text"));
            }
        }
        Ok(Self {
            audiences: audiences(object.get("aud")).ok_or(ClaimsFault::Malformed("aud is no text"))?,
            expires: time(&object, "exp")?,
            not_before: time(&object, "nbf")?,
            issued: time(&object, "iat")?,
            object,
        })
    }

    /// Checks issuer, audience and times.
    pub fn check(&self, expected: &Expected<'_>) -> Result<(), ClaimsFault> {
        if let Some(issuer) = expected.issuer
            && self.issuer().ok_or(ClaimsFault::Missing("iss"))? != issuer
        {
            return Err(ClaimsFault::Issuer);
        }
        if self.audiences.is_empty() {
            return Err(ClaimsFault::Missing("aud"));
        }
        if !self
            .audiences
            .iter()
            .any(|audience| expected.audiences.contains(&audience.as_str()))
        {
            return Err(ClaimsFault::Audience);
        }
        self.check_times(expected)
    }

    fn check_times(&self, expected: &Expected<'_>) -> Result<(), ClaimsFault> {
        let (now, skew) = (expected.now, expected.skew.clamp(0, MAX_SKEW));
        let expires = self.expires.ok_or(ClaimsFault::Missing("exp"))?;
        // RFC 7519 §4.1.4: not accepted on or after that time.
        if now >= expires.saturating_add(skew) {
            return Err(ClaimsFault::Expired);
        }
        let begins = [self.not_before, self.issued];
        if begins
            .into_iter()
            .flatten()
            .any(|begin| begin > now.saturating_add(skew))
        {
            return Err(ClaimsFault::NotYet);
        }
        // The earlier of both begins the life; a token without either lives from now on.
        let begin = begins.into_iter().flatten().min().unwrap_or(now);
        if expires.saturating_sub(begin) > expected.max_lifetime.clamp(0, MAX_LIFETIME) {
            return Err(ClaimsFault::Lifetime);
        }
        Ok(())
    }

    /// `iss`
    pub fn issuer(&self) -> Option<&str> {
        self.text("iss")
    }

    /// `sub`
    pub fn subject(&self) -> Option<&str> {
        self.text("sub")
    }

    /// `aud`: empty when it is missing.
    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// `exp`, in seconds since 1970.
    pub fn expires(&self) -> Option<i64> {
        self.expires
    }

    /// `nbf`, in seconds since 1970.
    pub fn not_before(&self) -> Option<i64> {
        self.not_before
    }

    /// `iat`, in seconds since 1970.
    pub fn issued(&self) -> Option<i64> {
        self.issued
    }

    /// `jti`
    pub fn id(&self) -> Option<&str> {
        self.text("jti")
    }

    /// Any claim: by its name, or by a JSON pointer (RFC 6901), which begins with a slash.
    pub fn claim(&self, name_or_pointer: &str) -> Option<&Value> {
        let Some(pointer) = name_or_pointer.strip_prefix('/') else {
            return self.object.get(name_or_pointer);
        };
        let (first, rest) = match pointer.split_once('/') {
            Some((first, _)) => (first, pointer.get(first.len()..).unwrap_or_default()),
            None => (pointer, ""),
        };
        self.object
            .get(&first.replace("~1", "/").replace("~0", "~"))?
            .pointer(rest)
    }

    /// Whether a claim is exactly this text.
    pub fn is(&self, name_or_pointer: &str, text: &str) -> bool {
        self.claim(name_or_pointer).and_then(Value::as_str) == Some(text)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.object.get(name)?.as_str()
    }
}

/// RFC 7519 §4.1.3: a text or a list of texts.
fn audiences(claim: Option<&Value>) -> Option<Vec<String>> {
    match claim {
        None => Some(Vec::new()),
        Some(Value::String(audience)) => Some(vec![audience.clone()]),
        Some(Value::Array(list)) => list
            .iter()
            .map(|audience| audience.as_str().map(str::to_owned))
            .collect(),
        Some(_) => None,
    }
}

/// RFC 7519 §2: a NumericDate may have a fraction, which is cut off.
fn time(object: &Map<String, Value>, name: &str) -> Result<Option<i64>, ClaimsFault> {
    let Some(value) = object.get(name) else {
        return Ok(None);
    };
    let whole = || format!("{:.0}", value.as_f64()?.floor()).parse().ok();
    let time = value.as_i64().or_else(whole);
    time.map(Some)
        .ok_or(ClaimsFault::Malformed("exp, nbf or iat is no time"))
}
