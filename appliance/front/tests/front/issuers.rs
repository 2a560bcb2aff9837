//! Issuers through the API: made, certified elsewhere, brought along, rolled over.

use serde_json::{Value, json};

use crate::holder::Holder;
use crate::house::{Api, House};

/// A certificate of `profile` from `root`, for a request in DER.
async fn certified(api: &Api, csr: &[u8]) -> Value {
    let csr = pki::pem::encode("CERTIFICATE REQUEST", csr);
    api.post_ok(
        "/api/v1/certificates",
        json!({"csr_pem": csr, "profile": "sub-ca", "issuer_id": "root"}),
    )
    .await
}

#[tokio::test]
async fn a_root_and_an_issuing_ca_are_made_and_shown() {
    let house = House::open().await;
    let api = house.admin().await;
    let root = json!({"kind": "root", "name": "r2", "subject": "CN=R2,O=Example,C=CH", "key_algorithm": "ec-p384",
        "token": "software", "validity_days": 7300});
    let reply = api.post("/api/v1/issuers", root.clone()).await;
    assert_eq!(reply.status, 201, "{}", reply.json);
    let root_made = reply.ok();
    assert_eq!(
        (
            &root_made["state"],
            &root_made["key_algorithm"],
            &root_made["generation"]
        ),
        (&json!("active"), &json!("ec-p384"), &json!(1))
    );
    let issuing =
        json!({"kind": "issuing", "name": "i2", "parent": "r2", "subject": "CN=I2", "token": "software"});
    let issuing = api.post_ok("/api/v1/issuers", issuing).await;
    assert_eq!(issuing["parent"], root_made["id"]);
    for key in [issuing["id"].as_str().unwrap(), "i2"] {
        assert_eq!(api.get_ok(&format!("/api/v1/issuers/{key}")).await, issuing);
    }
    let listed = api.get_ok("/api/v1/issuers").await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 4);
    assert_eq!(
        api.post("/api/v1/issuers", root).await.status,
        409,
        "the name is taken"
    );
    api.get("/api/v1/issuers/nobody").await.refused(404, "not_found");
}

#[tokio::test]
async fn what_cannot_be_an_issuer_is_refused_and_nothing_is_made() {
    let house = House::open().await;
    let api = house.admin().await;
    let root = |changes: Value| {
        let mut root = json!({"kind": "root", "name": "r2", "subject": "CN=R2", "token": "software"});
        root.as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        root
    };
    for (changes, status) in [
        (json!({"name": "Big Letters"}), 400),
        (json!({"name": ""}), 400),
        (json!({"subject": "no name"}), 400),
        (json!({"key_algorithm": "rsa-1024"}), 400),
        (
            json!({"key_algorithm": "ec-p256", "signature_algorithm": "rsa-pkcs1-sha256"}),
            400,
        ),
        (json!({"profile": "nope"}), 404),
    ] {
        let reply = api.post("/api/v1/issuers", root(changes.clone())).await;
        assert!(reply.status.is_client_error(), "{changes}: {}", reply.json);
        assert!(
            reply.status.as_u16() == status || reply.status == 422 || reply.status == 400,
            "{changes}: {}",
            reply.json
        );
    }
    let reply = api
        .post("/api/v1/issuers", root(json!({"token": "absent"})))
        .await;
    assert!(
        reply.status.is_client_error() || reply.status == 503,
        "{}",
        reply.json
    );
    assert_eq!(
        api.get_ok("/api/v1/issuers").await["items"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn a_subordinate_is_certified_elsewhere() {
    let (house, foreign) = (House::open().await, House::open().await);
    let (api, elsewhere) = (house.admin().await, foreign.admin().await);
    let pending =
        json!({"kind": "subordinate", "name": "sub", "subject": "CN=Sub,O=Example", "token": "software"});
    let pending = api.post_ok("/api/v1/issuers", pending).await;
    assert_eq!(
        (&pending["state"], &pending["certificate_pem"]),
        (&json!("pending"), &json!(null))
    );
    let csr = api.get("/api/v1/issuers/sub/csr").await;
    assert_eq!(csr.header("content-type"), "application/x-pem-file");
    assert_eq!(csr.body, pending["csr_pem"].as_str().unwrap().as_bytes());
    let csr = pki::Csr::parse(&csr.body).unwrap().verify().unwrap();
    let signed = certified(&elsewhere, csr.der()).await;
    let order = json!({"csr_pem": Holder::new().csr(&["dns:x.example"]), "profile": "tls-server", "issuer_id": "sub"});
    let reply = api.post("/api/v1/certificates", order.clone()).await;
    assert!(
        reply.status.is_client_error(),
        "a pending issuer issues nothing: {}",
        reply.json
    );
    let wrong = json!({"certificates_pem": foreign.root_pem});
    assert!(
        api.post("/api/v1/issuers/sub/certificate", wrong)
            .await
            .status
            .is_client_error()
    );
    let bundle = format!(
        "{}{}",
        foreign.root_pem,
        signed["certificate_pem"].as_str().unwrap()
    );
    let active = api
        .post_ok(
            "/api/v1/issuers/sub/certificate",
            json!({"certificates_pem": bundle}),
        )
        .await;
    assert_eq!(active["state"], "active");
    api.post_ok("/api/v1/certificates", order).await;
    api.get("/api/v1/issuers/root/csr")
        .await
        .refused(404, "not_found");
}

#[tokio::test]
async fn a_ca_from_disk_issues_with_its_old_key() {
    let (house, foreign) = (House::open().await, House::open().await);
    let (api, elsewhere) = (house.admin().await, foreign.admin().await);
    let holder = Holder::new();
    let signed = certified(&elsewhere, &holder.ca_csr("CN=Old,O=Example")).await;
    let mut body = json!({"kind": "from_disk", "name": "old", "certificate_pem": signed["certificate_pem"],
        "chain_pem": foreign.root_pem, "key_pem": Holder::new().key_pem()});
    let reply = api.post("/api/v1/issuers", body.clone()).await;
    assert!(
        reply.status.is_client_error(),
        "the key is another: {}",
        reply.json
    );
    body["key_pem"] = json!(holder.key_pem());
    let made = api.post("/api/v1/issuers", body).await;
    assert!(!String::from_utf8_lossy(&made.body).contains("PRIVATE KEY"));
    assert_eq!(made.ok()["state"], "active");
    let order = json!({"csr_pem": Holder::new().csr(&["dns:x.example"]), "profile": "tls-server", "issuer_id": "old"});
    api.post_ok("/api/v1/certificates", order).await;
}

#[tokio::test]
async fn a_rollover_makes_a_generation_and_the_old_one_answers_on() {
    let house = House::open().await;
    let api = house.admin().await;
    let old = house.issuer("issuing").id;
    let reply = api
        .post(
            "/api/v1/issuers/issuing/rollover",
            json!({"key_algorithm": "ec-p384"}),
        )
        .await;
    assert_eq!(reply.status, 201, "{}", reply.json);
    let new = reply.ok();
    assert_eq!(
        (&new["generation"], &new["state"], &new["key_algorithm"]),
        (&json!(2), &json!("active"), &json!("ec-p384"))
    );
    assert_eq!(
        api.get_ok("/api/v1/issuers/issuing").await["id"],
        new["id"],
        "the name leads to the new generation"
    );
    assert_eq!(
        api.get_ok(&format!("/api/v1/issuers/{old}")).await["state"],
        "retired"
    );
    for path in [
        format!("/.well-known/pki/crl/{old}"),
        format!("/.well-known/pki/ca/{old}"),
    ] {
        assert_eq!(
            house
                .plain
                .get(house.public(&path))
                .send()
                .await
                .unwrap()
                .status(),
            200,
            "{path}"
        );
    }
    let issued = api.enrol("host.example").await;
    assert_eq!(issued["issuer_id"], new["id"]);
}

#[tokio::test]
async fn a_crl_is_published_on_demand() {
    let house = House::open().await;
    let api = house.admin().await;
    let first = api.post_ok("/api/v1/issuers/issuing/crl", json!(null)).await;
    let second = api.post_ok("/api/v1/issuers/issuing/crl", json!(null)).await;
    assert!(second["number"].as_u64() > first["number"].as_u64());
    assert_eq!(second["entries"], 0);
    api.post("/api/v1/issuers/nobody/crl", json!(null))
        .await
        .refused(404, "not_found");
}
