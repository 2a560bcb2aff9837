//! What is not let in, however well it is made: tokens and secrets of somebody else, of another time, for another purpose, made otherwise.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use courier::auth::{Method, azure_jwt};
use courier::client::Clock;
use jose::{Algorithm, Header};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::courier_methods::host_with;
use crate::courier_run::with_secret;
use crate::courier_site::{Host, Issuer, Site, refused, unknown};

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[tokio::test]
async fn a_token_with_another_claim_is_not_let_in() {
    let site = Site::open().await;
    let uuid = site.courier("web01", site.binding("oidc_jwt")).await;
    let now = site.now();
    site.at(host_with(uuid, &site.issuer.token(&site.claims())), true)
        .sign_in()
        .await
        .unwrap();
    let issuer_audience_time = "issuer, audience or time of the token is not right";
    for (name, value, reason) in [
        ("aud", json!("https://other.example"), issuer_audience_time),
        ("aud", json!([]), issuer_audience_time),
        ("aud", Value::Null, "no pinned key made the signature"),
        ("iss", json!("https://issuer.example/"), issuer_audience_time),
        ("exp", json!(now - 100), issuer_audience_time),
        ("exp", json!(now + 2 * 24 * 3600), issuer_audience_time),
        ("nbf", json!(now + 600), issuer_audience_time),
        ("sub", json!("somebody"), "the subject is another one"),
    ] {
        let mut claims = site.claims();
        claims[name] = value.clone();
        let mut host = host_with(uuid, &site.issuer.token(&claims));
        // The courier itself would not send what is past its time: its clock is behind.
        host.clock = Clock::new(move || jiff::Timestamp::from_second(now - 240).unwrap());
        let outcome = site.at(host, true).sign_in().await;
        assert_eq!(refused(outcome), unknown(), "{name} = {value}");
        assert_eq!(site.last_reason().await, reason, "{name} = {value}");
    }
    let mut claims = site.claims();
    claims["exp"] = (now - 3600).into();
    let own = site.at(host_with(uuid, &site.issuer.token(&claims)), true);
    let fault = own.sign_in().await.unwrap_err();
    assert!(
        fault.to_string().contains("expired") && fault.exit_code() == 3,
        "{fault}"
    );
}

#[tokio::test]
async fn a_token_that_is_signed_otherwise_is_not_let_in() {
    let site = Site::open().await;
    let uuid = site.courier("web01", site.binding("oidc_jwt")).await;
    let claims = site.claims();
    let good = site.issuer.token(&claims);
    let (_, signature) = good.rsplit_once('.').unwrap();
    let said = |alg: &str| {
        format!(
            "{}.{}",
            part(&json!({ "alg": alg, "kid": "k1", "typ": "JWT" })),
            part(&claims)
        )
    };
    // The public key taken for a shared secret.
    let secret = hmac::Key::new(hmac::HMAC_SHA256, site.issuer.key.jwk().to_json().as_bytes());
    let text = said("HS256");
    let tag = URL_SAFE_NO_PAD.encode(hmac::sign(&secret, text.as_bytes()));
    let mut named = Header::new(site.issuer.key.algorithm());
    named.kid = Some("another".to_owned());
    let named = site
        .issuer
        .key
        .sign(&named, claims.to_string().as_bytes(), &SystemRandom::new());
    let mut later = claims.clone();
    later["exp"] = (site.now() + 1200).into();
    let later = format!("{}.{}", said("ES256").split_once('.').unwrap().0, part(&later));
    for (what, token) in [
        ("HMAC", format!("{text}.{tag}")),
        ("none", format!("{}.", said("none"))),
        ("none, with a signature", format!("{}.{signature}", said("none"))),
        ("a foreign algorithm", format!("{}.{signature}", said("ES384"))),
        ("an unknown algorithm", format!("{}.{signature}", said("ES256K"))),
        ("RSA by name", format!("{}.{signature}", said("RS256"))),
        ("another key", Issuer::new().token(&claims)),
        ("another name of the key", named.unwrap()),
        ("another text", format!("{later}.{signature}")),
    ] {
        let outcome = site.at(host_with(uuid, &token), true).sign_in().await;
        assert_eq!(refused(outcome), unknown(), "{what}");
    }
    site.at(host_with(uuid, &good), true).sign_in().await.unwrap();
}

#[tokio::test]
async fn a_token_is_good_for_its_own_record_and_method() {
    let site = Site::open().await;
    let mut other = site.binding("oidc_jwt");
    other["subject"] = "another workload".into();
    let (own, other) = (
        site.courier("web01", site.binding("oidc_jwt")).await,
        site.courier("web02", other).await,
    );
    let mut claims = site.claims();
    claims["tid"] = "tenant-1".into();
    let token = site.issuer.token(&claims);
    site.at(host_with(own, &token), true).sign_in().await.unwrap();
    for (uuid, what) in [(other, "another record"), (Uuid::from_u128(7), "no record")] {
        let outcome = site.at(host_with(uuid, &token), true).sign_in().await;
        assert_eq!(refused(outcome), unknown(), "{what}");
    }
    let path = site.file("azure.jwt", &token);
    let azure = Method::AzureJwt(azure_jwt::Settings::new("tenant-1", "client-1"));
    let host = Host::new(own, azure).with("AZURE_FEDERATED_TOKEN_FILE", path.to_str().unwrap());
    assert_eq!(refused(site.at(host, true).sign_in().await), unknown());
    assert_eq!(
        site.last_reason().await,
        "the courier has no credential of this method"
    );
}

#[tokio::test]
async fn a_secret_of_another_record_is_not_let_in() {
    let site = Site::open().await;
    let (_, method) = with_secret(&site, "web01", json!({})).await;
    let (other, _) = with_secret(&site, "web02", json!({})).await;
    let outcome = site.at(Host::new(other, method), true).sign_in().await;
    assert_eq!(refused(outcome), unknown());
}

#[tokio::test]
async fn a_record_that_is_switched_off_or_elsewhere_is_told_so() {
    let site = Site::open().await;
    for (name, more, code, exit) in [
        (
            "there",
            json!({ "allowed_ips": ["192.0.2.0/24"] }),
            "IP_NOT_ALLOWED",
            3,
        ),
        (
            "off",
            json!({ "disabled_methods": ["client_secret"] }),
            "METHOD_NOT_ENABLED",
            3,
        ),
        (
            "old",
            json!({ "minimum_client_version": "99.0.0" }),
            "CLIENT_TOO_OLD",
            2,
        ),
    ] {
        let (uuid, method) = with_secret(&site, name, more).await;
        let outcome = site.at(Host::new(uuid, method), true).sign_in().await;
        assert_eq!(refused(outcome), (code.to_owned(), exit));
    }
    let (uuid, method) = with_secret(&site, "web01", json!({})).await;
    let host = site.at(Host::new(uuid, method), true);
    host.sign_in().await.unwrap();
    site.admin
        .post_ok("/api/v1/couriers/web01/disable", json!(null))
        .await;
    assert_eq!(refused(host.sign_in().await), ("COURIER_DISABLED".to_owned(), 5));
}

#[tokio::test]
async fn a_foreign_algorithm_of_rsa_is_not_let_in_by_a_key_for_another() {
    let site = Site::open().await;
    site.openssl(&[
        "genpkey",
        "-algorithm",
        "RSA",
        "-pkeyopt",
        "rsa_keygen_bits:2048",
        "-out",
        "rsa.pem",
    ]);
    let pem = std::fs::read(site.folder.path().join("rsa.pem")).unwrap();
    let der = pki::pem::decode(&pem).unwrap().remove(0).der;
    let issuer = Issuer {
        key: jose::SigningKey::from_pkcs8_der(&der).unwrap(),
    };
    let mut key = issuer.jwk();
    key["alg"] = "RS256".into();
    let mut binding = site.binding("oidc_jwt");
    binding["keys"] = json!({ "static": { "keys": [key] } });
    let uuid = site.courier("web01", binding).await;
    let by = |algorithm: Algorithm| {
        let mut header = Header::new(algorithm);
        header.kid = Some("k1".to_owned());
        issuer
            .key
            .sign(
                &header,
                site.claims().to_string().as_bytes(),
                &SystemRandom::new(),
            )
            .unwrap()
    };
    site.at(host_with(uuid, &by(Algorithm::Rs256)), false)
        .sign_in()
        .await
        .unwrap();
    let outcome = site
        .at(host_with(uuid, &by(Algorithm::Ps256)), false)
        .sign_in()
        .await;
    assert_eq!(refused(outcome), unknown());
}
