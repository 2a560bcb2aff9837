//! Sign-ins that are refused: what they tell, and to whom.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ca::Settings;
use ca::courier::{Authentication, Binding, DocumentFetch, Method, Shown};
use serde_json::{Value, json};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::bed::{BASE_URL, Bed, admin};
use crate::courier_credentials::challenge;
use crate::courier_host::{Host, claims, code, record, signing_key, token};
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
