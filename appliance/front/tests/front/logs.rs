//! What is logged of a request, and what must not be.

use std::io::Write;
use std::sync::{Arc, Mutex};

use ca::{Role, Scope};
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::holder::Holder;
use crate::house::House;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(octets)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn requests_are_logged_with_their_caller_and_without_secrets() {
    let sink = Sink::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(sink.clone());
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    let house = House::open().await;
    let token = house.token("anna", Role::Admin, Scope::All, Scope::All).await;
    let api = house.api_with(Some(token.clone()));
    let holder = Holder::new();
    let issued = api.enrol_with(&holder, "host.example").await;
    let path = format!("/api/v1/certificates/{}/pkcs12", issued["id"].as_str().unwrap());
    let body = json!({"key_pem": holder.key_pem(), "password": "a-password-to-look-for"});
    assert_eq!(api.post(&path, body).await.status, 200);
    let made = api
        .post_ok("/api/v1/api-tokens", json!({"name": "x", "role": "auditor"}))
        .await;
    let refused = api.get("/api/v1/orders/7").await;
    house
        .plain
        .get(house.public("/.well-known/pki/crl/root"))
        .send()
        .await
        .unwrap();
    let log = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    let id = refused.header("x-request-id");
    let line = log
        .lines()
        .find(|line| line.contains(id) && line.contains("\"answered\""));
    let line = line.expect("the request is logged");
    assert!(
        line.contains("\"caller\":\"anna\"") && line.contains("\"status\":400"),
        "{line}"
    );
    assert!(
        line.contains("\"code\":\"id_invalid\"") && line.contains("127.0.0.1"),
        "{line}"
    );
    assert!(log.contains("public request") && log.contains("/.well-known/pki/crl/root"));
    let key_line = holder.key_pem().lines().nth(1).unwrap().to_owned();
    for secret in [
        token.as_str(),
        made["secret"].as_str().unwrap(),
        "a-password-to-look-for",
        &key_line,
    ] {
        assert!(!log.contains(secret), "a secret is in the log");
    }
}
