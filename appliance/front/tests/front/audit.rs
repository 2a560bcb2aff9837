//! The audit log, keys and state, as auditors and operators read them.

use ca::Role;
use serde_json::json;

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
    let verdict = auditor.get_ok("/api/v1/audit/verify").await;
    assert_eq!(
        (&verdict["sound"], &verdict["problem"]),
        (&json!(true), &json!(null))
    );
    assert!(verdict["entries"].as_i64().unwrap() >= seen);
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
