//! Whether the server lives and can work, and what it answers when it cannot.

use ca::{Clock, Role, Scope};
use jiff::SignedDuration;
use ocsp::{ErrorStatus, Response};
use serde_json::json;

use crate::holder::Holder;
use crate::house::House;

fn order() -> serde_json::Value {
    json!({"csr_pem": Holder::new().csr(&["dns:host.example"]), "profile": "tls-server"})
}

fn codes(ready: &serde_json::Value) -> Vec<&str> {
    ready["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["code"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn it_lives_and_is_ready() {
    let house = House::open().await;
    let api = house.api_with(None);
    assert_eq!(api.get("/healthz").await.body, b"ok\n");
    let ready = api.get("/readyz").await;
    assert_eq!(
        (ready.status.as_u16(), &ready.json["ready"]),
        (200, &json!(true)),
        "{}",
        ready.json
    );
    assert_eq!(ready.json["problems"], json!([]));
}

#[tokio::test]
async fn without_its_signer_it_answers_from_memory_and_issues_nothing() {
    let house = House::open().await;
    let token = house.token("admin", Role::Admin, Scope::All, Scope::All).await;
    let issued = house.api_with(Some(token.clone())).enrol("host.example").await;
    let serial = issued["serial"].as_str().unwrap().to_owned();
    let house = house.without_signer().await;
    let api = house.api_with(Some(token));
    assert_eq!(api.get("/healthz").await.status, 200);
    let ready = api.get("/readyz").await;
    assert_eq!(
        (ready.status.as_u16(), &ready.json["ready"]),
        (503, &json!(false)),
        "{}",
        ready.json
    );
    assert_eq!(ready.json["problems"][0]["fatal"], true);
    let reply = api.post("/api/v1/certificates", order()).await;
    let code = reply.json["error"]["code"].as_str().unwrap().to_owned();
    assert_eq!(reply.refused(503, &code)["retryable"], true);
    assert!(
        reply.header("retry-after").parse::<u64>().unwrap() > 0,
        "{:?}",
        reply.headers
    );
    assert!(
        codes(&ready.json).contains(&code.as_str()),
        "{code} in {}",
        ready.json
    );
    let crl = house
        .plain
        .get(house.public("/.well-known/pki/crl/issuing"))
        .send()
        .await
        .unwrap();
    assert_eq!(crl.status(), 200);
    let ocsp = house.public(&format!("/.well-known/pki/ocsp/issuing/{serial}"));
    let answer = house.plain.get(ocsp).send().await.unwrap();
    assert_eq!(
        (
            answer.status().as_u16(),
            answer.headers()["cache-control"].to_str().unwrap()
        ),
        (200, "no-store")
    );
    let answer = Response::parse(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(answer, Response::Declined(ErrorStatus::TryLater));
    assert_eq!(api.get_ok("/api/v1/status").await["health"]["ready"], false);
    api.get("/api/v1/keys").await.refused(503, &code);
}

#[tokio::test]
async fn a_clock_set_back_is_told_and_can_be_accepted() {
    let clock = Clock::fixed(Clock::system().now());
    let house = House::at(clock.clone(), front::Limits::default()).await;
    let api = house.admin().await;
    clock.advance(SignedDuration::from_hours(2));
    api.enrol("before.example").await;
    clock.advance(SignedDuration::from_hours(-1));
    let ready = api.get("/readyz").await;
    assert_eq!(
        (ready.status.as_u16(), codes(&ready.json).first()),
        (503, Some(&"clock_set_back"))
    );
    api.post("/api/v1/certificates", order())
        .await
        .refused(503, "clock_set_back");
    assert_eq!(api.post("/api/v1/clock/accept", json!(null)).await.status, 204);
    assert_eq!(api.get("/readyz").await.status, 200);
    api.post_ok("/api/v1/certificates", order()).await;
}

#[tokio::test]
async fn a_crl_past_its_end_is_told() {
    let clock = Clock::fixed(Clock::system().now());
    let house = House::at(clock.clone(), front::Limits::default()).await;
    clock.advance(SignedDuration::from_hours(24 * 8));
    let ready = house.api_with(None).get("/readyz").await;
    assert!(codes(&ready.json).contains(&"crl_expired"), "{}", ready.json);
    let crl = house
        .plain
        .get(house.public("/.well-known/pki/crl/issuing"))
        .send()
        .await
        .unwrap();
    assert!(
        crl.headers()["cache-control"]
            .to_str()
            .unwrap()
            .starts_with("max-age=0,")
    );
}
