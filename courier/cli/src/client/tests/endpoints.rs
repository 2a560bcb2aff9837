//! The endpoints: method, path, session and key of each.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use std::time::Duration;

use serde_json::{Value, json};

use super::super::bed::{Asked, Bed, Reply};
use super::super::endpoints::{CaBundle, Told};
use super::super::{Client, Courier, Principal};
use super::settings;
use crate::auth::bed::{COURIER, Surroundings};
use crate::auth::{Method, Places, client_secret};

const PRINT: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

async fn bed() -> Bed {
    Bed::plain(|asked, _| match asked.path() {
        "/api/v1/courier/auth" => Reply::json(
            200,
            &json!({ "success": true, "session": { "token": "t", "token_type": "DPoP", "expires_in": 3600 } }),
        ),
        "/api/v1/courier/ca-bundle" if asked.header("if-none-match") == Some("\"1\"") => Reply::text(304, ""),
        "/api/v1/courier/ca-bundle" => Reply::text(200, "the anchors").with("ETag", "\"1\""),
        path if path.ends_with("/certificate") => Reply::text(200, "the chain"),
        "/api/v1/courier/orders" if asked.method == "POST" => {
            Reply::json(202, &json!({ "success": true })).with("Retry-After", "5")
        }
        _ => Reply::json(200, &json!({ "success": true })),
    })
    .await
}

fn courier(bed: &Bed) -> Courier {
    let principal = Principal {
        uuid: COURIER,
        method: Method::ClientSecret(client_secret::Settings {
            client_id: "cour_1".to_owned(),
            client_secret: "s".into(),
        }),
        environment: Box::new(Surroundings::nowhere().variables),
        places: Places::default(),
        has_proof: true,
        hostname: "web01".to_owned(),
    };
    Courier::new(Client::new(settings(&bed.url())).unwrap(), principal).unwrap()
}

/// What arrived last.
fn last(bed: &Bed) -> Asked {
    let asked = bed.asked().pop().unwrap();
    assert_eq!(asked.header("authorization"), Some("DPoP t"));
    assert!(asked.header("dpop").is_some());
    asked
}

fn arrived(bed: &Bed, method: &str, path: &str, has_key: bool) {
    let asked = last(bed);
    assert_eq!(
        (asked.method.as_str(), asked.target.as_str()),
        (method, format!("/api/v1/courier{path}").as_str())
    );
    assert_eq!(asked.header("idempotency-key").is_some(), has_key, "{path}");
}

#[tokio::test]
async fn each_endpoint_is_asked_as_the_protocol_says() {
    let bed = bed().await;
    let courier = courier(&bed);
    let order = COURIER;
    let body = json!({ "a": 1 });

    let _: Value = courier.verify().await.unwrap();
    arrived(&bed, "GET", "/auth/verify", false);
    let _: Value = courier.description().await.unwrap();
    arrived(&bed, "GET", "/self", false);
    let _: Value = courier.preflight(&body).await.unwrap();
    arrived(&bed, "POST", "/preflight", false);
    let told: Told<Value> = courier.order(&body, "key-1").await.unwrap();
    assert_eq!(
        (told.status, told.retry_after),
        (202, Some(Duration::from_secs(5)))
    );
    arrived(&bed, "POST", "/orders", true);
    assert_eq!(last(&bed).header("idempotency-key"), Some("key-1"));
    assert_eq!(last(&bed).json(), body);
    let _: Value = courier.orders(&[]).await.unwrap();
    arrived(&bed, "GET", "/orders", false);
    let _: Value = courier
        .orders(&[("status", "issued"), ("name", "a&b")])
        .await
        .unwrap();
    arrived(&bed, "GET", "/orders?status=issued&name=a%26b", false);
    let _: Told<Value> = courier.order_status(order, Duration::ZERO).await.unwrap();
    arrived(&bed, "GET", &format!("/orders/{order}"), false);
    let _: Told<Value> = courier.order_status(order, Duration::from_mins(5)).await.unwrap();
    arrived(&bed, "GET", &format!("/orders/{order}?wait=25"), false);
    assert_eq!(courier.certificate(order).await.unwrap(), "the chain");
    arrived(&bed, "GET", &format!("/orders/{order}/certificate"), false);
    let _: Value = courier.key(order).await.unwrap();
    arrived(&bed, "GET", &format!("/orders/{order}/key"), false);
    courier.acknowledge(order, &body).await.unwrap();
    arrived(&bed, "POST", &format!("/orders/{order}/ack"), true);
    courier.cancel(order).await.unwrap();
    arrived(&bed, "POST", &format!("/orders/{order}/cancel"), true);
    let _: Value = courier.certificates_status(&body).await.unwrap();
    arrived(&bed, "POST", "/certificates/status", false);
    let _: Told<Value> = courier.renewal_info(PRINT).await.unwrap();
    arrived(&bed, "GET", &format!("/certificates/{PRINT}/renewal-info"), false);
    courier.revoke(PRINT, &body).await.unwrap();
    arrived(&bed, "POST", &format!("/certificates/{PRINT}/revoke"), true);
    courier.report(&body).await.unwrap();
    arrived(&bed, "POST", "/report", true);
    // One session for all of it.
    let signed_in = bed
        .asked()
        .iter()
        .filter(|asked| asked.path() == "/api/v1/courier/auth")
        .count();
    assert_eq!(signed_in, 1);
}

#[tokio::test]
async fn the_anchors_are_fetched_without_a_session_and_only_when_they_changed() {
    let bed = bed().await;
    let courier = courier(&bed);
    let new = CaBundle::New {
        pem: "the anchors".to_owned(),
        etag: Some("\"1\"".to_owned()),
    };
    assert_eq!(courier.ca_bundle(None).await.unwrap(), new);
    assert_eq!(courier.ca_bundle(Some("\"1\"")).await.unwrap(), CaBundle::Same);
    assert!(
        bed.asked()
            .iter()
            .all(|asked| asked.header("authorization").is_none())
    );
}

#[tokio::test]
async fn what_is_handed_out_once_is_asked_for_once() {
    let bed = Bed::plain(|asked, _| match asked.path() {
        "/api/v1/courier/auth" => {
            Reply::json(200, &json!({ "session": { "token": "t", "token_type": "DPoP" } }))
        }
        _ => Reply::text(502, ""),
    })
    .await;
    courier(&bed).key::<Value>(COURIER).await.unwrap_err();
    assert_eq!(bed.asked().len(), 2);
}

#[tokio::test]
async fn a_fingerprint_is_not_a_path() {
    let bed = bed().await;
    let courier = courier(&bed);
    for wrong in ["", "../../health", &PRINT[1..], &format!("{}/", &PRINT[1..])] {
        assert_eq!(
            courier
                .renewal_info::<Value>(wrong)
                .await
                .unwrap_err()
                .exit_code(),
            2
        );
    }
    assert!(bed.asked().is_empty());
}
