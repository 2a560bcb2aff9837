//! The examples of the protocol are read and written as they stand there.
#![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

use courier_wire::{Ack, AuthRequest, Opened, OrderAnswer, OrderRequest, RenewalInfo, Secret};
use proptest::prelude::*;
use serde_json::{Value, json};

fn again<T: serde::Serialize + serde::de::DeserializeOwned>(value: &Value) -> Value {
    serde_json::to_value(serde_json::from_value::<T>(value.clone()).unwrap()).unwrap()
}

#[test]
fn the_examples_are_read_and_written_as_they_are() {
    let auth = json!({
        "uuid": "550e8400-e29b-41d4-a716-446655440000", "method": "client_secret",
        "credential": { "client_id": "cour_a", "client_secret": "b" },
        "proof_key": { "kty": "EC", "crv": "P-256", "x": "a", "y": "b" },
        "client": { "name": "courier", "version": "1.0.0", "os": "linux", "arch": "x86_64", "hostname": "web01" },
    });
    assert_eq!(again::<AuthRequest>(&auth), auth);
    let opened = json!({
        "success": true, "courier": { "uuid": "u", "name": "web01", "status": "active" },
        "session": { "token": "t", "token_type": "Bearer", "expires_at": "2030-01-01T01:00:00Z", "expires_in": 3600 },
    });
    assert_eq!(again::<Opened>(&opened), opened);
    let order = json!({
        "kind": "renew", "key_mode": "local", "csr_pem": "-----BEGIN", "profile": "tls-server", "validity_days": 90,
        "replaces": { "fingerprint_sha256": "00" }, "labels": { "name": "web01" },
    });
    assert_eq!(again::<OrderRequest>(&order), order);
    let without = json!({ "kind": "issue", "key_mode": "local", "replaces": null });
    assert!(
        serde_json::from_value::<OrderRequest>(without)
            .unwrap()
            .replaces
            .is_none()
    );
    let answer = json!({ "success": true, "order": {
        "uuid": "u", "status": "issued", "kind": "issue", "key_mode": "local",
        "requested_by": { "type": "courier", "uuid": "c", "name": "web01" },
        "names": ["dns:web01.example.com"], "profile": "tls-server", "created_at": "2030-01-01T00:00:00Z",
        "updated_at": "2030-01-01T00:00:00Z", "expires_at": "2030-01-08T00:00:00Z",
        "warnings": [{ "policy": "Prod baseline", "rule": "enforce_max_validity", "message": "m" }], "error": null,
        "certificate": { "serial": "01", "fingerprint_sha256": "00", "not_before": "2030-01-01T00:00:00Z",
            "not_after": "2030-04-01T00:00:00Z" },
    } });
    assert_eq!(again::<OrderAnswer>(&answer), answer);
    let ack = json!({
        "installed_at": "2030-01-01T00:00:00Z", "fingerprint_sha256": "00",
        "files": [{ "role": "certificate", "path_hash": "00" }],
        "hook": { "event": "issued", "exit_code": 0, "timed_out": false }, "previous_fingerprint_sha256": "11",
    });
    assert_eq!(again::<Ack>(&ack), ack);
    let window = json!({ "suggested_window": { "start": "2030-01-01T00:00:00Z", "end": "2030-01-02T00:00:00Z" },
        "explanation": null, "retry_after": 21600 });
    assert_eq!(again::<RenewalInfo>(&window), window);
}

#[test]
fn requests_are_strict_and_answers_are_not() {
    let order = json!({ "kind": "issue", "key_mode": "local", "csr": "x" });
    assert!(
        serde_json::from_value::<OrderRequest>(order).is_err(),
        "a member that is not known"
    );
    let opened = json!({
        "success": true, "courier": { "uuid": "u", "name": "n", "status": "active", "since": 1 },
        "session": { "token_type": "DPoP", "expires_at": "2030-01-01T01:00:00Z", "expires_in": 1 }, "more": {},
    });
    assert!(
        serde_json::from_value::<Opened>(opened)
            .unwrap()
            .session
            .token
            .is_none()
    );
}

#[test]
fn secrets_are_not_shown() {
    let request =
        json!({ "uuid": "u", "method": "client_secret", "credential": { "client_secret": "hunter2" } });
    let request: AuthRequest = serde_json::from_value(request).unwrap();
    assert!(!format!("{request:?}").contains("hunter2"));
    assert_eq!(
        request.credential.client_secret.as_ref().map(Secret::expose),
        Some("hunter2")
    );
}

proptest! {
    #[test]
    fn nothing_that_is_read_panics(text in ".{0,200}") {
        let _ = serde_json::from_str::<AuthRequest>(&text);
        let _ = serde_json::from_str::<OrderRequest>(&text);
        let _ = serde_json::from_str::<Ack>(&text);
    }
}
