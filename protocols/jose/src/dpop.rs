//! Proofs that a client has the key of its session (RFC 9449).
//!
//! A proof is good for one request. That its `jti` was not seen before is for the caller to know.

use aws_lc_rs::rand::SecureRandom;
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

use crate::base64url;
use crate::claims::{Claims, MAX_SKEW};
use crate::jwk::{Thumbprint, sha256};
use crate::jws::{Header, Jws, JwsFault, SigningKey, VerifyKey};

/// Longest `jti`, in octets.
pub const MAX_ID_LEN: usize = 256;

const TYPE: &str = "dpop+jwt";
/// The claim of a body's hash.
const BODY: &str = "body_sha256";

/// Why a proof is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DpopFault {
    /// Not a signature, or one that does not verify.
    #[error("the proof is not signed as it should be")]
    Signature(#[from] JwsFault),
    /// Not a proof, or members are missing.
    #[error("it is no DPoP proof: {0}")]
    Malformed(&'static str),
    /// For another request.
    #[error("the proof is for another method or address")]
    Request,
    /// For another access token.
    #[error("the proof is for another access token")]
    Token,
    /// Made too long ago, or in the future.
    #[error("the proof is not of the present")]
    Time,
}

/// The request that a proof has to be for. Times are seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// The address asked; query and fragment do not count.
    pub url: &'a str,
    /// [`access_token_hash`] of the access token that comes with the request; nothing when none does.
    pub access_token_hash: Option<&'a str>,
    /// The present.
    pub now: i64,
    /// How old a proof may be, in seconds.
    pub max_age: i64,
}

/// What a proof proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The key that made it.
    pub thumbprint: Thumbprint,
    /// `jti`, to be accepted once.
    pub id: String,
    /// `iat`, in seconds since 1970.
    pub issued: i64,
    /// [`body_hash`] of the body that the proof covers, where it covers one.
    pub body_hash: Option<String>,
}

/// The request to make a proof for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// The address; query and fragment are left out.
    pub url: &'a str,
    /// [`access_token_hash`] of the access token, if there is one.
    pub access_token_hash: Option<&'a str>,
    /// The present, in seconds since 1970.
    pub now: i64,
    /// A name that no other proof has.
    pub id: &'a str,
    /// The body, when the proof is to cover it, which RFC 9449 leaves open.
    pub body: Option<&'a [u8]>,
}

/// Reads and verifies a proof (RFC 9449 §4.3).
pub fn verify(compact: &str, expected: &Expected<'_>) -> Result<Proof, DpopFault> {
    let jws = Jws::parse(compact)?;
    let header = jws.header();
    if !header
        .typ
        .as_deref()
        .is_some_and(|typ| typ.eq_ignore_ascii_case(TYPE))
    {
        return Err(DpopFault::Malformed("its typ is not dpop+jwt"));
    }
    let jwk = header
        .jwk
        .as_ref()
        .ok_or(DpopFault::Malformed("its header has no jwk"))?;
    let thumbprint = jwk.thumbprint();
    let claims = Claims::from_verified(&VerifyKey::from_jwk(jwk)?.verify(&jws)?)
        .map_err(|_| DpopFault::Malformed("its claims cannot be read"))?;
    let text = |name| claims.claim(name).and_then(Value::as_str);
    let (method, url) = text("htm")
        .zip(text("htu"))
        .ok_or(DpopFault::Malformed("htm or htu is missing"))?;
    let id = claims.id().filter(|id| (1..=MAX_ID_LEN).contains(&id.len()));
    let id = id
        .ok_or(DpopFault::Malformed("jti is missing or too long"))?
        .to_owned();
    let issued = claims.issued().ok_or(DpopFault::Malformed("iat is missing"))?;

    if method != expected.method || address(url) != address(expected.url) {
        return Err(DpopFault::Request);
    }
    if issued < expected.now.saturating_sub(expected.max_age)
        || issued > expected.now.saturating_add(MAX_SKEW)
    {
        return Err(DpopFault::Time);
    }
    if let Some(hash) = expected.access_token_hash {
        let told = text("ath").unwrap_or_default();
        if !bool::from(told.as_bytes().ct_eq(hash.as_bytes())) {
            return Err(DpopFault::Token);
        }
    }
    Ok(Proof {
        thumbprint,
        id,
        issued,
        body_hash: text(BODY).map(str::to_owned),
    })
}

/// Makes a proof (RFC 9449 §4.2).
pub fn build(key: &SigningKey, request: &Request<'_>, random: &dyn SecureRandom) -> Result<String, JwsFault> {
    let mut header = Header::new(key.algorithm());
    header.typ = Some(TYPE.to_owned());
    header.jwk = Some(key.jwk().clone());
    let mut claims = json!({
        "htm": request.method,
        "htu": request.url.split(['?', '#']).next(),
        "iat": request.now,
        "jti": request.id,
    });
    if let Some(claims) = claims.as_object_mut() {
        let hash = request.access_token_hash.map(|hash| ("ath", hash.to_owned()));
        let body = request.body.map(|body| (BODY, body_hash(body)));
        let more = [hash, body].into_iter().flatten();
        claims.extend(more.map(|(name, text)| (name.to_owned(), text.into())));
    }
    key.sign(&header, claims.to_string().as_bytes(), random)
}

/// `ath` of an access token (RFC 9449 §4.2).
pub fn access_token_hash(token: &str) -> String {
    base64url::encode(&sha256(token.as_bytes()))
}

/// `body_sha256`: SHA-256 of a body, base64url. No claim of RFC 9449; whoever ends TLS on the way changes nothing under such a proof.
pub fn body_hash(body: &[u8]) -> String {
    base64url::encode(&sha256(body))
}

/// An address without query and fragment, scheme and host in small letters, without the port that the scheme has anyway
/// (RFC 3986 §6.2.2, §6.2.3).
fn address(url: &str) -> String {
    let bare = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = bare.split_once("://") else {
        return bare.to_owned();
    };
    let (host, path) = rest
        .split_at_checked(rest.find('/').unwrap_or(rest.len()))
        .unwrap_or_default();
    let (scheme, host) = (scheme.to_ascii_lowercase(), host.to_ascii_lowercase());
    let port = if scheme == "https" { ":443" } else { ":80" };
    let host = host.strip_suffix(port).unwrap_or(&host);
    let path = if path.is_empty() { "/" } else { path };
    format!("{scheme}://{host}{path}")
}
