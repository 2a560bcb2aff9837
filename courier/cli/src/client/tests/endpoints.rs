//! The endpoints: method, path, session and key of each.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use std::time::Duration;

use courier_wire::{Ack, Fingerprints, OrderRequest, Report, RevocationRequest};
use serde_json::{Value, json};

use super::super::bed::{Asked, Bed, Reply};
use super::super::endpoints::CaBundle;
use super::super::{Client, Courier, Principal};
use super::settings;
use crate::auth::bed::{COURIER, Surroundings};
use crate::auth::{Method, Places, client_secret};

const WHEN: &str = "2027-01-15T08:00:00Z";
const PRINT: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn opened() -> Reply {
    Reply::json(
        200,
        &json!({
            "success": true, "courier": who(),
            "session": { "token": "t", "token_type": "DPoP", "expires_at": WHEN, "expires_in": 3600 }
        }),
    )
}

fn who() -> Value {
    json!({ "uuid": COURIER, "name": "web01", "status": "active" })
}

fn order() -> Value {
    json!({
        "uuid": COURIER, "status": "signing", "kind": "issue", "key_mode": "local", "names": ["dns:a.test"], "profile": "p",
        "requested_by": { "type": "courier", "uuid": COURIER, "name": "web01" },
        "created_at": WHEN, "updated_at": WHEN, "expires_at": WHEN
    })
}

/// What an appliance answers, in short.
fn told(asked: &Asked) -> Reply {
    let path = asked.path();
    let body = match path.trim_start_matches("/api/v1/courier") {
        "/auth" => return opened(),
        "/ca-bundle" if asked.header("if-none-match") == Some("\"1\"") => return Reply::text(304, ""),
        "/ca-bundle" => return Reply::text(200, "the anchors").with("ETag", "\"1\""),
        "/auth/verify" => json!({
            "success": true, "courier": who(), "method": "client_secret",
            "session": { "token_type": "DPoP", "expires_at": WHEN, "expires_in": 60 }
        }),
        "/self" => json!({
            "success": true, "courier": who(), "allowed_names": ["*.a.test"], "profiles": [], "platform_keys": "forbid",
            "may_revoke": true
        }),
        "/preflight" => json!({ "success": true, "names": ["dns:a.test"], "profile": "p", "warnings": [] }),
        "/orders" if asked.method == "POST" => {
            return Reply::json(202, &json!({ "success": true, "order": order() })).with("Retry-After", "5");
        }
        "/orders" => json!({ "success": true, "orders": [order()] }),
        "/certificates/status" => json!({ "success": true, "certificates": [] }),
        end if end.ends_with("/certificate") => {
            assert_eq!(asked.header("accept"), Some("application/pem-certificate-chain"));
            return Reply::text(200, "the chain");
        }
        end if end.ends_with("/renewal-info") => {
            json!({ "suggested_window": { "start": WHEN, "end": WHEN }, "retry_after": 60 })
        }
        end if end.ends_with("/revoke") => {
            json!({ "success": true, "serial": "01", "already": false, "revoked_at": WHEN })
        }
        _ => json!({ "success": true, "order": order() }),
    };
    Reply::json(200, &body)
}

async fn bed() -> Bed {
    Bed::plain(|asked, _| told(asked)).await
}

fn courier(bed: &Bed) -> Courier {
    let principal = Principal {
        uuid: COURIER,
        method: Method::ClientSecret(client_secret::Settings {
            client_id: "cour_1".to_owned(),
            client_secret: "s".into(),
            installed: None,
        }),
        environment: Box::new(Surroundings::nowhere().variables),
        places: Places::default(),
        has_proof: true,
        hostname: "web01".to_owned(),
    };
    Courier::new(Client::new(settings(&bed.url())).unwrap(), principal)
}

fn ack() -> Ack {
    let ack = json!({ "installed_at": WHEN, "fingerprint_sha256": PRINT });
    serde_json::from_value(ack).unwrap()
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
    let request: OrderRequest =
        serde_json::from_value(json!({ "kind": "issue", "key_mode": "local", "csr_pem": "…" })).unwrap();

    assert_eq!(courier.verify().await.unwrap().method, "client_secret");
    arrived(&bed, "GET", "/auth/verify", false);
    assert!(courier.description().await.unwrap().may_revoke);
    arrived(&bed, "GET", "/self", false);
    assert_eq!(courier.preflight(&request).await.unwrap().profile, "p");
    arrived(&bed, "POST", "/preflight", false);
    let told = courier.order(&request, "key-1").await.unwrap();
    assert_eq!(
        (told.status, told.retry_after),
        (202, Some(Duration::from_secs(5)))
    );
    assert_eq!(told.value.order.status, "signing");
    arrived(&bed, "POST", "/orders", true);
    assert_eq!(last(&bed).header("idempotency-key"), Some("key-1"));
    assert_eq!(
        last(&bed).json(),
        json!({ "kind": "issue", "key_mode": "local", "csr_pem": "…" })
    );
    assert_eq!(courier.orders(&[]).await.unwrap().orders.len(), 1);
    arrived(&bed, "GET", "/orders", false);
    courier
        .orders(&[("status", "issued"), ("name", "a&b")])
        .await
        .unwrap();
    arrived(&bed, "GET", "/orders?status=issued&name=a%26b", false);
    courier.order_status(order, Duration::ZERO).await.unwrap();
    arrived(&bed, "GET", &format!("/orders/{order}"), false);
    courier.order_status(order, Duration::from_mins(5)).await.unwrap();
    arrived(&bed, "GET", &format!("/orders/{order}?wait=25"), false);
    assert_eq!(courier.certificate(order).await.unwrap(), "the chain");
    arrived(&bed, "GET", &format!("/orders/{order}/certificate"), false);
    let _: Value = courier.key(order).await.unwrap();
    arrived(&bed, "GET", &format!("/orders/{order}/key"), false);
    courier.acknowledge(order, &ack()).await.unwrap();
    arrived(&bed, "POST", &format!("/orders/{order}/ack"), true);
    courier.cancel(order).await.unwrap();
    arrived(&bed, "POST", &format!("/orders/{order}/cancel"), true);
    let which = Fingerprints {
        fingerprints_sha256: vec![PRINT.to_owned()],
    };
    let stand = courier.certificates_status(&which).await.unwrap();
    assert!(stand.certificates.is_empty());
    arrived(&bed, "POST", "/certificates/status", false);
    assert_eq!(courier.renewal_info(PRINT).await.unwrap().value.retry_after, 60);
    arrived(&bed, "GET", &format!("/certificates/{PRINT}/renewal-info"), false);
    let why = RevocationRequest {
        reason: Some("superseded".to_owned()),
    };
    assert_eq!(courier.revoke(PRINT, &why).await.unwrap().serial, "01");
    arrived(&bed, "POST", &format!("/certificates/{PRINT}/revoke"), true);
    courier.report(&Report::default()).await.unwrap();
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
    assert_eq!(courier.client().ca_bundle(None).await.unwrap(), new);
    assert_eq!(
        courier.client().ca_bundle(Some("\"1\"")).await.unwrap(),
        CaBundle::Same
    );
    assert!(
        bed.asked()
            .iter()
            .all(|asked| asked.header("authorization").is_none())
    );
}

#[tokio::test]
async fn what_is_handed_out_once_is_asked_for_once() {
    let bed = Bed::plain(|asked, _| match asked.path() {
        "/api/v1/courier/auth" => opened(),
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
        assert_eq!(courier.renewal_info(wrong).await.unwrap_err().exit_code(), 2);
    }
    assert!(bed.asked().is_empty());
}
