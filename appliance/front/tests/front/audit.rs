//! The audit log, keys and state, as auditors and operators read them.

use ca::Role;
use serde_json::{Value, json};

use crate::house::House;

#[tokio::test]
async fn every_change_has_its_entry_and_the_chain_is_sound() {
    let house = House::open().await;
    let (api, auditor) = (house.admin().await, house.api("aud", Role::Auditor).await);
    let issued = api.enrol("host.example").await;
    let id = issued["id"].as_str().unwrap();
    api.post_ok(
        &format!("/api/v1/certificates/{id}/revoke"),
        json!({"reason": "superseded"}),
    )
    .await;
    let (mut after, mut actions, mut seen) = (json!(0), Vec::new(), 0);
    loop {
        let page = auditor
            .get_ok(&format!("/api/v1/audit?limit=4&after={after}"))
            .await;
        for entry in page["items"].as_array().unwrap() {
            seen += 1;
            assert_eq!(entry["seq"], seen, "without gaps");
            assert_eq!(entry["hash"].as_str().unwrap().len(), 64);
            if entry["actor"].as_str().unwrap().starts_with("admin ") {
                actions.push(entry["action"].as_str().unwrap().to_owned());
            }
        }
        after = page["next"].clone();
        if after.is_null() {
            break;
        }
    }
    assert!(
        actions.iter().any(|action| action == "certificate.issue"),
        "{actions:?}"
    );
    assert!(
        actions.iter().any(|action| action == "certificate.revoke"),
        "{actions:?}"
    );
    // From its end, and about one thing.
    let newest = auditor
        .get_ok(&format!("/api/v1/audit?limit=2&before={}", i64::MAX))
        .await;
    let numbers = |page: &Value| -> Vec<i64> {
        let items = page["items"].as_array().unwrap();
        items.iter().map(|entry| entry["seq"].as_i64().unwrap()).collect()
    };
    assert_eq!(numbers(&newest), [seen - 1, seen]);
    assert_eq!(newest["next"], seen - 1);
    let before = auditor
        .get_ok(&format!("/api/v1/audit?limit=2&before={}", seen - 1))
        .await;
    assert_eq!(numbers(&before), [seen - 3, seen - 2]);
    let about = auditor
        .get_ok(&format!("/api/v1/audit?object={id}&before={}", i64::MAX))
        .await;
    let actions: Vec<&str> = about["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions, ["certificate.issue", "certificate.revoke"]);
    let revoked = auditor
        .get_ok(&format!("/api/v1/audit?object={id}&action=certificate.revoke"))
        .await;
    assert_eq!(revoked["items"].as_array().unwrap().len(), 1);
    let verdict = auditor.get_ok("/api/v1/audit/verify").await;
    assert_eq!(
        (&verdict["sound"], &verdict["problem"]),
        (&json!(true), &json!(null))
    );
    assert!(verdict["entries"].as_i64().unwrap() >= seen);
}

#[tokio::test]
async fn entries_are_proved_to_auditors_alone() {
    let house = House::open().await;
    let (admin, auditor) = (house.admin().await, house.api("aud", Role::Auditor).await);
    let operator = house.api("op", Role::Operator).await;
    assert_eq!(auditor.get_ok("/api/v1/audit/key").await["key"], json!(null));
    house.authority.tend_audit_log_now().await.unwrap();
    let key = auditor.get_ok("/api/v1/audit/key").await["key"].clone();
    assert!(key.as_str().unwrap().contains("/audit/"), "{key}");
    let old = auditor.get_ok("/api/v1/audit/verify").await["tree"]["size"]
        .as_i64()
        .unwrap();
    let issued = admin.enrol("host.example").await;
    house.authority.tend_audit_log_now().await.unwrap();
    let note = auditor.get_ok("/api/v1/audit/checkpoint").await["checkpoint"].clone();
    let note = note.as_str().unwrap();
    let proof = auditor.get_ok("/api/v1/audit/proof?entry=1").await;
    assert_eq!(proof["seq"], 1);
    assert!(proof["proof"].as_str().unwrap().ends_with(note), "{proof}");
    let id = issued["id"].as_str().unwrap();
    let about = auditor.get_ok(&format!("/api/v1/audit/proof?entry={id}")).await;
    assert!(about["seq"].as_i64().unwrap() > old, "{about}");
    let continues = auditor
        .get_ok(&format!("/api/v1/audit/consistency?old={old}"))
        .await;
    assert!(
        continues["proof"]
            .as_str()
            .unwrap()
            .starts_with(&format!("old {old}\n")),
        "{continues}"
    );
    for path in [
        "audit/key",
        "audit/checkpoint",
        "audit/proof?entry=1",
        "audit/consistency?old=1",
        "audit/verify",
    ] {
        let answer = operator.get(&format!("/api/v1/{path}")).await;
        assert_eq!(answer.status, 403, "{path}");
    }
    let anew = |reason: &'static str| admin.post("/api/v1/audit/begin-anew", json!({ "reason": reason }));
    assert_eq!(anew("").await.status, 400);
    assert_eq!(anew("a test").await.status, 204);
    assert_eq!(auditor.get("/api/v1/audit/checkpoint").await.status, 409);
    house.authority.tend_audit_log_now().await.unwrap();
    assert_ne!(auditor.get_ok("/api/v1/audit/key").await["key"], key);
}

#[tokio::test]
async fn the_keys_are_listed_with_their_use() {
    let house = House::open().await;
    let keys = house.admin().await.get_ok("/api/v1/keys").await;
    let root = house.issuer("root");
    let items = keys["items"].as_array().unwrap();
    let key = items
        .iter()
        .find(|key| key["fingerprint"] == root.key.to_string())
        .unwrap();
    assert_eq!(key["used_by"], json!(["issuer root 1"]));
    assert_eq!(key["algorithm"], "ec-p256");
}

#[tokio::test]
async fn the_state_of_everything_is_shown() {
    let house = House::open().await;
    let api = house.admin().await;
    let before = api.get_ok("/api/v1/status").await;
    api.enrol("host.example").await;
    let after = api.get_ok("/api/v1/status").await;
    assert_eq!(after["issuers"], 2);
    assert_eq!(after["signer_error"], json!(null));
    assert!(after["serials"].as_u64() > before["serials"].as_u64());
    assert!(after["audit_entries"].as_u64() > before["audit_entries"].as_u64());
    assert!(after["store_commits"].as_u64() > before["store_commits"].as_u64());
    assert!(!after["tokens"].as_array().unwrap().is_empty());
    assert!(!after["version"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn an_admin_may_accept_the_clock() {
    let house = House::open().await;
    assert_eq!(
        house
            .admin()
            .await
            .post("/api/v1/clock/accept", json!(null))
            .await
            .status,
        204
    );
}
