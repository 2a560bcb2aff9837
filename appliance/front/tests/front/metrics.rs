//! Every metric of the listeners, seen to change.

use std::time::Duration;

use crate::house::House;
use crate::wire;

fn requests(listener: &str, route: &str, method: &str, class: &str) -> String {
    format!(
        "chancery_http_requests_total{{listener=\"{listener}\",method=\"{method}\",route=\"{route}\",status=\"{class}\"}}"
    )
}

#[tokio::test]
async fn public_requests_are_counted_by_route_method_and_class() {
    let house = House::open().await;
    let client = &house.plain;
    let get = async |path: &str| client.get(house.public(path)).send().await.unwrap();
    let etag = get("/.well-known/pki/crl/root").await.headers()["etag"].clone();
    client
        .get(house.public("/.well-known/pki/crl/root"))
        .header("if-none-match", etag)
        .send()
        .await
        .unwrap();
    get("/.well-known/pki/ca/root").await;
    client
        .head(house.public("/.well-known/pki/ca/root"))
        .send()
        .await
        .unwrap();
    client
        .post(house.public("/.well-known/pki/ocsp/root"))
        .body("x")
        .send()
        .await
        .unwrap();
    get("/nowhere").await;
    get("/nowhere/else").await;
    client.patch(house.public("/healthz")).send().await.unwrap();
    for (route, method, class, count) in [
        ("crl", "GET", "2xx", 1),
        ("crl", "GET", "3xx", 1),
        ("ca", "GET", "2xx", 1),
        ("ca", "HEAD", "2xx", 1),
        ("ocsp", "POST", "2xx", 1),
        ("none", "GET", "4xx", 2),
        ("healthz", "other", "4xx", 1),
    ] {
        assert_eq!(
            house.metric(&requests("public", route, method, class)).await,
            count,
            "{route} {method} {class}"
        );
    }
    let seconds = "chancery_http_request_seconds_count{listener=\"public\",route=\"crl\"}";
    assert_eq!(house.metric(seconds).await, 2);
}

#[tokio::test]
async fn api_requests_are_counted_by_pattern_not_by_path() {
    let house = House::open().await;
    let api = house.admin().await;
    api.get("/api/v1/certificates/00").await;
    api.get("/api/v1/certificates/01").await;
    api.get_ok("/api/v1/issuers").await;
    api.get("/api/v1/nothing").await;
    let one = requests("api", "/api/v1/certificates/{id}", "GET", "4xx");
    assert_eq!(house.metric(&one).await, 2);
    assert_eq!(
        house
            .metric(&requests("api", "/api/v1/issuers", "GET", "2xx"))
            .await,
        1
    );
    assert_eq!(house.metric(&requests("api", "none", "GET", "4xx")).await, 1);
    let seconds = "chancery_http_request_seconds_count{listener=\"api\",route=\"/api/v1/issuers\"}";
    assert_eq!(house.metric(seconds).await, 1);
    assert!(!house.scrape().await.contains("certificates/00"));
}

#[tokio::test]
async fn a_request_that_is_being_answered_is_in_flight() {
    let house = House::open().await;
    let gauge = "chancery_http_requests_in_flight{listener=\"public\"}";
    assert_eq!(house.metric(gauge).await, 0);
    let mut stream = wire::connect(house.addresses.public).await;
    let request = "POST /.well-known/pki/ocsp/root HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\na";
    wire::send(&mut stream, request).await;
    until(&house, gauge, 1).await;
    // Also when its client goes away.
    drop(stream);
    until(&house, gauge, 0).await;
}

#[tokio::test]
async fn failed_handshakes_are_counted() {
    let house = House::with(front::Limits {
        header_timeout: Duration::from_millis(200),
        ..front::Limits::default()
    })
    .await;
    let counter = "chancery_tls_handshake_failures_total";
    assert_eq!(house.metric(counter).await, 0);
    wire::ask(house.addresses.api, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    until(&house, counter, 1).await;
    // A handshake that does not go on is a failed one.
    let mut silent = wire::connect(house.addresses.api).await;
    wire::rest(&mut silent).await;
    until(&house, counter, 2).await;
}

#[tokio::test]
async fn the_metrics_are_on_their_own_listener_only() {
    let house = House::open().await;
    let answer = house
        .plain
        .get(format!("http://{}/metrics", house.addresses.metrics))
        .send()
        .await
        .unwrap();
    assert_eq!(
        answer.headers()["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    assert_eq!(
        house
            .plain
            .get(house.public("/metrics"))
            .send()
            .await
            .unwrap()
            .status(),
        404
    );
    assert_eq!(house.admin().await.get("/metrics").await.status, 404);
}

async fn until(house: &House, line: &str, value: u64) {
    for _ in 0..100 {
        if house.metric(line).await == value {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{line} did not become {value}:\n{}", house.scrape().await);
}
