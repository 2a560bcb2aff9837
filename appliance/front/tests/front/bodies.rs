//! Bodies that the API does not take: each with its code, and nothing is changed.

use std::time::Duration;

use front::Limits;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::holder::Holder;
use crate::house::{Api, House, Reply};
use crate::wire;

async fn post_text(api: &Api, path: &str, body: impl Into<reqwest::Body>) -> Reply {
    Reply::to(
        api.request(Method::POST, path)
            .header("content-type", "application/json")
            .body(body),
    )
    .await
}

async fn assert_nothing_changed(api: &Api) {
    assert_eq!(
        api.get_ok("/api/v1/certificates?profile=tls-client").await["items"],
        json!([])
    );
}

#[tokio::test]
async fn every_sort_of_wrong_json_has_its_code() {
    let house = House::open().await;
    let api = house.admin().await;
    for (body, code, field) in [
        ("", "malformed_json", Value::Null),
        ("{", "malformed_json", Value::Null),
        ("\u{0}", "malformed_json", Value::Null),
        (
            "{\"csr_pem\":\"x\",\"profile\":\"tls-client\"} trailing",
            "malformed_json",
            Value::Null,
        ),
        ("[]", "invalid_field", Value::Null),
        ("{\"profile\":\"tls-client\"}", "missing_field", json!("csr_pem")),
        (
            "{\"csr_pem\":\"x\",\"profile\":\"tls-client\",\"validity_dayz\":1}",
            "unknown_field",
            json!("validity_dayz"),
        ),
        (
            "{\"csr_pem\":\"x\",\"profile\":\"tls-client\",\"validity_days\":\"1\"}",
            "invalid_field",
            json!("validity_days"),
        ),
        (
            "{\"csr_pem\":\"x\",\"profile\":\"tls-client\",\"validity_days\":-1}",
            "invalid_field",
            json!("validity_days"),
        ),
        (
            "{\"csr_pem\":\"x\",\"profile\":\"tls-client\",\"validity_days\":1e30}",
            "invalid_field",
            json!("validity_days"),
        ),
        (
            "{\"csr_pem\":7,\"profile\":\"tls-client\"}",
            "invalid_field",
            json!("csr_pem"),
        ),
        (
            "{\"csr_pem\":\"x\",\"csr_pem\":\"y\",\"profile\":\"tls-client\"}",
            "invalid_field",
            Value::Null,
        ),
        (
            "{\"csr_pem\":\"x\",\"profile\":\"tls-client\",\"validity_days\":0}",
            "validity_invalid",
            Value::Null,
        ),
    ] {
        let reply = post_text(&api, "/api/v1/certificates", body).await;
        let error = reply.refused(400, code);
        if !field.is_null() {
            assert_eq!(error["details"]["field"], field, "{body}");
        }
    }
    // As deep as it gets.
    post_text(
        &api,
        "/api/v1/issuers",
        format!("{{\"name\":{}", "[".repeat(100_000)),
    )
    .await
    .refused(400, "malformed_json");
    post_text(&api, "/api/v1/certificates", vec![0xff, 0xfe])
        .await
        .refused(400, "malformed_json");
    assert_nothing_changed(&api).await;
}

#[tokio::test]
async fn tagged_bodies_are_as_strict() {
    let house = House::open().await;
    let api = house.admin().await;
    let reply = api.post(
        "/api/v1/issuers",
        json!({"kind": "root", "name": "x", "subject": "CN=X", "token": "software", "no": 1}),
    );
    assert_eq!(
        reply.await.refused(400, "unknown_field")["details"]["field"],
        "no"
    );
    api.post("/api/v1/issuers", json!({"kind": "leaf", "name": "x"}))
        .await
        .refused(400, "invalid_field");
    api.post("/api/v1/issuers", json!({"name": "x"}))
        .await
        .refused(400, "missing_field");
    let reply = api
        .post("/api/v1/api-tokens", json!({"name": "x", "role": "king"}))
        .await;
    assert_eq!(reply.refused(400, "invalid_field")["details"]["field"], "role");
    let issued = api.enrol("host.example").await;
    let revoke = format!("/api/v1/certificates/{}/revoke", issued["id"].as_str().unwrap());
    let reply = api.post(&revoke, json!({"reason": "boredom"})).await;
    assert_eq!(reply.refused(400, "invalid_field")["details"]["field"], "reason");
    let reply = api
        .post(
            &revoke,
            json!({"reason": "superseded", "invalidity_date": "last week"}),
        )
        .await;
    assert_eq!(
        reply.refused(400, "invalid_field")["details"]["field"],
        "invalidity_date"
    );
    assert_eq!(
        api.get_ok(&format!(
            "/api/v1/certificates/{}",
            issued["id"].as_str().unwrap()
        ))
        .await["status"],
        "valid"
    );
}

#[tokio::test]
async fn ten_megabytes_are_refused_over_both_versions_of_http() {
    let house = House::open().await;
    let token = house
        .token("admin", ca::Role::Admin, ca::Scope::All, ca::Scope::All)
        .await;
    let url = format!(
        "https://localhost:{}/api/v1/certificates",
        house.addresses.api.port()
    );
    for client in [house.client_builder().http1_only(), house.client_builder()] {
        let client = client.build().unwrap();
        for body in [
            reqwest::Body::from(vec![b'a'; 10 * 1024 * 1024]),
            reqwest::Body::wrap_stream(futures_util::stream::iter(
                (0..160).map(|_| Ok::<_, std::io::Error>(vec![b'a'; 64 * 1024])),
            )),
        ] {
            let reply = Reply::to(client.post(&url).bearer_auth(&token).body(body)).await;
            reply.refused(413, "body_too_large");
        }
    }
    let api = house.api_with(Some(token));
    let padding = "a".repeat(1024 * 1024 - 40);
    post_text(
        &api,
        "/api/v1/certificates",
        format!("{{\"csr_pem\":\"{padding}\"}}"),
    )
    .await
    .refused(400, "missing_field");
    assert_nothing_changed(&api).await;
}

#[tokio::test]
async fn a_csr_that_is_none_or_too_long_has_its_code() {
    let house = House::open().await;
    let api = house.admin().await;
    let ask = async |csr: &str| {
        api.post(
            "/api/v1/certificates",
            json!({"csr_pem": csr, "profile": "tls-client"}),
        )
        .await
    };
    assert_eq!(ask("").await.status, 400);
    assert_eq!(ask("hello").await.status, 400);
    assert_eq!(ask(&"a".repeat(900 * 1024)).await.status, 400);
    let good = Holder::new().csr(&["dns:host.example"]);
    let (begin, end) = good.split_at(good.len() / 2);
    assert_eq!(ask(begin).await.status, 400);
    assert_eq!(ask(end).await.status, 400);
    let reply = api
        .post(
            "/api/v1/certificates",
            json!({"csr_pem": good, "profile": "nope"}),
        )
        .await;
    assert!(reply.status.is_client_error());
    assert_eq!(reply.json["error"]["code"], "unknown_profile");
    assert_nothing_changed(&api).await;
}

#[tokio::test]
async fn a_body_that_trickles_gets_408() {
    let house = House::with(Limits {
        body_timeout: Duration::from_millis(300),
        ..Limits::default()
    })
    .await;
    let token = house
        .token("admin", ca::Role::Admin, ca::Scope::All, ca::Scope::All)
        .await;
    let mut stream = crate::tls::handshake(&house, &[b"http/1.1"]).await;
    let head = format!(
        "POST /api/v1/certificates HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: 500\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reading, mut writing) = tokio::io::split(stream);
    let trickle = tokio::spawn(async move {
        while writing.write_all(b" ").await.is_ok() {
            if writing.flush().await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let answer = wire::rest(&mut reading).await;
    trickle.abort();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(
        answer.contains("\"code\":\"body_timeout\"") && answer.contains("\"retryable\":true"),
        "{answer}"
    );
}

#[tokio::test]
async fn no_token_no_reading_of_the_body() {
    let house = House::open().await;
    let api = house.api_with(None);
    post_text(&api, "/api/v1/certificates", "{")
        .await
        .refused(401, "unauthenticated");
}

#[tokio::test]
async fn queries_and_paths_are_strict() {
    let house = House::open().await;
    let api = house.admin().await;
    for query in [
        "limit=many",
        "limit=-1",
        "colour=blue",
        "cursor=1",
        "expires_before=soon",
        "limit=1&limit=2",
    ] {
        api.get(&format!("/api/v1/certificates?{query}"))
            .await
            .refused(400, "invalid_query");
    }
    api.get("/api/v1/audit?after=x")
        .await
        .refused(400, "invalid_query");
    api.get("/api/v1/certificates/%ff")
        .await
        .refused(400, "invalid_path");
    for name in ["xyz", "00%2f..", "%00", &"a".repeat(41), "-1"] {
        api.get(&format!("/api/v1/certificates/{name}"))
            .await
            .refused(400, "serial_invalid");
    }
    api.get("/api/v1/orders/7").await.refused(400, "id_invalid");
}

#[tokio::test]
async fn addresses_that_there_are_not_are_told_in_the_envelope() {
    let house = House::open().await;
    let api = house.admin().await;
    for path in [
        "/",
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v2/certificates",
        "/api/v1/certificates/",
        "/%00/%ff",
    ] {
        api.get(path).await.refused(404, "no_such_address");
    }
    let reply = api.delete("/api/v1/certificates").await;
    reply.refused(405, "method_not_allowed");
    let allow = reply.header("allow");
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
    let odd = Method::from_bytes(b"BREW").unwrap();
    Reply::to(api.request(odd, "/api/v1/status"))
        .await
        .refused(405, "method_not_allowed");
}
