//! Couriers as they and their operators see them, over TLS.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use ca::Role;
use jose::jwe::RecipientKey;
use jose::jwk::Curve;
use jose::{SigningKey, dpop};
use reqwest::Method;
use serde_json::{Value, json};

use crate::holder::Holder;
use crate::house::{Api, House, Reply};

/// A courier with a secret, and the request that signs it in.
pub(crate) async fn courier(admin: &Api, name: &str, record: Value) -> Value {
    if admin.get_ok("/api/v1/domains").await["items"]
        .as_array()
        .unwrap()
        .is_empty()
    {
        let reply = admin
            .post("/api/v1/domains", json!({ "apex": "example.com" }))
            .await;
        assert_eq!(reply.status, 201);
    }
    let made = admin
        .post("/api/v1/couriers", json!({ "name": name, "record": record }))
        .await;
    assert_eq!(made.status, 201, "{}", made.json);
    let secret = admin
        .post(&format!("/api/v1/couriers/{name}/client-secrets"), json!({}))
        .await;
    assert_eq!(secret.status, 201);
    json!({
        "uuid": made.json["id"], "method": "client_secret",
        "credential": { "client_id": secret.json["client_id"], "client_secret": secret.json["client_secret"] },
        "client": { "name": "courier", "version": "1.0.0", "os": "linux", "arch": "x86_64", "hostname": name },
    })
}

pub(crate) fn record() -> Value {
    json!({ "allowed_names": ["*.example.com"], "profiles": ["tls-server"], "issuer": "issuing" })
}

/// The API as a courier that has signed in sees it.
pub(crate) async fn signed_in(house: &House, request: &Value) -> Api {
    let reply = house
        .api_with(None)
        .post("/api/v1/courier/auth", request.clone())
        .await;
    assert_eq!(reply.status, 200, "{}", reply.json);
    assert_eq!(reply.json["session"]["token_type"], "Bearer");
    house.api_with(Some(reply.json["session"]["token"].as_str().unwrap().to_owned()))
}

fn order(names: &[&str]) -> Value {
    json!({ "kind": "issue", "key_mode": "local", "csr_pem": Holder::new().csr(names), "labels": { "name": "web" } })
}

/// Status and code of an error in the form of the protocol.
pub(crate) fn told(reply: &Reply) -> (u16, &str) {
    assert_eq!(reply.json["success"], false, "{}", reply.json);
    assert!(reply.json["error"]["details"].is_array() && reply.json["error"]["request_id"].is_string());
    (
        reply.status.as_u16(),
        reply.json["error"]["code"].as_str().unwrap(),
    )
}

#[tokio::test]
async fn a_courier_gets_a_certificate_and_says_that_it_is_in_use() {
    let house = House::open().await;
    let admin = house.admin().await;
    let request = courier(&admin, "web01", record()).await;
    let nobody = house.api_with(None);
    let health = nobody.get_ok("/api/v1/health").await;
    assert_eq!(
        (health["status"].as_str(), health["identity"].as_str()),
        (Some("ok"), Some("http://pki.example"))
    );
    let bundle = nobody.get("/api/v1/courier/ca-bundle").await;
    assert_eq!(
        String::from_utf8(bundle.body)
            .unwrap()
            .matches("BEGIN CERTIFICATE")
            .count(),
        2
    );
    let web = signed_in(&house, &request).await;
    let own = web.get_ok("/api/v1/courier/self").await;
    assert_eq!(own["allowed_names"], json!(["*.example.com"]));
    assert_eq!(own["profiles"][0]["name"], "tls-server");
    assert_eq!(
        web.get_ok("/api/v1/courier/auth/verify").await["method"],
        "client_secret"
    );
    let preflight = web
        .post_ok("/api/v1/courier/preflight", order(&["dns:a.example.com"]))
        .await;
    assert_eq!(preflight["names"], json!(["dns:a.example.com"]));
    let body = order(&["dns:a.example.com"]);
    let place = || {
        web.request(Method::POST, "/api/v1/courier/orders")
            .header("idempotency-key", "k1")
            .json(&body)
    };
    let placed = Reply::to(place()).await;
    assert_eq!(placed.status, 201, "{}", placed.json);
    let (id, print) = (
        placed.json["order"]["uuid"].clone(),
        placed.json["order"]["certificate"]["fingerprint_sha256"].clone(),
    );
    assert_eq!(Reply::to(place()).await.json["order"]["uuid"], id);
    let path = format!("/api/v1/courier/orders/{}", id.as_str().unwrap());
    let pem = web.get(&format!("{path}/certificate")).await;
    assert_eq!(pem.header("content-type"), "application/pem-certificate-chain");
    let chain = pki::Certificate::parse_all(&pem.body).unwrap();
    assert_eq!(
        (chain.len(), chain[0].subject_alt_names().unwrap()[0].to_string()),
        (2, "dns:a.example.com".to_owned())
    );
    let json = web
        .request(Method::GET, &format!("{path}/certificate"))
        .header("accept", "application/json");
    assert!(
        Reply::to(json).await.json["chain_pem"]
            .as_str()
            .unwrap()
            .contains("BEGIN CERTIFICATE")
    );
    assert_eq!(
        web.get_ok(&format!("{path}?wait=1")).await["order"]["status"],
        "delivered"
    );
    let ack = json!({ "installed_at": "2030-01-01T00:00:00Z", "fingerprint_sha256": print, "files": [] });
    assert_eq!(
        web.post_ok(&format!("{path}/ack"), ack).await["order"]["status"],
        "installed"
    );
    let statuses = json!({ "fingerprints_sha256": [print, "00".repeat(32)] });
    let statuses = web.post_ok("/api/v1/courier/certificates/status", statuses).await;
    assert_eq!(
        (
            &statuses["certificates"][0]["status"],
            &statuses["certificates"][1]["status"]
        ),
        (&json!("active"), &json!("unknown"))
    );
    let window = format!(
        "/api/v1/courier/certificates/{}/renewal-info",
        print.as_str().unwrap()
    );
    assert!(web.get_ok(&window).await["suggested_window"]["start"].is_string());
    assert_eq!(
        web.get_ok("/api/v1/courier/orders?status=installed").await["orders"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let report = json!({ "next_run_at": "2030-01-02T00:00:00Z", "failures": 0, "host": { "kernel": "6" } });
    assert_eq!(web.post("/api/v1/courier/report", report).await.status, 204);
    let all = admin.get_ok("/api/v1/courier-orders?courier=web01").await;
    assert_eq!(all["items"][0]["requested_by"]["name"], "web01");
    assert_eq!(
        web.post("/api/v1/courier/auth/revoke", json!({})).await.status,
        204
    );
    assert_eq!(
        told(&web.get("/api/v1/courier/self").await),
        (401, "SESSION_EXPIRED")
    );
}

#[tokio::test]
async fn errors_have_the_codes_of_the_protocol() {
    let house = House::open().await;
    let admin = house.admin().await;
    let request = courier(&admin, "web01", record()).await;
    let nobody = house.api_with(None);
    let sign_in = async |change: &dyn Fn(&mut Value)| {
        let mut request = request.clone();
        change(&mut request);
        nobody.post("/api/v1/courier/auth", request).await
    };
    let wrong = sign_in(&|request| request["credential"]["client_secret"] = "x".into()).await;
    assert_eq!(told(&wrong), (401, "INVALID_CREDENTIALS"));
    let unknown = sign_in(&|request| request["uuid"] = "0193b3c2-7f00-7000-8000-000000000001".into()).await;
    assert_eq!(told(&unknown), (401, "INVALID_CREDENTIALS"));
    assert_eq!(wrong.json["error"]["message"], unknown.json["error"]["message"]);
    assert_eq!(
        told(&sign_in(&|request| request["method"] = "none".into()).await),
        (422, "VALIDATION_ERROR")
    );
    assert_eq!(
        told(&sign_in(&|request| request["more"] = 1.into()).await),
        (422, "VALIDATION_ERROR")
    );
    let garbage = nobody
        .request(Method::POST, "/api/v1/courier/auth")
        .header("content-type", "application/json")
        .body("{");
    assert_eq!(told(&Reply::to(garbage).await), (400, "MALFORMED_REQUEST"));
    assert_eq!(
        told(&nobody.get("/api/v1/courier/self").await),
        (401, "SESSION_EXPIRED")
    );
    let token_of_api = admin.get("/api/v1/courier/self").await;
    assert_eq!(
        told(&token_of_api),
        (401, "SESSION_EXPIRED"),
        "a token of the API is no session"
    );
    let web = signed_in(&house, &request).await;
    assert_eq!(
        web.get("/api/v1/couriers").await.status,
        401,
        "a session is no token of the API"
    );
    let place = async |body: Value| web.post("/api/v1/courier/orders", body).await;
    let with = |name: &str, value: Value| {
        let mut body = order(&["dns:a.example.com"]);
        body[name] = value;
        body
    };
    assert_eq!(
        told(&place(order(&["dns:a.example.org"])).await),
        (403, "DOMAIN_NOT_REGISTERED")
    );
    let outside = place(order(&["dns:a.b.example.com", "dns:a.example.com"])).await;
    assert_eq!(told(&outside), (403, "DOMAIN_NOT_ALLOWED"));
    assert_eq!(
        outside.json["error"]["details"][0]["field"],
        "dns:a.b.example.com"
    );
    assert_eq!(told(&place(with("csr_pem", "x".into())).await), (422, "BAD_CSR"));
    assert_eq!(
        told(&place(with("csr_pem", Value::Null)).await),
        (422, "VALIDATION_ERROR")
    );
    assert_eq!(
        told(&place(with("key_mode", "platform".into())).await),
        (422, "VALIDATION_ERROR"),
        "with a request of its own"
    );
    let recipient = RecipientKey::generate(Curve::P256, &SystemRandom::new()).unwrap();
    let platform = json!({
        "kind": "issue", "key_mode": "platform", "key_spec": { "algorithm": "ec-256" },
        "sans": { "dns": ["a.example.com"] },
        "recipient": serde_json::from_str::<Value>(&recipient.jwk().to_json()).unwrap(),
    });
    assert_eq!(told(&place(platform).await), (403, "KEY_MODE_NOT_ALLOWED"));
    assert_eq!(
        told(&place(with("profile", "tls-client".into())).await),
        (403, "PROFILE_NOT_ALLOWED")
    );
    assert_eq!(
        told(&place(with("kind", "renew".into())).await),
        (422, "VALIDATION_ERROR")
    );
    assert_eq!(
        told(&place(with("sans", json!({ "dns": ["b.example.com"] }))).await),
        (422, "VALIDATION_ERROR")
    );
    assert_eq!(
        told(&place(with("subject", json!({ "common_name": "b.example.com" }))).await),
        (422, "VALIDATION_ERROR")
    );
    assert_eq!(
        place(with("sans", json!({ "dns": ["a.example.com"] })))
            .await
            .status,
        201
    );
    let rule = json!({ "action": "block_subdomains", "fail": "hard" });
    let policy = json!({ "name": "p", "rules": [rule], "matching_criteria": { "action": "certificate.generate", "domains": ["example.com"] } });
    let made = admin.post("/api/v1/policies", policy).await;
    assert_eq!((made.status.as_u16(), made.json["id"].as_i64()), (201, Some(1)));
    let denied = place(order(&["dns:c.example.com"])).await;
    assert_eq!(told(&denied), (403, "POLICY_DENIED"));
    assert_eq!(denied.json["error"]["details"][0]["rule"], "block_subdomains");
    assert_eq!(admin.delete("/api/v1/policies/1").await.status, 204);
    let disabled = admin
        .put("/api/v1/domains/example.com", json!({ "enabled": false }))
        .await;
    assert_eq!(disabled.json["enabled"], false);
    assert_eq!(
        told(&place(order(&["dns:c.example.com"])).await),
        (403, "DOMAIN_DISABLED")
    );
    let nothing = format!(
        "/api/v1/courier/orders/{}",
        "0193b3c2-7f00-7000-8000-000000000001"
    );
    assert_eq!(told(&web.get(&nothing).await), (404, "NOT_FOUND"));
    assert_eq!(
        told(&web.get("/api/v1/courier/orders/7").await),
        (404, "NOT_FOUND")
    );
    let revoke = web
        .post(
            &format!("/api/v1/courier/certificates/{}/revoke", "00".repeat(32)),
            json!({}),
        )
        .await;
    assert_eq!(told(&revoke), (404, "NOT_FOUND"));
    admin.post_ok("/api/v1/couriers/web01/disable", json!(null)).await;
    assert_eq!(told(&sign_in(&|_| {}).await), (403, "COURIER_DISABLED"));
    for _ in 0..30 {
        sign_in(&|_| {}).await;
    }
    let limited = sign_in(&|_| {}).await;
    assert_eq!(told(&limited), (429, "RATE_LIMITED"));
    assert!(limited.header("retry-after").parse::<u64>().unwrap() <= 60);
}

#[tokio::test]
async fn a_bound_session_takes_signed_requests_alone() {
    let house = House::open().await;
    let admin = house.admin().await;
    let mut request = courier(&admin, "web01", record()).await;
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    let key = SigningKey::from_pkcs8_der(pkcs8.as_ref()).unwrap();
    request["proof_key"] = serde_json::from_str(&key.jwk().to_json()).unwrap();
    let nobody = house.api_with(None);
    let opened = nobody.post_ok("/api/v1/courier/auth", request).await;
    assert_eq!(opened["session"]["token_type"], "DPoP");
    let token = opened["session"]["token"].as_str().unwrap();
    let now = house.authority.clock().now().as_second();
    let ask = |host: &str, id: &str| {
        let proof = dpop::Request {
            method: "GET",
            url: &format!("{host}/api/v1/courier/orders"),
            access_token_hash: Some(&dpop::access_token_hash(token)),
            now,
            id,
            body: None,
        };
        let proof = dpop::build(&key, &proof, &random).unwrap();
        let request = nobody.request(Method::GET, "/api/v1/courier/orders?limit=5");
        Reply::to(
            request
                .header("authorization", format!("DPoP {token}"))
                .header("dpop", proof),
        )
    };
    let here = format!("https://localhost:{}", house.addresses.api.port());
    assert_eq!(ask(&here, "1").await.status, 200);
    assert_eq!(
        ask("http://pki.example", "2").await.status,
        200,
        "the name by which it calls itself"
    );
    assert_eq!(
        told(&ask(&here, "1").await),
        (401, "PROOF_INVALID"),
        "each proof counts once"
    );
    assert_eq!(
        told(&ask("https://other.example", "3").await),
        (401, "PROOF_INVALID")
    );
    let bare = house
        .api_with(Some(token.to_owned()))
        .get("/api/v1/courier/orders")
        .await;
    assert_eq!(
        told(&bare),
        (401, "PROOF_INVALID"),
        "the token alone is worth nothing"
    );
}

#[tokio::test]
async fn operators_manage_couriers_and_approve_what_waits() {
    let house = House::open().await;
    let admin = house.admin().await;
    let mut waiting = record();
    waiting["needs_approval"] = true.into();
    let request = courier(&admin, "web01", waiting).await;
    let bad = admin
        .post(
            "/api/v1/couriers",
            json!({ "name": "web02", "record": { "allowed_names": ["*.com"] } }),
        )
        .await;
    assert_eq!(
        (bad.status.as_u16(), bad.json["error"]["code"].as_str()),
        (400, Some("record_invalid"))
    );
    let credential = json!({ "binding": { "method": "certificate", "issuer": "issuing", "names": ["dns:web01.example.com"] } });
    let added = admin.post("/api/v1/couriers/web01/credentials", credential).await;
    assert_eq!(added.status, 201, "{}", added.json);
    let all = admin.get_ok("/api/v1/couriers/web01/credentials").await;
    assert_eq!(all["items"].as_array().unwrap().len(), 2);
    assert!(
        !all.to_string()
            .contains(request["credential"]["client_secret"].as_str().unwrap())
    );
    let path = format!(
        "/api/v1/couriers/web01/credentials/{}",
        added.json["id"].as_str().unwrap()
    );
    assert_eq!(admin.delete(&path).await.status, 204);
    let web = signed_in(&house, &request).await;
    let placed = web
        .post("/api/v1/courier/orders", order(&["dns:a.example.com"]))
        .await;
    assert_eq!(
        (placed.status.as_u16(), &placed.json["order"]["status"]),
        (202, &json!("pending_approval"))
    );
    let place = placed.header("location").to_owned();
    assert_eq!(
        told(&web.get(&format!("{place}/certificate")).await),
        (409, "ORDER_HAS_NO_CERTIFICATE")
    );
    let id = placed.json["order"]["uuid"].as_str().unwrap();
    let auditor = house.api("auditor", Role::Auditor).await;
    assert_eq!(
        auditor
            .post(&format!("/api/v1/courier-orders/{id}/approve"), json!({}))
            .await
            .status,
        403
    );
    let operator = house.api("operator", Role::Operator).await;
    let approved = operator
        .post_ok(&format!("/api/v1/courier-orders/{id}/approve"), json!({}))
        .await;
    assert_eq!(approved["status"], "issued");
    assert_eq!(web.get_ok(&place).await["order"]["status"], "issued");
    let second = web
        .post("/api/v1/courier/orders", order(&["dns:b.example.com"]))
        .await;
    let id = second.json["order"]["uuid"].as_str().unwrap();
    let rejected = operator
        .post_ok(
            &format!("/api/v1/courier-orders/{id}/reject"),
            json!({ "reason": "not yours" }),
        )
        .await;
    assert_eq!(rejected["error"]["message"], "not yours");
    let switched = admin
        .put(
            "/api/v1/courier-methods/client_secret",
            json!({ "enabled": false }),
        )
        .await;
    assert_eq!(switched.json["items"][1]["used_by"], json!(["web01"]));
    assert_eq!(
        told(&web.get(&place).await),
        (401, "SESSION_EXPIRED"),
        "its sessions end"
    );
    assert_eq!(admin.delete("/api/v1/couriers/web01").await.status, 204);
    assert_eq!(admin.get("/api/v1/couriers/web01").await.status, 404);
}
