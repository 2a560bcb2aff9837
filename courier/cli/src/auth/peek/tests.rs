//! Tests of the look at tokens.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn token(claims: &serde_json::Value) -> String {
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.c2ln", part(&json!({"alg": "RS256"})), part(claims))
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

#[test]
fn one_audience_and_many_are_read() {
    let one = Peek::at(&token(&json!({"aud": "chancery", "exp": 5}))).unwrap();
    assert_eq!(one.audiences, ["chancery"]);
    assert_eq!(one.expires_at, Some(5));
    let many = Peek::at(&token(&json!({"aud": ["a", "b"], "exp": 5.75}))).unwrap();
    assert_eq!(many.audiences, ["a", "b"]);
    assert_eq!(many.expires_at, Some(5));
    let none = Peek::at(&token(&json!({}))).unwrap();
    assert!(none.audiences.is_empty() && none.expires_at.is_none());
}

#[test]
fn what_is_no_token_is_not_read() {
    for text in ["", "a.b", "a.b.c.d", "..", "a.!!.c", "opaque", ".e30.c2ln"] {
        assert_eq!(Peek::at(text), None, "{text}");
    }
    let long = format!("a.{}.c", "A".repeat(MAX_TOKEN_LEN));
    assert_eq!(Peek::at(&long), None);
    assert!(matches!(
        check("opaque", "here", false, now()),
        Err(Fault::Malformed(_))
    ));
}

#[test]
fn a_token_that_a_cloud_exchanges_is_refused_unless_told() {
    for audience in [
        "api://AzureADTokenExchange",
        "api://AzureADTokenExchangeUSGov",
        "sts.amazonaws.com",
        "https://sts.amazonaws.com/",
        "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
    ] {
        let token = token(&json!({"aud": ["chancery", audience], "exp": 1_900_000_000}));
        let refused = check(&token, "the file", false, now()).unwrap_err();
        assert!(
            matches!(&refused, Fault::ForeignAudience { audience: told, .. } if told == audience),
            "{refused}"
        );
        assert!(refused.to_string().contains("allow_foreign_audience"));
        assert_eq!(refused.exit_code(), 3);
        check(&token, "the file", true, now()).unwrap();
    }
    let own = token(&json!({"aud": "https://ca.example.test", "exp": 1_900_000_000}));
    check(&own, "the file", false, now()).unwrap();
}

#[test]
fn a_token_past_its_time_is_refused_with_its_time() {
    let expired = token(&json!({"aud": "chancery", "exp": 1_799_999_000}));
    let refused = check(&expired, "the file", false, now()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the token of the file expired at 2027-01-15T07:43:20Z"
    );
    // Clocks may differ by a minute.
    let just = token(&json!({"aud": "chancery", "exp": 1_799_999_950}));
    check(&just, "the file", false, now()).unwrap();
}

#[test]
fn audiences_that_manage_a_cloud_are_known() {
    for audience in [
        "https://management.azure.com/",
        "https://management.azure.com",
        "https://MANAGEMENT.core.windows.net/",
        "https://graph.microsoft.com/.default",
        "https://mine.vault.azure.net",
    ] {
        assert!(is_management_audience(audience), "{audience}");
    }
    for audience in [
        "api://chancery",
        "https://management.azure.com.evil.test/",
        "https://ca.example.test",
    ] {
        assert!(!is_management_audience(audience), "{audience}");
    }
}

proptest! {
    #[test]
    fn looking_never_panics(text in ".{0,200}", claims in "[ -~]{0,80}") {
        let _ = Peek::at(&text);
        let made = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(&claims));
        let _ = check(&made, "a property", false, now());
    }
}
