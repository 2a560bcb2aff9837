//! The errors of the protocol, one test a row: what a scripted server answers, what the client makes of it, how often it asks.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use courier_wire::Code;
use serde_json::json;

use super::super::bed::{Bed, Reply};
use super::super::{Call, Fault, Refusal};
use super::client;

/// The table of the protocol (§3.5): status of HTTP, code, what the program ends with.
const ROWS: [(u16, &str, u8); 24] = [
    (400, "MALFORMED_REQUEST", 1),
    (401, "INVALID_CREDENTIALS", 3),
    (401, "SESSION_EXPIRED", 3),
    (401, "METHOD_NOT_ENABLED", 3),
    (401, "IP_NOT_ALLOWED", 3),
    (403, "COURIER_DISABLED", 5),
    (403, "DOMAIN_NOT_REGISTERED", 5),
    (403, "DOMAIN_DISABLED", 5),
    (403, "DOMAIN_NOT_ALLOWED", 5),
    (403, "POLICY_DENIED", 5),
    (403, "KEY_MODE_NOT_ALLOWED", 5),
    (404, "NOT_FOUND", 1),
    (409, "IDEMPOTENCY_CONFLICT", 6),
    (409, "ORDER_NOT_CANCELLABLE", 6),
    (409, "ALREADY_RETRIEVED", 6),
    (410, "ORDER_EXPIRED", 6),
    (410, "KEY_EXPIRED", 6),
    (422, "VALIDATION_ERROR", 2),
    (422, "BAD_CSR", 2),
    (422, "WEAK_KEY", 5),
    (426, "CLIENT_TOO_OLD", 2),
    (429, "RATE_LIMITED", 4),
    (503, "SIGNER_UNAVAILABLE", 4),
    (503, "SEALED", 4),
];

fn envelope(status: u16, code: &str) -> Reply {
    Reply::json(
        status,
        &json!({
            "success": false,
            "error": {
                "code": code, "message": "in words", "retryable": Code::from_text(code).is_retryable(),
                "details": [{ "field": "sans.dns[1]", "problem": "not covered" }], "request_id": "r-1"
            }
        }),
    )
}

async fn refused(bed: &Bed, call: Call) -> Refusal {
    match client(bed).perform(&call).await {
        Err(Fault::Refused(refusal)) => *refusal,
        other => panic!("not refused: {other:?}"),
    }
}

/// Every code that there is arrives whole, means its exit code, and is asked for again where that may help.
#[tokio::test]
async fn every_code_of_the_protocol_means_its_exit_code() {
    assert_eq!(Code::all().count(), ROWS.len());
    for code in Code::all() {
        let row = ROWS.into_iter().find(|(_, text, _)| *text == code.as_str());
        let (status, text, exit) = row.unwrap_or_else(|| panic!("{code:?} is in no row"));
        let bed = Bed::plain(move |_, _| envelope(status, text)).await;
        let refusal = refused(&bed, Call::get("/api/v1/courier/orders")).await;
        assert_eq!((refusal.status, refusal.code.as_str()), (status, text));
        assert_eq!(refusal.exit_code(), exit, "{text}");
        assert_eq!(refusal.message, "in words");
        assert_eq!(refusal.details[0].field, "sans.dns[1]");
        assert_eq!(refusal.request_id.as_deref(), Some("r-1"));
        let tries = if matches!(status, 429 | 503) { 3 } else { 1 };
        assert_eq!(bed.asked().len(), tries, "{text}");
        // What is not known to be harmless is made once.
        refused(&bed, Call::post("/api/v1/courier/x", &json!({})).unwrap()).await;
        assert_eq!(bed.asked().len(), tries + 1, "{text}");
    }
}

#[tokio::test]
async fn an_order_with_its_key_is_repeated_with_the_same_key_and_body() {
    let bed = Bed::plain(|_, before| match before {
        0 => envelope(503, "SIGNER_UNAVAILABLE").with("Retry-After", "0"),
        _ => Reply::json(201, &json!({ "success": true })),
    })
    .await;
    let call = Call::post("/api/v1/courier/orders", &json!({ "kind": "issue" }))
        .unwrap()
        .with_idempotency_key("k-1");
    let answer = client(&bed).perform(&call).await.unwrap();
    assert_eq!(answer.status, 201);
    let asked = bed.asked();
    assert_eq!(asked.len(), 2);
    for asked in asked {
        assert_eq!(asked.method, "POST");
        assert_eq!(asked.header("idempotency-key"), Some("k-1"));
        assert_eq!(asked.json(), json!({ "kind": "issue" }));
    }
}

#[tokio::test]
async fn an_appliance_that_wants_to_be_left_alone_for_long_is() {
    let bed = Bed::plain(|_, _| envelope(429, "RATE_LIMITED").with("Retry-After", "3600")).await;
    let refusal = refused(&bed, Call::get("/api/v1/courier/self")).await;
    assert_eq!(refusal.retry_after, Some(std::time::Duration::from_hours(1)));
    assert_eq!(bed.asked().len(), 1);
}

#[tokio::test]
async fn what_the_appliance_calls_final_is_not_repeated() {
    let body = json!({ "success": false, "error": { "code": "SEALED", "message": "m", "retryable": false } });
    let bed = Bed::plain(move |_, _| Reply::json(503, &body)).await;
    let refusal = refused(&bed, Call::get("/api/v1/courier/self")).await;
    assert_eq!(refusal.exit_code(), 4);
    assert_eq!(bed.asked().len(), 1);
}

#[tokio::test]
async fn an_answer_of_somebody_in_between_is_told_by_its_status() {
    for (status, exit, tries) in [
        (502, 4, 3),
        (504, 4, 3),
        (501, 4, 1),
        (403, 5, 1),
        (401, 3, 1),
        (418, 1, 1),
    ] {
        let bed = Bed::plain(move |_, _| Reply::text(status, "<html>secret words</html>")).await;
        let refusal = refused(&bed, Call::get("/api/v1/health")).await;
        assert_eq!(refusal.code, format!("HTTP_{status}"));
        assert_eq!(refusal.exit_code(), exit, "{status}");
        assert_eq!(bed.asked().len(), tries, "{status}");
        assert!(!refusal.to_string().contains("secret words"));
    }
}
