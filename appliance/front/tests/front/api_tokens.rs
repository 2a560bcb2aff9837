//! Who may come in, and how far.

use ca::{Role, Scope};
use reqwest::Method;
use serde_json::json;

use crate::holder::Holder;
use crate::house::{House, Reply};

#[tokio::test]
async fn without_a_good_token_nobody_comes_in() {
    let house = House::open().await;
    let good = house.token("admin", Role::Admin, Scope::All, Scope::All).await;
    let nobody = house.api_with(None);
    let (shortened, changed) = (good.get(..good.len() - 1).unwrap().to_owned(), format!("{good}x"));
    let headers = [
        None,
        Some(String::new()),
        Some("Bearer".to_owned()),
        Some("Bearer ".to_owned()),
        Some(format!("Basic {good}")),
        Some(good.clone()),
        Some(format!("Bearer {shortened}")),
        Some(format!("Bearer {changed}")),
        Some(format!("Bearer {good} {good}")),
        Some("Bearer chy_nothing_at_all".to_owned()),
        Some(format!("Bearer {}", "a".repeat(8000))),
    ];
    for header in headers {
        let mut request = nobody.request(Method::GET, "/api/v1/issuers");
        if let Some(header) = &header {
            request = request.header("authorization", header);
        }
        let reply = Reply::to(request).await;
        assert_eq!(reply.status, 401, "{header:?}");
        assert!(
            reply.header("www-authenticate").starts_with("Bearer "),
            "{header:?}"
        );
        assert_eq!(reply.json["error"]["retryable"], false);
        assert!(!reply.json.to_string().contains(&good));
    }
    let lower = nobody
        .request(Method::GET, "/api/v1/issuers")
        .header("authorization", format!("bearer {good}"));
    assert_eq!(
        Reply::to(lower).await.status,
        200,
        "the scheme's name knows no case"
    );
}

#[tokio::test]
async fn every_address_but_the_open_ones_wants_a_token() {
    let house = House::open().await;
    let nobody = house.api_with(None);
    let document = nobody.get_ok("/api/v1/openapi.json").await;
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = path.replace("{id}", "00").replace("{name}", "x");
        for method in item.as_object().unwrap().keys() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let reply = Reply::to(nobody.request(method, &path)).await;
            // What is cosigned was signed by a log that the configuration names; without one there is nothing.
            let open = [
                "/healthz",
                "/readyz",
                "/api/v1/openapi.json",
                "/audit/witness/add-checkpoint",
                "/api/v1/health",
                "/api/v1/courier/auth",
                "/api/v1/courier/auth/challenge",
                "/api/v1/courier/ca-bundle",
                "/api/v1/courier/bridges/register",
            ];
            let is_open = open.contains(&path.as_str());
            assert_eq!(reply.status == 401, !is_open, "{path}: {}", reply.status);
            asked += 1;
        }
    }
    assert!(asked > 25, "{asked}");
}

#[tokio::test]
async fn a_token_is_made_listed_used_and_revoked() {
    let house = House::open().await;
    let admin = house.admin().await;
    let new = json!({"name": "web", "role": "requester", "profiles": ["tls-server"], "issuers": ["issuing"]});
    let reply = admin.post("/api/v1/api-tokens", new).await;
    assert_eq!(reply.status, 201);
    assert_eq!(reply.header("cache-control"), "no-store");
    let made = reply.ok();
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    assert_eq!(
        (&made["role"], &made["profiles"], &made["revoked_at"]),
        (&json!("requester"), &json!(["tls-server"]), &json!(null))
    );
    let listed = admin.get("/api/v1/api-tokens").await;
    assert!(
        !String::from_utf8_lossy(&listed.body).contains(secret),
        "the secret is shown once"
    );
    assert!(
        listed.ok()["items"]
            .as_array()
            .unwrap()
            .iter()
            .any(|token| token["id"] == id)
    );
    let web = house.api_with(Some(secret.to_owned()));
    web.enrol("host.example").await;
    let gone = admin.delete(&format!("/api/v1/api-tokens/{id}")).await.ok();
    assert!(gone["revoked_at"].is_string());
    web.get("/api/v1/issuers").await.refused(
        401,
        web.get("/api/v1/issuers").await.json["error"]["code"]
            .as_str()
            .unwrap(),
    );
    admin
        .delete("/api/v1/api-tokens/nothing")
        .await
        .refused(404, "not_found");
}

#[tokio::test]
async fn a_token_past_its_end_is_no_token() {
    let house = House::open().await;
    let admin = house.admin().await;
    let end = house.authority.clock().now() + jiff::SignedDuration::from_millis(700);
    let made = admin
        .post_ok(
            "/api/v1/api-tokens",
            json!({"name": "brief", "role": "operator", "expires_at": end}),
        )
        .await;
    let brief = house.api_with(Some(made["secret"].as_str().unwrap().to_owned()));
    assert_eq!(brief.get("/api/v1/issuers").await.status, 200);
    tokio::time::sleep(std::time::Duration::from_millis(900)).await;
    assert_eq!(brief.get("/api/v1/issuers").await.status, 401);
}

#[tokio::test]
async fn roles_reach_as_far_as_they_should() {
    let house = House::open().await;
    let admin = house.admin().await;
    let issued = admin.enrol("host.example").await;
    let certificate = format!("/api/v1/certificates/{}", issued["id"].as_str().unwrap());
    let (operator, requester, auditor) = (
        house.api("op", Role::Operator).await,
        house.api("req", Role::Requester).await,
        house.api("aud", Role::Auditor).await,
    );
    let root = json!({"kind": "root", "name": "r2", "subject": "CN=R2", "token": "software"});
    for other in [&operator, &requester, &auditor] {
        other
            .post("/api/v1/issuers", root.clone())
            .await
            .refused(403, "role_insufficient");
        other
            .post("/api/v1/api-tokens", json!({"name": "x", "role": "admin"}))
            .await
            .refused(403, "role_insufficient");
        other
            .delete("/api/v1/profiles/device")
            .await
            .refused(403, "role_insufficient");
        other
            .post("/api/v1/issuers/issuing/rollover", json!({}))
            .await
            .refused(403, "role_insufficient");
        other
            .post("/api/v1/clock/accept", json!({}))
            .await
            .refused(403, "role_insufficient");
    }
    for (api, path, status) in [
        (&operator, "/api/v1/audit", 403),
        (&requester, "/api/v1/audit", 403),
        (&auditor, "/api/v1/audit", 200),
        (&operator, "/api/v1/status", 200),
        (&requester, "/api/v1/status", 403),
        (&requester, "/api/v1/keys", 403),
        (&auditor, "/api/v1/keys", 200),
        (&operator, "/api/v1/api-tokens", 403),
        (&requester, certificate.as_str(), 404),
        (&auditor, certificate.as_str(), 200),
        (&requester, "/api/v1/profiles", 200),
    ] {
        assert_eq!(api.get(path).await.status.as_u16(), status, "{path}");
    }
    let order = json!({"csr_pem": Holder::new().csr(&["dns:x.example"]), "profile": "tls-server"});
    auditor
        .post("/api/v1/certificates", order)
        .await
        .refused(403, "role_insufficient");
    requester
        .post(&format!("{certificate}/revoke"), json!({"reason": "superseded"}))
        .await
        .refused(404, "not_found");
    operator
        .post_ok(&format!("{certificate}/revoke"), json!({"reason": "superseded"}))
        .await;
    assert_eq!(
        operator
            .post("/api/v1/issuers/issuing/crl", json!({}))
            .await
            .status,
        200
    );
    requester
        .post("/api/v1/issuers/issuing/crl", json!({}))
        .await
        .refused(403, "role_insufficient");
}

#[tokio::test]
async fn scopes_hold() {
    let house = House::open().await;
    let only = |name: &str| Scope::of([name.to_owned()]);
    let order = |profile: &str| json!({"csr_pem": Holder::new().csr(&["dns:x.example"]), "profile": profile});
    let token = house
        .token("a", Role::Operator, Scope::All, only("tls-client"))
        .await;
    house
        .api_with(Some(token))
        .post("/api/v1/certificates", order("tls-server"))
        .await
        .refused(403, "scope_insufficient");
    let token = house.token("b", Role::Operator, only("root"), Scope::All).await;
    let elsewhere = house.api_with(Some(token));
    let mut at_issuing = order("tls-server");
    at_issuing["issuer_id"] = json!("issuing");
    elsewhere
        .post("/api/v1/certificates", at_issuing)
        .await
        .refused(403, "scope_insufficient");
    elsewhere
        .post("/api/v1/issuers/issuing/crl", json!({}))
        .await
        .refused(403, "scope_insufficient");
}

#[tokio::test]
async fn a_scope_that_names_nothing_is_refused() {
    let house = House::open().await;
    let admin = house.admin().await;
    for (scope, code) in [
        (json!({"issuers": ["issuign"]}), "unknown_issuer"),
        (json!({"profiles": ["tls-sever"]}), "unknown_profile"),
    ] {
        let mut new = json!({"name": "web", "role": "requester"});
        new.as_object_mut()
            .unwrap()
            .extend(scope.as_object().unwrap().clone());
        let reply = admin.post("/api/v1/api-tokens", new).await;
        assert_eq!(
            (reply.status.as_u16(), reply.json["error"]["code"].as_str()),
            (400, Some(code))
        );
    }
}
