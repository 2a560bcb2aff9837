//! Tests of what earlier runs left: which of it is shown, and what is passed over.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret as _;

use super::super::super::bed::{Surroundings, now, part};
use super::super::super::{Method, Presented};
use super::super::Settings;
use super::*;
use crate::client::bed::certificates::{Authority, Pair};

const P256: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

/// A certificate that is valid at the time of the tests from this day on.
fn since(authority: &Authority, name: &str, day: &str) -> Pair {
    let from = format!("202612{day}000000Z");
    let validity = ["-startdate", &from, "-enddate", "20270601000000Z"];
    authority.certify_with(name, "DNS:web01.example.test", P256, &validity)
}

fn settings(own: &Pair, installed: &[&Pair]) -> Settings {
    let outputs = installed.iter().map(|pair| Outputs {
        certificate: pair.certificate.clone(),
        key: pair.key.clone(),
        passphrase: None,
    });
    Settings {
        cert_path: own.certificate.clone(),
        key_path: own.key.clone(),
        mutual_tls: false,
        installed: Some(std::sync::Arc::new(Installed::new(outputs.collect()))),
    }
}

/// Who is shown, by the common name.
async fn shown(method: &Method) -> String {
    let Presented::Certificate { challenge_jws } = Surroundings::nowhere().present(method).await.unwrap()
    else {
        panic!("another method");
    };
    let header = part(challenge_jws.expose_secret(), 0);
    let leaf = STANDARD.decode(header["x5c"][0].as_str().unwrap()).unwrap();
    Certificate::from_der(&leaf).unwrap().subject().to_string()
}

#[tokio::test]
async fn the_newest_is_shown_until_it_is_refused() {
    let authority = Authority::new();
    let own = since(&authority, "own", "01");
    let (older, newer) = (since(&authority, "older", "02"), since(&authority, "newer", "03"));
    let method = Method::Certificate(settings(&own, &[&older, &newer]));
    assert!(!method.falls_back(), "nothing was shown yet");
    assert_eq!(shown(&method).await, "CN=newer");
    assert_eq!(shown(&method).await, "CN=newer");
    assert!(method.falls_back());
    assert_eq!(shown(&method).await, "CN=own");
    assert!(!method.falls_back(), "once");
}

#[tokio::test]
async fn what_cannot_be_shown_is_passed_over() {
    let authority = Authority::new();
    let own = since(&authority, "own", "01");
    let expired = authority.certify_expired("expired", "DNS:web01.example.test");
    let (one, other) = (since(&authority, "one", "02"), since(&authority, "other", "03"));
    let mixed = Pair {
        certificate: one.certificate.clone(),
        key: other.key.clone(),
    };
    let absent = Pair {
        certificate: "/nonexistent/cert.pem".into(),
        key: "/nonexistent/privkey.pem".into(),
    };
    let mut request = P256.to_vec();
    request.extend(["-addext", "extendedKeyUsage=serverAuth"]);
    let validity = ["-startdate", "20261204000000Z", "-enddate", "20270601000000Z"];
    let server = authority.certify_with("server", "DNS:web01.example.test", &request, &validity);
    let none = Method::Certificate(settings(&own, &[&expired, &mixed, &absent, &server]));
    assert_eq!(shown(&none).await, "CN=own");
    assert!(!none.falls_back(), "nothing installed was shown");
    let some = Method::Certificate(settings(&own, &[&expired, &absent, &one]));
    assert_eq!(shown(&some).await, "CN=one");
}

#[tokio::test]
async fn files_that_are_not_needed_may_be_gone() {
    let authority = Authority::new();
    let one = since(&authority, "one", "02");
    let gone = Pair {
        certificate: "/nonexistent/boot.pem".into(),
        key: "/nonexistent/boot.key".into(),
    };
    let method = Method::Certificate(settings(&gone, &[&one]));
    assert_eq!(shown(&method).await, "CN=one");
    assert!(method.falls_back());
    let fault = Surroundings::nowhere().present(&method).await.unwrap_err();
    assert!(fault.to_string().contains("/nonexistent/boot"), "{fault}");
}

#[test]
fn a_key_that_is_encrypted_is_read_with_its_passphrase_which_is_told_to_nobody() {
    let authority = Authority::new();
    let pair = since(&authority, "one", "02");
    let key = crate::key::LocalKey::parse(&std::fs::read(&pair.key).unwrap(), None).unwrap();
    let passphrase = SecretString::from("correct horse");
    let sealed = key.to_pem(Some(&passphrase)).unwrap();
    std::fs::write(&pair.key, sealed.as_bytes()).unwrap();
    let outputs = |passphrase: Option<SecretString>| Outputs {
        certificate: pair.certificate.clone(),
        key: pair.key.clone(),
        passphrase,
    };
    let right = outputs(Some(passphrase));
    assert!(!format!("{right:?}").contains("horse"));
    assert!(Installed::new(vec![right]).newest(now()).is_some());
    assert!(Installed::new(vec![outputs(None)]).newest(now()).is_none());
    let wrong = outputs(Some(SecretString::from("wrong")));
    assert!(Installed::new(vec![wrong]).newest(now()).is_none());
}
