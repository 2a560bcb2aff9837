//! Sessions: signing in, the proofs, the one silent new session, signing out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::super::bed::{Asked, Bed, Reply};
use super::super::{Call, Client, Clock, Courier, Fault, Principal};
use super::settings;
use crate::auth::bed::{COURIER, IDENTITY, NONCE, Surroundings, now, part, token};
use crate::auth::{Method, Places, client_secret, oidc_jwt};

const AUTH: &str = "/api/v1/courier/auth";

fn secret() -> Method {
    Method::ClientSecret(client_secret::Settings {
        client_id: "cour_1".to_owned(),
        client_secret: "s3cret".into(),
        installed: None,
    })
}

fn courier(bed: &Bed, method: Method, surroundings: Surroundings, has_proof: bool) -> Courier {
    let mut settings = settings(&bed.url());
    settings.clock = Clock::new(now);
    let principal = Principal {
        uuid: COURIER,
        method,
        environment: Box::new(surroundings.variables),
        places: Places::default(),
        has_proof,
        hostname: "web01".to_owned(),
    };
    Courier::new(Client::new(settings).unwrap(), principal)
}

fn opened(token: &str, kind: &str) -> Reply {
    Reply::json(
        200,
        &json!({
            "success": true,
            "courier": { "uuid": COURIER, "name": "web01", "status": "active" },
            "session": { "token": token, "token_type": kind, "expires_at": "2027-01-15T09:00:00Z", "expires_in": 3600 }
        }),
    )
}

fn expired() -> Reply {
    Reply::json(
        401,
        &json!({ "success": false, "error": { "code": "SESSION_EXPIRED", "message": "gone", "retryable": true } }),
    )
}

fn proof(asked: &Asked) -> Value {
    part(asked.header("dpop").unwrap(), 1)
}

#[tokio::test]
async fn a_session_is_bound_to_a_key_and_every_request_proves_it() {
    let bed = Bed::plain(|asked, _| match asked.path() {
        AUTH => opened("t-1", "DPoP"),
        _ => Reply::json(200, &json!({ "success": true })),
    })
    .await;
    let courier = courier(&bed, secret(), Surroundings::nowhere(), true);
    courier
        .call(&Call::get("/api/v1/courier/orders?page=2"))
        .await
        .unwrap();
    courier.sign_out().await;
    let asked = bed.asked();
    assert_eq!(asked.len(), 3);

    let request = asked[0].json();
    assert_eq!(request["uuid"], COURIER.to_string());
    assert_eq!(request["method"], "client_secret");
    assert_eq!(
        request["credential"],
        json!({ "client_id": "cour_1", "client_secret": "s3cret" })
    );
    assert_eq!(request["client"]["hostname"], "web01");
    let key = part(asked[0].header("dpop").unwrap(), 0)["jwk"].clone();
    assert_eq!(request["proof_key"], key);
    assert_eq!(proof(&asked[0])["htu"], format!("{}{AUTH}", bed.url()));

    assert_eq!(asked[1].header("authorization"), Some("DPoP t-1"));
    assert_eq!(part(asked[1].header("dpop").unwrap(), 0)["jwk"], key);
    let claims = proof(&asked[1]);
    assert_eq!(claims["htm"], "GET");
    assert_eq!(claims["htu"], format!("{}/api/v1/courier/orders", bed.url()));
    assert_eq!(claims["ath"], URL_SAFE_NO_PAD.encode(digest(&SHA256, b"t-1")));
    assert_ne!(claims["jti"], proof(&asked[0])["jti"]);

    assert_eq!(asked[2].path(), "/api/v1/courier/auth/revoke");
    assert_eq!(asked[2].header("authorization"), Some("DPoP t-1"));
    // Nothing is left to end.
    courier.sign_out().await;
    assert_eq!(bed.asked().len(), 3);
    assert!(!format!("{courier:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_session_that_is_gone_is_made_anew_once_and_silently() {
    let bed = Bed::plain(|asked, before| match asked.path() {
        AUTH if before == 0 => opened("t-1", "bearer"),
        AUTH => opened("t-2", "Bearer"),
        _ if asked.header("authorization") == Some("Bearer t-1") => expired(),
        _ => Reply::json(201, &json!({ "success": true })),
    })
    .await;
    let courier = courier(&bed, secret(), Surroundings::nowhere(), false);
    let call = Call::post("/api/v1/courier/orders", &json!({ "kind": "issue" })).unwrap();
    assert_eq!(courier.call(&call).await.unwrap().status, 201);
    let paths: Vec<_> = bed.asked().iter().map(|asked| asked.path().to_owned()).collect();
    assert_eq!(
        paths,
        [AUTH, "/api/v1/courier/orders", AUTH, "/api/v1/courier/orders"]
    );
    assert!(bed.asked()[0].json().get("proof_key").is_none());
    assert!(bed.asked().iter().all(|asked| asked.header("dpop").is_none()));
}

#[tokio::test]
async fn a_session_that_is_gone_twice_is_an_error() {
    let bed = Bed::plain(|asked, _| match asked.path() {
        AUTH => opened("t", "DPoP"),
        _ => expired(),
    })
    .await;
    let courier = courier(&bed, secret(), Surroundings::nowhere(), true);
    let fault = courier
        .call(&Call::get("/api/v1/courier/self"))
        .await
        .unwrap_err();
    assert_eq!(fault.exit_code(), 3);
    assert_eq!(bed.asked().len(), 4);
}

#[tokio::test]
async fn a_session_that_lost_its_binding_on_the_way_is_not_used() {
    let bed = Bed::plain(|_, _| opened("t", "Bearer")).await;
    let courier = courier(&bed, secret(), Surroundings::nowhere(), true);
    let fault = courier.sign_in().await.unwrap_err();
    assert!(matches!(fault, Fault::Malformed { .. }), "{fault:?}");
}

#[tokio::test]
async fn a_refused_credential_ends_the_run_with_three() {
    let error = json!({ "success": false, "error": { "code": "INVALID_CREDENTIALS", "message": "no" } });
    let bed = Bed::plain(move |_, _| Reply::json(401, &error)).await;
    let courier = courier(&bed, secret(), Surroundings::nowhere(), true);
    assert_eq!(courier.sign_in().await.unwrap_err().exit_code(), 3);
    assert_eq!(bed.asked().len(), 1);
}

#[tokio::test]
async fn a_token_that_cannot_be_had_is_told_before_the_appliance_is_asked() {
    let bed = Bed::plain(|_, _| opened("t", "DPoP")).await;
    let method = || {
        Method::OidcJwt(Box::new(oidc_jwt::Settings {
            token_request: oidc_jwt::TokenRequest::Env,
            token_env: Some("CI_TOKEN".to_owned()),
            ..oidc_jwt::Settings::default()
        }))
    };
    let without = courier(&bed, method(), Surroundings::nowhere(), true);
    assert_eq!(without.sign_in().await.unwrap_err().exit_code(), 2);
    assert!(bed.asked().is_empty());
    let own = token(IDENTITY);
    let with = courier(
        &bed,
        method(),
        Surroundings::nowhere().with("CI_TOKEN", &own),
        true,
    );
    with.sign_in().await.unwrap();
    assert_eq!(bed.asked()[0].json()["credential"], json!({ "token": own }));
}

#[tokio::test]
async fn the_identity_is_asked_for_once_and_a_challenge_each_time() {
    use crate::auth::Appliance as _;
    let bed = Bed::plain(|asked, _| match asked.path() {
        "/api/v1/health" => Reply::json(
            200,
            &json!({ "status": "ok", "version": "1", "api_versions": ["v1"], "server_time": "2027-01-15T08:00:00Z", "identity": IDENTITY }),
        ),
        _ => Reply::json(200, &json!({ "success": true, "nonce": NONCE, "expires_at": "2027-01-15T08:01:00Z" })),
    })
    .await;
    let courier = courier(&bed, secret(), Surroundings::nowhere(), true);
    for _ in 0..2 {
        assert_eq!(courier.identity().await.unwrap(), IDENTITY);
        assert_eq!(courier.challenge().await.unwrap(), NONCE);
    }
    let asked = bed.asked();
    assert_eq!(
        asked
            .iter()
            .filter(|asked| asked.path() == "/api/v1/health")
            .count(),
        1
    );
    assert_eq!(
        asked
            .iter()
            .filter(|asked| asked.path().ends_with("/challenge"))
            .count(),
        2
    );
    assert_eq!(courier.client().health().await.unwrap().api_versions, ["v1"]);
}

#[tokio::test]
async fn an_installed_certificate_that_is_refused_makes_room_for_the_own_files_once() {
    use std::sync::Arc;

    use super::super::bed::certificates::Authority;
    use crate::auth::certificate::{Installed, Outputs, Settings};

    let refused = || {
        Reply::json(
            401,
            &json!({ "success": false, "error": { "code": "INVALID_CREDENTIALS", "message": "no", "retryable": false } }),
        )
    };
    let bed = Bed::plain(move |asked, before| match asked.path() {
        "/api/v1/health" => Reply::json(
            200,
            &json!({ "status": "ok", "version": "1", "api_versions": ["v1"], "server_time": "2027-01-15T08:00:00Z", "identity": IDENTITY }),
        ),
        AUTH if before < 4 => refused(),
        AUTH => opened("t", "DPoP"),
        "/api/v1/courier/orders" => expired(),
        _ => Reply::json(200, &json!({ "success": true, "nonce": NONCE, "expires_at": "2027-01-15T08:01:00Z" })),
    })
    .await;
    let authority = Authority::new();
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let validity = ["-startdate", "20261201000000Z", "-enddate", "20270601000000Z"];
    let pair = |name: &str| authority.certify_with(name, "DNS:web01.example.test", &key, &validity);
    let (own, last) = (pair("own"), pair("last"));
    let outputs = Outputs {
        certificate: last.certificate,
        key: last.key,
        passphrase: None,
    };
    let method = Method::Certificate(Settings {
        cert_path: own.certificate,
        key_path: own.key,
        mutual_tls: false,
        installed: Some(Arc::new(Installed::new(vec![outputs]))),
    });
    let courier = courier(&bed, method, Surroundings::nowhere(), true);
    courier.sign_in().await.unwrap();
    let signed_in = |asked: &[Asked]| {
        let attempts = asked.iter().filter(|asked| asked.path() == AUTH);
        let leaves = attempts.map(|asked| {
            let jws = asked.json()["credential"]["challenge_jws"]
                .as_str()
                .unwrap()
                .to_owned();
            let leaf = part(&jws, 0)["x5c"][0].as_str().unwrap().to_owned();
            let leaf = base64::engine::general_purpose::STANDARD.decode(leaf).unwrap();
            pki::Certificate::from_der(&leaf).unwrap().subject().to_string()
        });
        leaves.collect::<Vec<_>>()
    };
    assert_eq!(signed_in(&bed.asked()), ["CN=last", "CN=own"]);
    // A new session of the same run begins with the own files.
    let gone = courier.call(&Call::get("/api/v1/courier/orders")).await;
    assert_eq!(gone.unwrap_err().exit_code(), 3);
    assert_eq!(signed_in(&bed.asked()), ["CN=last", "CN=own", "CN=own"]);
}
