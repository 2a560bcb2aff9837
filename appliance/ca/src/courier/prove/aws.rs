//! A request to AWS that a workload signed and did not send: whoever sends it learns whose keys made the signature, and nothing can be
//! done with it but that (`GetCallerIdentity`).
//!
//! It names the appliance in a header that is signed, so that a request made for another one is worth nothing here, nor one made for us
//! elsewhere; and the key of the session in another, so that nobody between can put his own in its place.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jose::Thumbprint;
use zeroize::Zeroizing;

use super::{Proved, Whom, first_right};
use crate::authority::Authority;
use crate::courier::binding::Binding;
use crate::courier::credential::Credential;
use crate::courier::session::Denial;
use crate::error::Error;

/// What is asked, and nothing else.
const BODY: &str = "Action=GetCallerIdentity&Version=2011-06-15";
/// Names the appliance.
const APPLIANCE: &str = "x-chancery-appliance";
/// Names the key of the session by its thumbprint (RFC 7638).
const SESSION_KEY: &str = "x-chancery-session-key";
/// Has to be there, and has to be signed.
const NEEDED: [&str; 3] = ["host", "x-amz-date", APPLIANCE];
/// May be there; what changes what is asked has to be signed.
const KNOWN: [&str; 7] = [
    "host",
    "x-amz-date",
    APPLIANCE,
    SESSION_KEY,
    "x-amz-security-token",
    "content-type",
    "authorization",
];
/// How old a request may be, in seconds. AWS takes it for a quarter of an hour.
const FRESH: i64 = 5 * 60;
/// How long a request is remembered that was used, in seconds.
const REMEMBERED: i64 = 20 * 60;
/// Longest header, in octets; a token of a session has more than a thousand.
const MOST_HEADER: usize = 8 * 1024;
/// For what a request was used, in the table of what is used once.
const PURPOSE: &str = "courier.aws_request";

/// A request to STS.
#[derive(Clone)]
pub struct SignedRequest {
    /// Its method.
    pub method: String,
    /// Its address.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, Zeroizing<String>)>,
    /// Its body.
    pub body: String,
}

impl fmt::Debug for SignedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedRequest")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// How a request is sent: by POST, without following redirects, its answer no longer than [`crate::courier::MOST_DOCUMENT`]. The program
/// gives it, because here is no HTTP.
#[derive(Clone)]
pub struct RequestSend(Arc<SendOne>);

type SendOne = dyn Fn(SignedRequest) -> Sending + Send + Sync;
/// An answer on its way: its status and its body.
pub type Sending = Pin<Box<dyn Future<Output = Result<(u16, Vec<u8>), String>> + Send>>;

impl RequestSend {
    /// Sends by this function.
    pub fn new(send: impl Fn(SignedRequest) -> Sending + Send + Sync + 'static) -> Self {
        Self(Arc::new(send))
    }

    /// Sends this request.
    pub fn send(&self, request: SignedRequest) -> Sending {
        (self.0)(request)
    }
}

impl fmt::Debug for RequestSend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestSend")
    }
}

/// What a request says that was read.
#[derive(Debug)]
struct Checked {
    appliance: String,
    session_key: Option<String>,
    /// What no other request has.
    signature: String,
}

impl Authority {
    /// Holds the caller of a request against the credentials that are bound to one.
    pub(super) async fn prove_caller(
        &self,
        credentials: &[Credential],
        request: &SignedRequest,
        key: Option<&[u8; 32]>,
    ) -> Result<Proved, Denial> {
        let bound = |credential: &&Credential| match &credential.binding {
            Binding::AwsOidc(wanted) => wanted.caller.is_some(),
            _ => false,
        };
        let bound: Vec<Credential> = credentials.iter().filter(bound).cloned().collect();
        // AWS is asked for those alone who have a credential that it may decide about.
        if bound.is_empty() {
            return Err(Denial::Unknown(
                "no credential of the courier is bound to a caller",
            ));
        }
        let settings = &self.inner().settings.couriers;
        if !settings.sts_endpoints.contains(&request.url) {
            return Err(Denial::Unknown(
                "the request is for none of couriers.sts_endpoints",
            ));
        }
        let now = self.inner().clock.now().as_second();
        let checked = check(request, now).map_err(Denial::Unknown)?;
        let thumbprint = key.map(|key| Thumbprint(*key).to_string());
        if checked.session_key != thumbprint {
            return Err(Denial::Unknown(
                "the key of the session is not the one that was signed",
            ));
        }
        let is_first = self
            .use_once(PURPOSE, checked.signature.as_bytes(), now + REMEMBERED)
            .await?;
        if !is_first {
            return Err(Denial::Unknown("the request was used before"));
        }
        let caller = self.caller_of(request).await?;
        let names_key = thumbprint.is_some();
        let (appliance, caller, identity) = (&checked.appliance, &caller, &settings.identity);
        first_right(&bound, |_, binding| async move {
            let Binding::AwsOidc(wanted) = binding else {
                return Err(Denial::Unknown("the credential is of another method"));
            };
            let is_for_us = if wanted.audiences.is_empty() {
                appliance == identity
            } else {
                wanted.audiences.contains(appliance)
            };
            if !is_for_us {
                return Err(Denial::Unknown("the request was made for another appliance"));
            }
            if wanted.caller.as_deref().and_then(principal) != Some(caller.clone()) {
                return Err(Denial::Unknown("the caller is another one"));
            }
            Ok(Whom {
                subject: caller.clone(),
                names_key,
            })
        })
        .await
    }

    /// Whose keys signed a request, as AWS says.
    async fn caller_of(&self, request: &SignedRequest) -> Result<String, Denial> {
        let unreachable = |why: &str| {
            tracing::warn!(address = request.url, why, "STS gives no answer");
            Denial::Known(Error::Unavailable {
                code: "issuer_unreachable",
                message: "AWS cannot be asked now: try again later".to_owned(),
            })
        };
        let Some(requests) = &self.inner().settings.couriers.send_request else {
            return Err(unreachable("couriers.fetch_keys is off"));
        };
        let (status, body) = requests
            .send(request.clone())
            .await
            .map_err(|why| unreachable(&why))?;
        match status {
            200 => {}
            400..=499 => return Err(Denial::Unknown("AWS does not take the request")),
            other => return Err(unreachable(&format!("it answers {other}"))),
        }
        let caller = std::str::from_utf8(&body).ok().and_then(caller);
        caller.ok_or_else(|| unreachable("its answer is not what GetCallerIdentity gives"))
    }
}

/// Sees that a request asks who made it, of AWS and nobody else, now, and that everything it says was signed.
fn check(request: &SignedRequest, now: i64) -> Result<Checked, &'static str> {
    if request.method != "POST" || request.body != BODY {
        return Err("the request asks for something else than who made it");
    }
    let mut headers = BTreeMap::new();
    for (name, value) in &request.headers {
        let is_text = value.len() <= MOST_HEADER && value.bytes().all(|octet| (0x20..0x7f).contains(&octet));
        if !KNOWN.contains(&name.as_str()) || !is_text {
            return Err("the request has a header that does not belong to it");
        }
        if headers.insert(name.as_str(), value.as_str()).is_some() {
            return Err("the request has a header twice");
        }
    }
    let of = |name: &str| headers.get(name).copied();
    let authorization = of("authorization").ok_or("the request is not signed")?;
    let (signed, signature) = signature(authorization).ok_or("the signature cannot be read")?;
    let is_signed = |name: &str| signed.split(';').any(|one| one == name);
    let unsigned = headers
        .keys()
        .any(|name| !matches!(*name, "authorization" | "content-type") && !is_signed(name));
    if unsigned || NEEDED.iter().any(|name| of(name).is_none()) {
        return Err("the request has a header that is not signed, or lacks one");
    }
    let host = request
        .url
        .split_once("://")
        .and_then(|(_, rest)| rest.split('/').next());
    if host.is_none() || of("host") != host {
        return Err("the request is for another host");
    }
    let at = of("x-amz-date")
        .and_then(seconds)
        .ok_or("the time of the request cannot be read")?;
    if at.abs_diff(now) > FRESH.unsigned_abs() {
        return Err("the request is too old, or of the future");
    }
    Ok(Checked {
        appliance: of(APPLIANCE).unwrap_or_default().to_owned(),
        session_key: of(SESSION_KEY).map(ToOwned::to_owned),
        signature: signature.to_owned(),
    })
}

/// The names of the headers that are signed, and the signature (Signature Version 4).
fn signature(authorization: &str) -> Option<(&str, &str)> {
    let rest = authorization.strip_prefix("AWS4-HMAC-SHA256 Credential=")?;
    let mut parts = rest.split(", ");
    let (credential, signed, signature) = (parts.next()?, parts.next()?, parts.next()?);
    let is_sts = credential.ends_with("/sts/aws4_request");
    let signature = signature.strip_prefix("Signature=")?;
    let is_one = signature.len() == 64 && signature.bytes().all(|octet| octet.is_ascii_hexdigit());
    (is_sts && is_one && parts.next().is_none())
        .then_some((signed.strip_prefix("SignedHeaders=")?, signature))
}

/// The time of `20260102T030405Z`, in seconds.
fn seconds(text: &str) -> Option<i64> {
    let time = DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

/// The caller that an answer of `GetCallerIdentity` names.
fn caller(answer: &str) -> Option<String> {
    let result = element(answer, "GetCallerIdentityResult")?;
    let (arn, account) = (element(result, "Arn")?, element(result, "Account")?);
    let named = principal(arn)?;
    (named.split(':').nth(4)? == account).then_some(named)
}

/// What stands between the tags of this name, which stand there once.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (begin, end) = (format!("<{name}>"), format!("</{name}>"));
    let (_, rest) = xml.split_once(&begin)?;
    let (inner, after) = rest.split_once(&end)?;
    (!inner.contains(&begin) && !after.contains(&begin)).then(|| inner.trim())
}

/// A role or a user by the name that AWS gives only once: a session of a role is the role, whose path STS does not tell.
pub(in crate::courier) fn principal(arn: &str) -> Option<String> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let &["arn", partition, service, "", account, resource] = parts.as_slice() else {
        return None;
    };
    let is_account = account.len() == 12 && account.bytes().all(|digit| digit.is_ascii_digit());
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || b"_+=,.@-".contains(&octet))
    };
    if !is_account || !matches!(partition, "aws" | "aws-cn" | "aws-us-gov") {
        return None;
    }
    let path: Vec<&str> = resource.split('/').collect();
    let (kind, name) = match (service, path.as_slice()) {
        ("sts", ["assumed-role", name, _]) | ("iam", ["role", .., name]) => ("role", *name),
        ("iam", ["user", .., name]) => ("user", *name),
        _ => return None,
    };
    is_name(name).then(|| format!("arn:{partition}:iam::{account}:{kind}/{name}"))
}

#[cfg(test)]
mod tests;
