//! What couriers show: tokens of OpenID providers, identities of SPIFFE, certificates.

#![allow(
    clippy::too_many_lines,
    reason = "each of these follows one courier from one state to the next"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use aws_lc_rs::rand::SystemRandom;
use base64::Engine as _;
use ca::courier::{Authentication, Binding, DocumentFetch, Method, Shown};
use ca::{CertRef, IssueRequest, RevokeRequest, Settings};
use jiff::SignedDuration;
use jose::{Header, SigningKey};
use parking_lot::Mutex;
use pki::crl::RevocationReason;
use serde_json::{Value, json};
use token::KeyRing;
use zeroize::Zeroizing;

use crate::bed::{BASE_URL, Bed, admin};
use crate::courier_host::{Host, claims, code, public, record, signing_key, token};
use crate::request::{Holder, csr};

const IDP: &str = "https://idp.example";

fn binding(json: &Value) -> Binding {
    serde_json::from_value(json.clone()).unwrap()
}

async fn with_binding(bed: &Bed, json: Value) -> Host {
    let host = Host::on(bed, "web01", record()).await;
    bed.authority
        .add_credential(&admin(), host.courier.id, binding(&json), None)
        .await
        .unwrap();
    host
}

fn keys(key: &SigningKey, kid: &str) -> Value {
    let mut value = public(key);
    value["kid"] = kid.into();
    json!({ "keys": [value] })
}

fn shown(method: Method, token: Zeroizing<String>) -> Shown {
    Shown::Token {
        method,
        token,
        tenant_id: None,
        resource: None,
        role_arn: None,
    }
}

#[tokio::test]
async fn a_token_of_the_pinned_issuer_about_the_pinned_subject_lets_in() {
    let bed = Bed::ready().await;
    let key = signing_key();
    let host = with_binding(
        &bed,
        json!({ "method": "oidc_jwt", "issuer": IDP, "subject": "web01", "claims": { "/k/ns": "prod" },
            "keys": { "static": keys(&key, "1") } }),
    )
    .await;
    let mut good = claims(&bed, IDP, "web01");
    good["k"] = json!({ "ns": "prod" });
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        shown(Method::OidcJwt, token(&key, Some("1"), &claims))
    };
    let good_token = || with("sub", json!("web01"));
    // A token may be shown again: it lies in a file, and is the same at every run.
    for _ in 0..2 {
        let opened = bed
            .authority
            .authenticate_courier(host.authentication(good_token()))
            .await
            .unwrap();
        assert_eq!(opened.session.method, Method::OidcJwt);
    }
    let now = bed.clock.now().as_second();
    for (name, value) in [
        ("sub", json!("web02")),
        ("sub", json!(null)),
        ("iss", json!("https://idp.example.evil")),
        ("aud", json!("https://other.example")),
        ("aud", json!(null)),
        ("exp", json!(now - 61)),
        ("exp", json!(now + 90_000)),
        ("nbf", json!(now + 61)),
        ("k", json!({ "ns": "test" })),
        ("k", json!(null)),
    ] {
        assert_eq!(
            host.refused(&bed, with(name, value.clone())).await,
            "invalid_credentials",
            "{name} {value}"
        );
    }
    let foreign = shown(Method::OidcJwt, token(&signing_key(), Some("1"), &good));
    assert_eq!(host.refused(&bed, foreign).await, "invalid_credentials");
    let other_method = shown(Method::AwsOidc, token(&key, Some("1"), &good));
    assert_eq!(host.refused(&bed, other_method).await, "invalid_credentials");
    let unsigned = format!("{}.{}.", encoded(r#"{"alg":"none"}"#), encoded(&good.to_string()));
    let unsigned = shown(Method::OidcJwt, Zeroizing::new(unsigned));
    assert_eq!(host.refused(&bed, unsigned).await, "invalid_credentials");
}

fn encoded(text: &str) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}

#[tokio::test]
async fn tenants_resources_and_roles_are_what_the_record_names() {
    let bed = Bed::ready().await;
    let key = signing_key();
    let arm = "https://management.azure.com/";
    let host = with_binding(
        &bed,
        json!({ "method": "azure_arc", "issuer": "https://sts.windows.net/t1/", "tenant_id": "t1", "subject": "machine",
            "resource": arm, "audiences": [arm], "keys": { "static": keys(&key, "1") } }),
    )
    .await;
    let arc = |tenant: &str, resource: &str| {
        let mut claims = claims(&bed, "https://sts.windows.net/t1/", "machine");
        claims["aud"] = arm.into();
        claims["tid"] = tenant.into();
        Shown::Token {
            method: Method::AzureArc,
            token: token(&key, None, &claims),
            tenant_id: None,
            resource: Some(resource.to_owned()),
            role_arn: None,
        }
    };
    bed.authority
        .authenticate_courier(host.authentication(arc("t1", arm)))
        .await
        .unwrap();
    assert_eq!(host.refused(&bed, arc("t2", arm)).await, "invalid_credentials");
    assert_eq!(
        host.refused(&bed, arc("t1", "https://vault.azure.net")).await,
        "invalid_credentials"
    );
    let role = "arn:aws:iam::123456789012:role/Courier";
    let aws = json!({ "method": "aws_oidc", "issuer": IDP, "subject": "system:serviceaccount:web:courier", "role_arn": role,
        "keys": { "static": keys(&key, "1") } });
    bed.authority
        .add_credential(&admin(), host.courier.id, binding(&aws), None)
        .await
        .unwrap();
    let eks = |named: Option<&str>, audience: &str| {
        let mut claims = claims(&bed, IDP, "system:serviceaccount:web:courier");
        claims["aud"] = audience.into();
        Shown::Token {
            method: Method::AwsOidc,
            token: token(&key, None, &claims),
            tenant_id: None,
            resource: None,
            role_arn: named.map(str::to_owned),
        }
    };
    bed.authority
        .authenticate_courier(host.authentication(eks(Some(role), BASE_URL)))
        .await
        .unwrap();
    for wrong in [
        eks(None, BASE_URL),
        eks(Some("arn:aws:iam::1:role/Other"), BASE_URL),
        eks(Some(role), "sts.amazonaws.com"),
    ] {
        assert_eq!(host.refused(&bed, wrong).await, "invalid_credentials");
    }
}

#[tokio::test]
async fn keys_are_fetched_kept_and_fetched_anew_when_the_issuer_changes_them() {
    let (first, second) = (signing_key(), signing_key());
    let published = Arc::new(Mutex::new(keys(&first, "1")));
    let (is_away, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let fetch = {
        let (published, is_away, asked) = (Arc::clone(&published), Arc::clone(&is_away), Arc::clone(&asked));
        DocumentFetch::new(move |address| {
            asked.fetch_add(1, Ordering::SeqCst);
            let document = match address.as_str() {
                _ if is_away.load(Ordering::SeqCst) => Err("it is away".to_owned()),
                "https://idp.example/.well-known/openid-configuration"
                | "https://evil.example/.well-known/openid-configuration" => {
                    Ok(json!({ "issuer": IDP, "jwks_uri": "https://idp.example/keys" }).to_string())
                }
                "https://idp.example/keys" => Ok(published.lock().to_string()),
                _ => Err("there is nothing".to_owned()),
            };
            Box::pin(async move { document.map(String::into_bytes) })
        })
    };
    let mut settings = Settings::new(BASE_URL);
    settings.couriers.fetch_document = Some(fetch);
    let bed = Bed::ready_with(settings).await;
    let host = with_binding(
        &bed,
        json!({ "method": "oidc_jwt", "issuer": IDP, "subject": "web01" }),
    )
    .await;
    let by = |key: &SigningKey, kid: &str| {
        shown(
            Method::OidcJwt,
            token(key, Some(kid), &claims(&bed, IDP, "web01")),
        )
    };
    let is_in = async |shown| {
        bed.authority
            .authenticate_courier(host.authentication(shown))
            .await
            .is_ok()
    };
    assert!(is_in(by(&first, "1")).await && is_in(by(&first, "1")).await);
    assert_eq!(
        asked.load(Ordering::SeqCst),
        2,
        "the description and the keys, once"
    );
    // An issuer is not asked again at once, however many keys are named that it does not have.
    assert!(!is_in(by(&second, "2")).await && !is_in(by(&second, "3")).await);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    is_away.store(true, Ordering::SeqCst);
    assert!(
        is_in(by(&first, "1")).await,
        "an issuer that is away keeps nobody out"
    );
    let other = json!({ "method": "oidc_jwt", "issuer": "https://evil.example", "subject": "web01" });
    let evil = Host::on(&bed, "web02", record()).await;
    bed.authority
        .add_credential(&admin(), evil.courier.id, binding(&other), None)
        .await
        .unwrap();
    is_away.store(false, Ordering::SeqCst);
    let shown = shown(
        Method::OidcJwt,
        token(&first, Some("1"), &claims(&bed, "https://evil.example", "web01")),
    );
    assert_eq!(
        evil.refused(&bed, shown).await,
        "issuer_unreachable",
        "it describes itself as somebody else"
    );
}

#[tokio::test]
async fn identities_of_spiffe_come_as_tokens() {
    let bed = Bed::ready().await;
    let key = signing_key();
    let host = with_binding(
        &bed,
        json!({ "method": "spiffe", "spiffe_id": "spiffe://example.org/web/*", "bundle": { "static": keys(&key, "1") } }),
    )
    .await;
    let svid = |id: &str, audience: &str| {
        let mut claims = claims(&bed, "anybody", id);
        claims["aud"] = audience.into();
        Shown::SpiffeToken(token(&key, Some("1"), &claims))
    };
    let opened = bed
        .authority
        .authenticate_courier(host.authentication(svid("spiffe://example.org/web/1", BASE_URL)))
        .await;
    assert_eq!(opened.unwrap().session.method, Method::Spiffe);
    for (id, audience) in [
        ("spiffe://example.org/db/1", BASE_URL),
        ("spiffe://example.com/web/1", BASE_URL),
        ("spiffe://example.org/web/1", "spiffe://example.org/other"),
    ] {
        assert_eq!(
            host.refused(&bed, svid(id, audience)).await,
            "invalid_credentials",
            "{id} {audience}"
        );
    }
}

/// Signs a challenge with the key of a certificate.
pub(crate) fn challenge(holder: &Holder, certificates: &[Vec<u8>], claims: &Value) -> Zeroizing<String> {
    let key = SigningKey::from_pkcs8_der(&holder.pkcs8).unwrap();
    let mut header = Header::new(key.algorithm());
    header.x5c = certificates.to_vec();
    let text = key.sign(&header, claims.to_string().as_bytes(), &SystemRandom::new());
    Zeroizing::new(text.unwrap())
}

#[tokio::test]
async fn a_certificate_of_the_named_ca_lets_in_while_it_is_good() {
    let bed = Bed::ready().await;
    let host = with_binding(
        &bed,
        json!({ "method": "certificate", "issuer": "issuing", "names": ["dns:web01.example.com"] }),
    )
    .await;
    let issue = async |holder: &Holder, name: &str| {
        let request = IssueRequest {
            csr: csr(holder, "", &[name]),
            profile: "tls-client".to_owned(),
            issuer: Some("issuing".to_owned()),
            ..IssueRequest::default()
        };
        bed.authority.issue(&admin(), request).await.unwrap()
    };
    let (holder, stranger) = (Holder::new(), Holder::new());
    let own = issue(&holder, "dns:web01.example.com").await;
    let others = issue(&stranger, "dns:web02.example.com").await;
    let claims = async |courier: &str| {
        let nonce = bed.authority.courier_challenge().await.unwrap().nonce;
        json!({ "nonce": nonce, "uuid": courier, "aud": BASE_URL, "iat": bed.clock.now().as_second(), "method": "certificate" })
    };
    let id = host.courier.id.to_string();
    let der = |issued: &ca::Issued| vec![issued.certificate.der().to_vec()];
    let good = claims(&id).await;
    let signed = challenge(&holder, &der(&own), &good);
    let opened = bed
        .authority
        .authenticate_courier(host.authentication(Shown::Certificate(signed.clone())))
        .await;
    assert_eq!(opened.unwrap().session.method, Method::Certificate);
    assert_eq!(
        host.refused(&bed, Shown::Certificate(signed)).await,
        "invalid_credentials",
        "a challenge is used once"
    );
    let refused = async |holder: &Holder, certificates: Vec<Vec<u8>>, claims: Value| {
        host.refused(
            &bed,
            Shown::Certificate(challenge(holder, &certificates, &claims)),
        )
        .await
    };
    let with = async |name: &str, value: Value| {
        let mut claims = claims(&id).await;
        claims[name] = value;
        claims
    };
    assert_eq!(
        refused(&stranger, der(&others), claims(&id).await).await,
        "invalid_credentials"
    );
    assert_eq!(
        refused(&stranger, der(&own), claims(&id).await).await,
        "invalid_credentials",
        "not its key"
    );
    assert_eq!(
        refused(&holder, Vec::new(), claims(&id).await).await,
        "invalid_credentials"
    );
    for (name, value) in [
        ("uuid", json!("0193b3c2-7f00-7000-8000-000000000001")),
        ("aud", json!("https://other.example")),
        ("method", json!("spiffe")),
        ("nonce", json!("AAAA")),
        ("iat", json!(0)),
        ("cnf", json!({ "jkt": "x" })),
    ] {
        assert_eq!(
            refused(&holder, der(&own), with(name, value).await).await,
            "invalid_credentials",
            "{name}"
        );
    }
    let late = claims(&id).await;
    bed.advance(SignedDuration::from_secs(61));
    assert_eq!(refused(&holder, der(&own), late).await, "invalid_credentials");
    // The key of the session is signed with the challenge, so that no hop can put in another one.
    let key = signing_key();
    let bound = |claims: Value| Authentication {
        proof_key: Some(public(&key)),
        ..host.authentication(Shown::Certificate(challenge(&holder, &der(&own), &claims)))
    };
    let unnamed = claims(&id).await;
    assert_eq!(
        code(bed.authority.authenticate_courier(bound(unnamed)).await),
        "invalid_credentials"
    );
    let named = with("cnf", json!({ "jkt": key.jwk().thumbprint() })).await;
    assert!(
        bed.authority
            .authenticate_courier(bound(named))
            .await
            .unwrap()
            .session
            .thumbprint
            .is_some()
    );
    let revoke = RevokeRequest {
        certificate: CertRef::Id(own.id),
        reason: RevocationReason::KeyCompromise,
        invalidity_date: None,
    };
    bed.authority.revoke(&admin(), revoke).await.unwrap();
    assert_eq!(
        refused(&holder, der(&own), claims(&id).await).await,
        "invalid_credentials",
        "revoked"
    );
}

#[tokio::test]
async fn a_pinned_key_is_enough_and_nobody_else_s() {
    let bed = Bed::with(Arc::new(KeyRing::in_memory()), Settings::new(BASE_URL)).await;
    let other = Bed::ready().await;
    let holder = Holder::new();
    let request = IssueRequest {
        csr: csr(&holder, "", &["dns:web01.example.com"]),
        profile: "tls-client".to_owned(),
        issuer: Some("issuing".to_owned()),
        ..IssueRequest::default()
    };
    let issued = other.authority.issue(&admin(), request).await.unwrap();
    let print = holder.public_key().fingerprint().to_string();
    let plain = serde_json::from_value(json!({ "allowed_names": ["*.example.com"] })).unwrap();
    let host = Host::on(&bed, "web01", plain).await;
    let pinned = binding(&json!({ "method": "certificate", "spki_sha256": [print] }));
    bed.authority
        .add_credential(&admin(), host.courier.id, pinned, None)
        .await
        .unwrap();
    let nonce = bed.authority.courier_challenge().await.unwrap().nonce;
    let claims = json!({ "nonce": nonce, "uuid": host.courier.id, "aud": BASE_URL, "method": "certificate",
        "iat": bed.clock.now().as_second() });
    let signed = challenge(&holder, &[issued.certificate.der().to_vec()], &claims);
    let opened = bed
        .authority
        .authenticate_courier(host.authentication(Shown::Certificate(signed)))
        .await;
    assert!(opened.is_ok());
    let wide = binding(&json!({ "method": "certificate", "issuer": "issuing" }));
    let refused = bed
        .authority
        .add_credential(&admin(), host.courier.id, wide, None)
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), refused.details().as_array().unwrap().len()),
        ("binding_invalid", 2),
        "{refused}"
    );
}
