//! Signature Version 4 of AWS: a request is put into one canonical text, whose digest is signed with a key derived for one day, region and
//! service. What is signed is told by the caller; nothing is added here.

use std::fmt::Write as _;

use aws_lc_rs::{digest, hmac};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use super::credentials::Credentials;

/// A request before it is signed.
pub(super) struct Unsigned<'a> {
    /// The method of HTTP.
    pub(super) method: &'a str,
    /// The path, encoded.
    pub(super) path: &'a str,
    /// Names and values of the query, not encoded.
    pub(super) query: &'a [(&'a str, &'a str)],
    /// Names and values of the headers that are signed; `host` and `x-amz-date` are among them.
    pub(super) headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub(super) body: &'a [u8],
}

/// Where and when a signature holds.
pub(super) struct Scope<'a> {
    /// The region.
    pub(super) region: &'a str,
    /// The service.
    pub(super) service: &'a str,
    /// The time.
    pub(super) at: Timestamp,
}

impl Scope<'_> {
    /// The time as `x-amz-date` has it.
    pub(super) fn date_time(&self) -> String {
        self.at.strftime("%Y%m%dT%H%M%SZ").to_string()
    }

    fn date(&self) -> String {
        self.at.strftime("%Y%m%d").to_string()
    }

    fn text(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.date(), self.region, self.service)
    }

    fn key(&self, secret: &str) -> Zeroizing<Vec<u8>> {
        let first = Zeroizing::new(format!("AWS4{secret}").into_bytes());
        [self.date().as_str(), self.region, self.service, "aws4_request"]
            .iter()
            .fold(first, |key, text| mac(&key, text.as_bytes()))
    }
}

/// The value of the header `authorization`.
pub(super) fn authorization(unsigned: &Unsigned<'_>, keys: &Credentials, scope: &Scope<'_>) -> String {
    let (canonical, signed_headers) = canonical(unsigned);
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{}\n{}\n{}",
        scope.date_time(),
        scope.text(),
        hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref())
    );
    let key = scope.key(keys.secret_key.expose_secret());
    let signature = hex(&mac(&key, to_sign.as_bytes()));
    format!(
        "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={signed_headers}, Signature={signature}",
        keys.access_key,
        scope.text()
    )
}

/// The canonical text of a request, and the names of its headers.
fn canonical(unsigned: &Unsigned<'_>) -> (Zeroizing<String>, String) {
    let mut query: Vec<(String, String)> = unsigned
        .query
        .iter()
        .map(|(name, value)| (encode(name), encode(value)))
        .collect();
    query.sort();
    let query: Vec<String> = query
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut headers: Vec<(String, String)> = unsigned
        .headers
        .iter()
        .map(|(name, value)| {
            let value: Vec<&str> = value.split_ascii_whitespace().collect();
            (name.to_ascii_lowercase(), value.join(" "))
        })
        .collect();
    headers.sort();
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(";");
    let mut text = Zeroizing::new(format!(
        "{}\n{}\n{}\n",
        unsigned.method,
        unsigned.path,
        query.join("&")
    ));
    for (name, value) in &headers {
        text.push_str(name);
        text.push(':');
        text.push_str(value);
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&names);
    text.push('\n');
    text.push_str(&hex(digest::digest(&digest::SHA256, unsigned.body).as_ref()));
    (text, names)
}

/// Percent-encoding of everything but the unreserved (RFC 3986 §2.3).
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            encoded.push(char::from(octet));
        } else {
            let _ = write!(encoded, "%{octet:02X}");
        }
    }
    encoded
}

fn mac(key: &[u8], text: &[u8]) -> Zeroizing<Vec<u8>> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    Zeroizing::new(hmac::sign(&key, text).as_ref().to_vec())
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
