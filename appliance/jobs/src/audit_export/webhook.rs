//! Lines posted to a web address, signed with a shared secret.
//!
//! `Chancery-Signature: t=<seconds>,v1=<hexadecimal>` is HMAC-SHA256 over the seconds, a full stop and the body, so that the
//! receiver knows who sent it and can refuse what is old. An answer of 2xx is the receipt; nothing is followed elsewhere.

use std::fmt::Write as _;

use aws_lc_rs::hmac;
use ca::AuditLine;
use jiff::Timestamp;
use reqwest::{Client, Url};
use secrecy::{ExposeSecret as _, SecretString};

use super::joined;
use crate::web_client::{self, chain};

const SIGNATURE: &str = "chancery-signature";

#[derive(Debug)]
pub(super) struct WebhookExport {
    url: Url,
    client: Client,
    secret: SecretString,
}

impl WebhookExport {
    pub(super) fn new(url: &str, roots: Option<&[u8]>, secret: SecretString) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|error| format!("url: {error}"))?;
        Ok(Self {
            url,
            client: web_client::client(roots)?,
            secret,
        })
    }

    pub(super) async fn send(&self, lines: &[AuditLine], now: Timestamp) -> Result<(), String> {
        let body = joined(lines);
        let seconds = now.as_second();
        let request = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/x-ndjson")
            .header(
                SIGNATURE,
                signature(self.secret.expose_secret().as_bytes(), seconds, body.as_bytes()),
            )
            .body(body);
        let answer = request.send().await.map_err(|error| chain(&error))?;
        let status = answer.status();
        if status.is_success() {
            Ok(())
        } else {
            Err(format!("{} answered {status}", self.url))
        }
    }
}

fn signature(secret: &[u8], seconds: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let mut context = hmac::Context::with_key(&key);
    context.update(seconds.to_string().as_bytes());
    context.update(b".");
    context.update(body);
    let mut text = format!("t={seconds},v1=");
    for octet in context.sign().as_ref() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{octet:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By `printf '1893499200.{}\n' | openssl dgst -sha256 -hmac secret`.
    #[test]
    fn the_signature_is_the_one_that_openssl_makes() {
        let expected = "t=1893499200,v1=31bff4871e4305ea62dd744baf1b9082bfcfc8f5d714400aace50e0e4472598e";
        assert_eq!(signature(b"secret", 1_893_499_200, b"{}\n"), expected);
    }
}
