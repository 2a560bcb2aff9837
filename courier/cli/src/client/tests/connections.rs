//! Connections: who is trusted, what is read, which address is asked.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use std::time::Duration;

use serde_json::json;

use super::super::bed::certificates::{Authority, Pair};
use super::super::bed::{Bed, Reply, closed_port};
use super::super::{Call, Client, Clock, Fault, MinTls, Settings, trust};
use super::{client, settings};
use crate::auth::certificate;

fn good() -> Reply {
    Reply::json(200, &json!({ "success": true }))
}

fn health() -> Call {
    Call::get("/api/v1/health")
}

async fn served(pair: &Pair) -> Bed {
    Bed::tls(pair.server(), |_, _| good()).await
}

fn trusting(authority: &Authority, url: &str) -> Settings {
    let mut settings = settings(url);
    settings.anchors = trust::anchors(&authority.pem()).unwrap();
    settings
}

async fn ask(settings: Settings) -> Result<u16, Fault> {
    let answer = Client::new(settings).unwrap().perform(&health()).await?;
    Ok(answer.status)
}

/// A failure of TLS, with the words of its causes.
fn tls(asked: Result<u16, Fault>) -> String {
    let fault = asked.unwrap_err();
    assert!(matches!(fault, Fault::Tls { .. }), "{fault:?}");
    assert_eq!(fault.exit_code(), 4);
    format!("{fault:?}")
}

#[tokio::test]
async fn a_server_of_the_trusted_authority_is_asked() {
    let authority = Authority::new();
    let bed = served(&authority.certify("server", "IP:127.0.0.1")).await;
    assert_eq!(ask(trusting(&authority, &bed.url())).await.unwrap(), 200);
    let mut tagged = trusting(&authority, &bed.url());
    tagged.user_agent_suffix = Some("(plant 7)".to_owned());
    ask(tagged).await.unwrap();
    let asked = bed.asked();
    assert!(asked[0].header("user-agent").unwrap().starts_with("courier/"));
    assert!(asked[1].header("user-agent").unwrap().ends_with(" (plant 7)"));
}

#[tokio::test]
async fn a_server_of_another_authority_is_not_trusted() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let bed = served(&theirs.certify("server", "IP:127.0.0.1")).await;
    let told = tls(ask(trusting(&ours, &bed.url())).await);
    assert!(
        told.contains("UnknownIssuer") || told.contains("BadSignature"),
        "{told}"
    );
    assert!(bed.asked().is_empty());
}

#[tokio::test]
async fn a_server_whose_certificate_expired_is_not_trusted() {
    let authority = Authority::new();
    let bed = served(&authority.certify_expired("server", "IP:127.0.0.1")).await;
    let told = tls(ask(trusting(&authority, &bed.url())).await);
    assert!(told.contains("Expired"), "{told}");
    // The clock of the settings is the one that counts.
    let good = served(&authority.certify("later", "IP:127.0.0.1")).await;
    let mut later = trusting(&authority, &good.url());
    later.clock = Clock::new(|| "2099-01-01T00:00:00Z".parse().unwrap());
    let told = tls(ask(later).await);
    assert!(told.contains("Expired"), "{told}");
}

#[tokio::test]
async fn a_server_of_another_name_is_not_trusted_unless_that_name_is_told() {
    let authority = Authority::new();
    let bed = served(&authority.certify("server", "DNS:ca.example.test")).await;
    let told = tls(ask(trusting(&authority, &bed.url())).await);
    assert!(told.contains("NotValidForName"), "{told}");
    let mut named = trusting(&authority, &bed.url());
    named.tls_server_name = Some("ca.example.test".to_owned());
    assert_eq!(ask(named).await.unwrap(), 200);
    // The server is told its real host in HTTP.
    let host = format!("127.0.0.1:{}", bed.port);
    assert_eq!(bed.asked()[0].header("host"), Some(host.as_str()));
}

#[tokio::test]
async fn a_pin_is_one_of_several_and_no_substitute_for_trust() {
    let authority = Authority::new();
    let pair = authority.certify("server", "IP:127.0.0.1");
    let bed = served(&pair).await;
    let mut pinned = trusting(&authority, &bed.url());
    pinned.pins = vec![[7; 32], pair.pin()];
    assert_eq!(ask(pinned).await.unwrap(), 200);
    let mut other = trusting(&authority, &bed.url());
    other.pins = vec![[7; 32]];
    let told = tls(ask(other).await);
    assert!(told.contains("pin_spki_sha256"), "{told}");
    let mut untrusted = settings(&bed.url());
    untrusted.pins = vec![pair.pin()];
    tls(ask(untrusted).await);
    assert_eq!(bed.asked().len(), 1);
}

#[tokio::test]
async fn the_least_version_of_tls_holds() {
    let authority = Authority::new();
    let pair = authority.certify("server", "IP:127.0.0.1");
    let bed = Bed::tls(pair.versioned_server(&[&rustls::version::TLS12]), |_, _| good()).await;
    assert_eq!(ask(trusting(&authority, &bed.url())).await.unwrap(), 200);
    let mut strict = trusting(&authority, &bed.url());
    strict.min_tls = MinTls::Tls13;
    tls(ask(strict).await);
}

#[tokio::test]
async fn the_certificate_of_the_courier_serves_for_mutual_tls() {
    let authority = Authority::new();
    let server = authority.certify("server", "IP:127.0.0.1");
    let pair = authority.certify("courier", "DNS:web01.example.test");
    let bed = Bed::tls(server.asking_server(&authority), |_, _| good()).await;
    let mut known = trusting(&authority, &bed.url());
    known.identity = Some(certificate::Settings {
        cert_path: pair.certificate,
        key_path: pair.key,
        mutual_tls: true,
        installed: None,
    });
    assert_eq!(ask(known).await.unwrap(), 200);
    ask(trusting(&authority, &bed.url())).await.unwrap_err();
    assert_eq!(bed.asked().len(), 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Bed::plain(|_, _| good()).await;
    let url = elsewhere.url();
    let bed = Bed::plain(move |_, _| Reply::text(302, "").with("Location", &url)).await;
    let fault = client(&bed).perform(&health()).await.unwrap_err();
    assert!(
        matches!(fault, Fault::Redirected { status: 302, .. }),
        "{fault:?}"
    );
    assert_eq!(fault.exit_code(), 4);
    assert_eq!(bed.asked().len(), 1);
    assert!(elsewhere.asked().is_empty());
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_not_read_to_its_end() {
    let bed = Bed::plain(|_, _| Reply::Whole(200, Vec::new(), vec![b' '; 1024 * 1024 + 1])).await;
    let fault = client(&bed).perform(&health()).await.unwrap_err();
    assert!(
        matches!(fault, Fault::TooLong { limit: 1_048_576, .. }),
        "{fault:?}"
    );
    assert_eq!(bed.asked().len(), 1);
}

#[tokio::test]
async fn an_answer_that_never_ends_is_given_up() {
    let bed =
        Bed::plain(|_, _| Reply::Stall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{".to_vec())).await;
    let mut hasty = settings(&bed.url());
    hasty.request_timeout = Duration::from_millis(200);
    hasty.retries = 1;
    let fault = ask(hasty).await.unwrap_err();
    assert!(matches!(fault, Fault::Late { .. }), "{fault:?}");
    assert_eq!(fault.exit_code(), 4);
    assert_eq!(bed.asked().len(), 2);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_asked_for_again() {
    let bed = Bed::plain(|_, before| match before {
        0 => Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"success\"".to_vec()),
        _ => good(),
    })
    .await;
    assert_eq!(client(&bed).perform(&health()).await.unwrap().status, 200);
    assert_eq!(bed.asked().len(), 2);
}

#[tokio::test]
async fn json_that_breaks_off_is_told_by_its_place_alone() {
    let bed = Bed::plain(|_, _| Reply::text(200, "{\"token\": \"very-secret\", ")).await;
    let answer = client(&bed).perform(&health()).await.unwrap();
    let fault = answer.json::<serde_json::Value>().unwrap_err();
    assert!(matches!(fault, Fault::Malformed { .. }), "{fault:?}");
    assert_eq!(fault.exit_code(), 4);
    assert!(!format!("{fault:?}{fault}{answer:?}").contains("very-secret"));
}

#[tokio::test]
async fn another_address_is_asked_when_there_is_no_connection_and_only_then() {
    let second = Bed::plain(|_, _| good()).await;
    let closed = format!("http://127.0.0.1:{}", closed_port().await);
    let mut both = settings(&closed);
    both.fallback_urls = vec![second.url().parse().unwrap()];
    assert_eq!(ask(both).await.unwrap(), 200);
    assert_eq!(second.asked().len(), 1);

    let sick = Bed::plain(|_, _| Reply::text(503, "")).await;
    let mut both = settings(&sick.url());
    both.fallback_urls = vec![second.url().parse().unwrap()];
    assert!(matches!(ask(both).await, Err(Fault::Refused(_))));
    assert_eq!(sick.asked().len(), 3);
    assert_eq!(second.asked().len(), 1);

    let (ours, theirs) = (Authority::new(), Authority::new());
    let foreign = served(&theirs.certify("server", "IP:127.0.0.1")).await;
    let mut both = trusting(&ours, &foreign.url());
    both.fallback_urls = vec![second.url().parse().unwrap()];
    tls(ask(both).await);
    assert_eq!(second.asked().len(), 1);
}

#[tokio::test]
async fn nobody_there_is_told_as_such() {
    let fault = ask(settings(&format!("http://127.0.0.1:{}", closed_port().await)))
        .await
        .unwrap_err();
    assert!(matches!(fault, Fault::Unreachable { .. }), "{fault:?}");
    assert_eq!(fault.exit_code(), 4);
}

#[tokio::test]
async fn the_proxy_of_the_settings_is_asked() {
    let proxy = Bed::plain(|_, _| good()).await;
    let mut tunnelled = settings("http://127.0.0.1:9");
    tunnelled.proxy = Some(proxy.url().parse().unwrap());
    assert_eq!(ask(tunnelled).await.unwrap(), 200);
    assert_eq!(proxy.asked()[0].target, "http://127.0.0.1:9/api/v1/health");
}

#[test]
fn settings_that_cannot_be_used_are_refused() {
    for url in [
        "http://ca.example.test",
        "ftp://127.0.0.1",
        "https://user@ca.example.test",
        "https://ca.example.test/?a=b",
    ] {
        let fault = Client::new(Settings::new(url.parse().unwrap())).unwrap_err();
        assert_eq!(fault.exit_code(), 2, "{url}");
    }
    let mut both = Settings::new("https://ca.example.test".parse().unwrap());
    both.proxy = Some("http://127.0.0.1:3128".parse().unwrap());
    both.tls_server_name = Some("other.example.test".to_owned());
    assert_eq!(Client::new(both).unwrap_err().exit_code(), 2);
    assert!(trust::anchors(b"nothing").is_err());
}
