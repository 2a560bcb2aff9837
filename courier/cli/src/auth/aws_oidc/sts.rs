//! The security token service (STS), of one region.

use jiff::Timestamp;
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};

use super::super::fetch::{Question, is_near, url};
use super::super::presented::SignedRequest;
use super::super::{Environment, Fault};
use super::credentials::Credentials;
use super::sigv4::{Scope, Unsigned, authorization, encode};

/// The header of a signed request that names the appliance, so that the request is worth nothing to another.
const APPLIANCE_HEADER: &str = "x-chancery-appliance";
/// The header that names the key of the session (RFC 7638), so that nobody on the way can put another one there.
const SESSION_KEY_HEADER: &str = "x-chancery-session-key";

const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";
const VERSION: &str = "2011-06-15";
/// A run lasts seconds; the least that STS gives is a minute.
const LIFETIME_SECONDS: &str = "300";

/// The endpoint of a region.
pub(super) fn endpoint(region: &str, environment: &dyn Environment) -> Result<Url, Fault> {
    let is_name = !region.is_empty()
        && region
            .bytes()
            .all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-');
    if !is_name {
        return Err(Fault::Setting(format!("auth.region {region:?} is no region")));
    }
    let endpoint = if let Some(told) = environment.var("AWS_ENDPOINT_URL_STS") {
        url(&told, "AWS_ENDPOINT_URL_STS")?
    } else {
        let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
        url(
            &format!("https://sts.{region}.amazonaws.com{suffix}/"),
            "auth.region",
        )?
    };
    if endpoint.scheme() != "https" && !is_near(&endpoint) {
        return Err(Fault::Endpoint {
            endpoint: "AWS_ENDPOINT_URL_STS".to_owned(),
            reason: "only https is spoken beyond this machine and its link",
        });
    }
    Ok(endpoint)
}

/// A token about the calling role, for these audiences (GetWebIdentityToken).
pub(super) async fn web_identity(
    endpoint: &Url,
    region: &str,
    audiences: &[String],
    keys: &Credentials,
    now: Timestamp,
) -> Result<SecretString, Fault> {
    let mut fields = vec![("Action".to_owned(), "GetWebIdentityToken".to_owned())];
    for (number, audience) in audiences.iter().enumerate() {
        fields.push((
            format!("Audience.member.{}", number.saturating_add(1)),
            audience.clone(),
        ));
    }
    fields.push(("DurationSeconds".to_owned(), LIFETIME_SECONDS.to_owned()));
    fields.push(("SigningAlgorithm".to_owned(), "ES384".to_owned()));
    let request = signed(endpoint, region, &fields, &[], keys, now)?;
    let mut question = Question::new(reqwest::Method::POST, endpoint.clone());
    for (name, value) in &request.headers {
        // The host is told by whoever sends the request.
        if name != "host" {
            question = question.header(name, value.expose_secret())?;
        }
    }
    let answer = question.with_body(request.body).ask(None).await?.good()?;
    let text = answer.text()?;
    // A token has no character that XML writes otherwise.
    text.split_once("<WebIdentityToken>")
        .and_then(|(_, rest)| rest.split_once("</WebIdentityToken>"))
        .map(|(token, _)| SecretString::from(token.trim()))
        .ok_or_else(|| Fault::Malformed(format!("{} gave no token", answer.endpoint)))
}

/// A request that tells who signed it (GetCallerIdentity), signed together with the name of the appliance.
pub(super) fn caller_identity(
    endpoint: &Url,
    region: &str,
    identity: &str,
    thumbprint: Option<&str>,
    keys: &Credentials,
    now: Timestamp,
) -> Result<SignedRequest, Fault> {
    let fields = [("Action".to_owned(), "GetCallerIdentity".to_owned())];
    let mut extra = vec![(APPLIANCE_HEADER, identity)];
    extra.extend(thumbprint.map(|thumbprint| (SESSION_KEY_HEADER, thumbprint)));
    signed(endpoint, region, &fields, &extra, keys, now)
}

fn signed(
    endpoint: &Url,
    region: &str,
    fields: &[(String, String)],
    extra: &[(&str, &str)],
    keys: &Credentials,
    at: Timestamp,
) -> Result<SignedRequest, Fault> {
    let version = ("Version".to_owned(), VERSION.to_owned());
    let body: Vec<String> = fields
        .iter()
        .chain([&version])
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    let body = body.join("&");
    let host = match (endpoint.host_str(), endpoint.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => return Err(Fault::Setting("the endpoint of STS has no host".to_owned())),
    };
    let scope = Scope {
        region,
        service: "sts",
        at,
    };
    let date_time = scope.date_time();
    let mut headers = vec![
        ("content-type", FORM),
        ("host", host.as_str()),
        ("x-amz-date", date_time.as_str()),
    ];
    if let Some(token) = &keys.session_token {
        headers.push(("x-amz-security-token", token.expose_secret()));
    }
    headers.extend_from_slice(extra);
    let unsigned = Unsigned {
        method: "POST",
        path: endpoint.path(),
        query: &[],
        headers: &headers,
        body: body.as_bytes(),
    };
    let authorization = authorization(&unsigned, keys, &scope);
    headers.push(("authorization", &authorization));
    Ok(SignedRequest {
        method: "POST".to_owned(),
        url: endpoint.to_string(),
        headers: headers
            .into_iter()
            .map(|(name, value)| (name.to_owned(), SecretString::from(value)))
            .collect(),
        body,
    })
}
