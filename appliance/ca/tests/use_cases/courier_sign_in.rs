//! Sign-ins that are refused: what they tell, and to whom.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ca::Settings;
use ca::courier::{Authentication, Bearing, Binding, DocumentFetch, Method, Shown};
use jiff::SignedDuration;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::bed::{BASE_URL, Bed, admin};
use crate::courier_credentials::challenge;
use crate::courier_host::{Host, bearing, claims, code, record, signing_key, token};
use crate::request::{Holder, csr};

const IDP: &str = "https://idp.example";
const NOBODY: Uuid = Uuid::from_u128(7);

async fn bind(bed: &Bed, host: &Host, json: Value) {
    let binding: Binding = serde_json::from_value(json).unwrap();
    let who = admin();
    let added = bed.authority.add_credential(&who, host.courier.id, binding, None);
    added.await.unwrap();
}

fn shown(token: Zeroizing<String>) -> Shown {
    Shown::Token {
        method: Method::OidcJwt,
        token,
        tenant_id: None,
        resource: None,
        role_arn: None,
    }
}

/// How a sign-in of a courier with this identifier ends.
async fn refused(bed: &Bed, host: &Host, courier: Uuid, shown: Shown) -> &'static str {
    let authentication = Authentication {
        courier,
        ..host.authentication(shown)
    };
    code(bed.authority.authenticate_courier(authentication).await)
}

#[tokio::test]
async fn a_challenge_is_used_up_whoever_it_was_signed_for() {
    let bed = Bed::ready().await;
    let host = Host::on(&bed, "web01", record()).await;
    let stranger = Holder::new();
    let own = ca::IssueRequest {
        csr: csr(&stranger, "", &["dns:web02.example.com"]),
        profile: "tls-client".to_owned(),
        issuer: Some("issuing".to_owned()),
        ..ca::IssueRequest::default()
    };
    let own = bed.authority.issue(&admin(), own).await.unwrap();
    let other = Host::on(&bed, "web02", record()).await;
    let binding = json!({ "method": "certificate", "issuer": "issuing", "names": ["dns:web02.example.com"] });
    bind(&bed, &other, binding).await;
    let der = [own.certificate.der().to_vec()];
    let signed = |nonce: &str, courier: Uuid| {
        let claims = json!({ "nonce": nonce, "uuid": courier, "aud": BASE_URL, "method": "certificate",
            "iat": bed.clock.now().as_second() });
        Shown::Certificate(challenge(&stranger, &der, &claims))
    };
    // With a courier that is there, with one that is not: who has a way in learns nothing of it by the challenge.
    for courier in [host.courier.id, NOBODY] {
        let nonce = bed.authority.courier_challenge().await.unwrap().nonce;
        assert_eq!(
            refused(&bed, &host, courier, signed(&nonce, courier)).await,
            "invalid_credentials"
        );
        assert_eq!(
            refused(&bed, &other, other.courier.id, signed(&nonce, other.courier.id)).await,
            "invalid_credentials",
            "the challenge was used for {courier}"
        );
    }
    let nonce = bed.authority.courier_challenge().await.unwrap().nonce;
    let good = other.authentication(signed(&nonce, other.courier.id));
    bed.authority.authenticate_courier(good).await.unwrap();
}

#[tokio::test]
async fn an_issuer_is_asked_alike_for_those_who_are_bound_to_it_and_those_who_are_not() {
    let asked = Arc::new(AtomicUsize::new(0));
    let fetch = {
        let asked = Arc::clone(&asked);
        DocumentFetch::new(move |_| {
            asked.fetch_add(1, Ordering::SeqCst);
            Box::pin(async { Err("it is away".to_owned()) })
        })
    };
    let mut settings = Settings::new(BASE_URL);
    settings.couriers.fetch_document = Some(fetch);
    let bed = Bed::ready_with(settings).await;
    let host = Host::on(&bed, "web01", record()).await;
    let unbound = Host::on(&bed, "web02", record()).await;
    let binding = json!({ "method": "oidc_jwt", "issuer": IDP, "subject": "web01" });
    bind(&bed, &host, binding).await;
    let by = |issuer: &str| shown(token(&signing_key(), Some("1"), &claims(&bed, issuer, "web01")));
    let couriers = [host.courier.id, unbound.courier.id, NOBODY];
    for courier in couriers {
        assert_eq!(
            refused(&bed, &host, courier, by("https://other.example")).await,
            "invalid_credentials"
        );
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0, "nobody is bound to that issuer");
    for courier in couriers {
        assert_eq!(
            refused(&bed, &host, courier, by(IDP)).await,
            "issuer_unreachable",
            "{courier}"
        );
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

/// How often the log has something with this outcome, and the details of the last of it.
async fn logged(bed: &Bed, action: &str, outcome: &str) -> (usize, Value) {
    let log = bed.authority.audit_tail(&admin(), 0, 1000).await.unwrap();
    let found = log
        .iter()
        .filter(|entry| entry.action == action && entry.outcome == outcome);
    let details: Vec<Value> = found.map(|entry| entry.details.clone()).collect();
    (details.len(), details.last().cloned().unwrap_or_default())
}

fn wrong() -> Shown {
    Shown::SpiffeToken(Zeroizing::new("x".to_owned()))
}

#[tokio::test]
async fn who_knows_what_a_courier_is_called_does_not_keep_it_out() {
    let bed = Bed::ready().await;
    let host = Host::on(&bed, "web01", record()).await;
    let from = |address: &str, shown: Shown| Authentication {
        address: Some(address.parse().unwrap()),
        ..host.authentication(shown)
    };
    let attempt = async |address: &str| {
        let refused = bed.authority.authenticate_courier(from(address, wrong()));
        code(refused.await)
    };
    for _ in 0..30 {
        assert_eq!(attempt("198.51.100.7").await, "invalid_credentials");
    }
    for _ in 0..5 {
        assert_eq!(attempt("198.51.100.7").await, "rate_limited");
    }
    // Whoever has one address of a network of IPv6 has all.
    for host in 0..30 {
        assert_eq!(
            attempt(&format!("2001:db8::{host:x}")).await,
            "invalid_credentials"
        );
    }
    assert_eq!(attempt("2001:db8::ffff").await, "rate_limited");
    host.opened(&bed.authority).await;
    let (count, details) = logged(&bed, "courier.authenticate", "rate_limited").await;
    assert_eq!(count, 2, "one for each address and minute");
    assert_eq!(details["address"], "2001:db8::ffff");
    assert!(
        bed.metric(r#"chancery_courier_authentications_total{method="spiffe",outcome="rate_limited"}"#) > 5.5
    );
}

#[tokio::test]
async fn a_flood_from_one_address_leaves_one_entry() {
    let mut settings = Settings::new(BASE_URL);
    settings.couriers.attempts_per_address = 3;
    let bed = Bed::ready_with(settings).await;
    let host = Host::on(&bed, "web01", record()).await;
    for number in 0..40 {
        let expected = if number < 3 {
            "invalid_credentials"
        } else {
            "rate_limited"
        };
        let courier = Uuid::from_u128(number);
        assert_eq!(refused(&bed, &host, courier, wrong()).await, expected, "{number}");
    }
    let (count, details) = logged(&bed, "courier.authenticate", "rate_limited").await;
    assert_eq!((count, details["address"].as_str()), (1, Some("192.0.2.10")));
    bed.advance(SignedDuration::from_mins(1));
    host.opened(&bed.authority).await;
}

#[tokio::test]
async fn a_refusal_names_the_bridge_and_the_address() {
    let bed = Bed::ready().await;
    let host = Host::on(&bed, "web01", record()).await;
    let bridge = Uuid::from_u128(99);
    let through = Authentication {
        via: Some(bridge),
        ..host.authentication(wrong())
    };
    assert_eq!(
        code(bed.authority.authenticate_courier(through).await),
        "invalid_credentials"
    );
    let (_, details) = logged(&bed, "courier.authenticate", "invalid_credentials").await;
    assert_eq!(details["bridge"], json!(bridge));
    assert_eq!(details["address"], "192.0.2.10");
    // A token that is used from another sort of address: once a minute, with where it was.
    let opened = host.opened(&bed.authority).await;
    let elsewhere = async || {
        let bearing = Bearing {
            address: Some("10.0.0.1".parse().unwrap()),
            ..bearing(opened.token.expose_secret())
        };
        code(bed.authority.courier_session(&bearing).await)
    };
    for _ in 0..3 {
        assert_eq!(elsewhere().await, "ip_not_allowed");
    }
    let (count, details) = logged(&bed, "courier_session.use", "ip_not_allowed").await;
    assert_eq!((count, details["address"].as_str()), (1, Some("10.0.0.1")));
    bed.advance(SignedDuration::from_mins(1));
    assert_eq!(elsewhere().await, "ip_not_allowed");
    let (count, _) = logged(&bed, "courier_session.use", "ip_not_allowed").await;
    assert_eq!(count, 2);
}
