//! A look at a token, without verifying it.
//!
//! The courier cannot verify what others signed for the appliance, and need not. It looks at two claims for the sake of its own
//! workload: whom the token is meant for, since a token that a cloud accepts must not be shown to anybody else, and whether its time
//! is over, since then the message here is clearer than the appliance's.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::Fault;

/// Longest token looked at, in octets.
pub const MAX_TOKEN_LEN: usize = 32 * 1024;
/// How far clocks may differ, in seconds.
const SKEW: i64 = 60;

/// Audiences that a cloud exchanges for its own credentials, lower case.
const EXCHANGE_AUDIENCES: &[&str] = &[
    "api://azureadtokenexchange",
    "api://azureadtokenexchangechina",
    "api://azureadtokenexchangeusgov",
    "sts.amazonaws.com",
    "sts.amazonaws.com.cn",
];
/// Hosts of audiences with which a cloud's resources are managed or read.
const MANAGEMENT_HOSTS: &[&str] = &[
    "graph.microsoft.com",
    "graph.windows.net",
    "management.azure.com",
    "management.chinacloudapi.cn",
    "management.core.chinacloudapi.cn",
    "management.core.usgovcloudapi.net",
    "management.core.windows.net",
    "management.usgovcloudapi.net",
    "storage.azure.com",
    "vault.azure.net",
];

/// What a token says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peek {
    /// Whom it is meant for.
    pub audiences: Vec<String>,
    /// When its time is over, in seconds since 1970.
    pub expires_at: Option<i64>,
}

#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    aud: Audience,
    exp: Option<serde_json::Number>,
}

#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Audience {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

impl Peek {
    /// Reads the claims of a compact JWT; `None` is returned for anything else.
    pub fn at(token: &str) -> Option<Self> {
        if token.len() > MAX_TOKEN_LEN {
            return None;
        }
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        if header.is_empty() || URL_SAFE_NO_PAD.decode(signature).is_err() {
            return None;
        }
        let payload = Zeroizing::new(URL_SAFE_NO_PAD.decode(payload).ok()?);
        let claims: Claims = serde_json::from_slice(&payload).ok()?;
        Some(Self {
            audiences: match claims.aud {
                Audience::None => Vec::new(),
                Audience::One(one) => vec![one],
                Audience::Many(many) => many,
            },
            expires_at: claims.exp.and_then(|exp| whole_seconds(&exp)),
        })
    }

    /// An audience that a cloud exchanges for its own credentials.
    pub fn foreign_audience(&self) -> Option<&str> {
        self.audiences
            .iter()
            .map(String::as_str)
            .find(|&audience| is_exchange_audience(audience))
    }
}

/// Refuses a token that is no JWT, whose time is over, or that a cloud would exchange.
pub fn check(token: &str, origin: &str, allow_foreign: bool, now: Timestamp) -> Result<Peek, Fault> {
    let peek = Peek::at(token)
        .ok_or_else(|| Fault::Malformed(format!("what {origin} holds is not a compact JSON web token")))?;
    if let Some(expires_at) = peek.expires_at
        && expires_at.saturating_add(SKEW) < now.as_second()
    {
        let expired_at = Timestamp::from_second(expires_at)
            .map_or_else(|_| format!("second {expires_at}"), |time| time.to_string());
        return Err(Fault::Expired {
            origin: origin.to_owned(),
            expired_at,
        });
    }
    match peek.foreign_audience() {
        Some(audience) if !allow_foreign => Err(Fault::ForeignAudience {
            origin: origin.to_owned(),
            audience: audience.to_owned(),
        }),
        _ => Ok(peek),
    }
}

/// Whether a cloud exchanges tokens of this audience for its own credentials.
pub fn is_exchange_audience(audience: &str) -> bool {
    let audience = audience.to_ascii_lowercase();
    let bare = audience
        .strip_prefix("https:")
        .unwrap_or(&audience)
        .trim_start_matches('/')
        .trim_end_matches('/');
    EXCHANGE_AUDIENCES.contains(&audience.as_str())
        || EXCHANGE_AUDIENCES.contains(&bare)
        || bare.starts_with("iam.googleapis.com/")
}

/// Whether a token of this audience manages or reads what a cloud keeps.
pub fn is_management_audience(audience: &str) -> bool {
    let audience = audience.to_ascii_lowercase();
    let rest = audience
        .split_once("://")
        .map_or(audience.as_str(), |(_, rest)| rest);
    let host = rest.split(['/', ':', '?']).next().unwrap_or_default();
    MANAGEMENT_HOSTS.contains(&host) || host.ends_with(".vault.azure.net")
}

fn whole_seconds(exp: &serde_json::Number) -> Option<i64> {
    // RFC 7519 §2: a NumericDate may have a fraction.
    exp.as_i64().or_else(|| {
        exp.to_string()
            .split('.')
            .next()
            .and_then(|whole| whole.parse().ok())
    })
}

#[cfg(test)]
mod tests;
