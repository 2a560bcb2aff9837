//! A run of a courier, call by call, by its own code against a real front.

use std::time::Duration;

use courier::auth::{Method, client_secret};
use courier::client::Fault;
use courier::client::endpoints::CaBundle;
use courier_wire::{Ack, Fingerprints, OrderRequest, Report, RevocationRequest};
use serde_json::json;
use uuid::Uuid;

use crate::courier_site::{Host, Site};
use crate::holder::Holder;

/// An order for this name.
pub(crate) fn order(name: &str) -> OrderRequest {
    let csr = Holder::new().csr(&[&format!("dns:{name}")]);
    serde_json::from_value(json!({ "kind": "issue", "key_mode": "local", "csr_pem": csr })).unwrap()
}

/// A courier with a client secret, and the method that shows it.
pub(crate) async fn with_secret(site: &Site, name: &str, more: serde_json::Value) -> (Uuid, Method) {
    let uuid = site.record(name, more).await;
    let path = format!("/api/v1/couriers/{name}/client-secrets");
    let secret = site.admin.post(&path, json!({})).await;
    assert_eq!(secret.status, 201, "{}", secret.json);
    let text = |name: &str| secret.json[name].as_str().unwrap().to_owned();
    let method = Method::ClientSecret(client_secret::Settings {
        client_id: text("client_id"),
        client_secret: text("client_secret").into(),
        installed: None,
    });
    (uuid, method)
}

#[tokio::test]
async fn every_endpoint_is_read_as_it_is_answered() {
    let site = Site::open().await;
    let (uuid, method) = with_secret(&site, "web01", json!({ "may_revoke": true })).await;
    let host = site.at(Host::new(uuid, method), true);

    let health = host.client().health().await.unwrap();
    assert_eq!(
        (health.status.as_str(), health.identity.as_str()),
        ("ok", crate::courier_site::IDENTITY)
    );
    let CaBundle::New { pem, etag } = host.client().ca_bundle(None).await.unwrap() else {
        panic!("nothing is known yet");
    };
    assert_eq!(pem.matches("BEGIN CERTIFICATE").count(), 2);
    assert_eq!(
        host.client().ca_bundle(etag.as_deref()).await.unwrap(),
        CaBundle::Same
    );
    let own = host.description().await.unwrap();
    assert_eq!(own.courier.uuid, uuid.to_string());
    assert_eq!(
        (own.profiles[0].name.as_str(), own.may_revoke),
        ("tls-server", true)
    );

    let wanted = order("a.example.com");
    assert_eq!(
        host.preflight(&wanted).await.unwrap().names,
        ["dns:a.example.com"]
    );
    let placed = host.order(&wanted, "key-1").await.unwrap();
    assert_eq!(
        (placed.status, placed.value.order.status.as_str()),
        (201, "issued")
    );
    let again = host.order(&wanted, "key-1").await.unwrap();
    assert_eq!(
        again.value.order.uuid, placed.value.order.uuid,
        "the same key is the same order"
    );
    let id: Uuid = placed.value.order.uuid.parse().unwrap();
    let made = placed.value.order.certificate.unwrap();
    let pem = host.certificate(id).await.unwrap();
    let chain = pki::Certificate::parse_all(pem.as_bytes()).unwrap();
    assert_eq!(
        (chain.len(), chain[0].serial().to_string()),
        (2, made.serial.clone())
    );
    let stands = host.order_status(id, Duration::from_secs(1)).await.unwrap();
    assert_eq!(stands.value.order.status, "delivered");
    let ack: Ack = serde_json::from_value(json!({
        "installed_at": host.client().clock().now(), "fingerprint_sha256": made.fingerprint_sha256,
        "files": [{ "role": "certificate", "path_hash": "00".repeat(32) }],
        "hook": { "event": "issued", "exit_code": 0, "timed_out": false }
    }))
    .unwrap();
    host.acknowledge(id, &ack).await.unwrap();
    assert_eq!(
        host.orders(&[("status", "installed")])
            .await
            .unwrap()
            .orders
            .len(),
        1
    );

    let print = made.fingerprint_sha256.as_str();
    let window = host.renewal_info(print).await.unwrap().value.suggested_window;
    assert!(made.not_before < window.start && window.start < window.end && window.end < made.not_after);
    let which = Fingerprints {
        fingerprints_sha256: vec![print.to_owned(), "00".repeat(32)],
    };
    let stand = host.certificates_status(&which).await.unwrap().certificates;
    assert_eq!(
        (stand[0].status.as_str(), stand[1].status.as_str()),
        ("active", "unknown")
    );
    let why = RevocationRequest {
        reason: Some("superseded".to_owned()),
    };
    let revoked = host.revoke(print, &why).await.unwrap();
    assert_eq!((revoked.serial, revoked.already), (made.serial, false));
    let stand = host.certificates_status(&which).await.unwrap().certificates;
    assert_eq!(stand[0].status, "revoked");
    host.report(&Report::default()).await.unwrap();

    let Err(Fault::Refused(late)) = host.cancel(id).await else {
        panic!("what is installed cannot be withdrawn");
    };
    assert_eq!(
        (late.code.as_str(), late.exit_code()),
        ("ORDER_NOT_CANCELLABLE", 6)
    );
    let Err(Fault::Refused(foreign)) = host.preflight(&order("a.example.org")).await else {
        panic!("another domain");
    };
    assert_eq!(
        (foreign.code.as_str(), foreign.exit_code()),
        ("DOMAIN_NOT_REGISTERED", 5)
    );
    host.sign_out().await;
}

#[tokio::test]
async fn an_order_that_waits_for_approval_can_be_withdrawn() {
    let site = Site::open().await;
    let (uuid, method) = with_secret(&site, "web01", json!({ "needs_approval": true })).await;
    let host = site.at(Host::new(uuid, method), false);
    let placed = host.order(&order("a.example.com"), "key-1").await.unwrap();
    assert_eq!(
        (placed.status, placed.value.order.status.as_str()),
        (202, "pending_approval")
    );
    assert!(placed.retry_after.is_some());
    let id: Uuid = placed.value.order.uuid.parse().unwrap();
    host.cancel(id).await.unwrap();
    let stands = host.order_status(id, Duration::ZERO).await.unwrap();
    assert_eq!(stands.value.order.status, "cancelled");
}

#[tokio::test]
async fn a_session_that_the_appliance_ended_is_made_anew_without_a_word() {
    let site = Site::open().await;
    let (uuid, method) = with_secret(&site, "web01", json!({})).await;
    let host = site.at(Host::new(uuid, method), true);
    host.sign_in().await.unwrap();
    site.admin
        .post_ok("/api/v1/couriers/web01/disable", json!(null))
        .await;
    site.admin
        .post_ok("/api/v1/couriers/web01/enable", json!(null))
        .await;
    assert_eq!(host.verify().await.unwrap().courier.status, "active");
}
