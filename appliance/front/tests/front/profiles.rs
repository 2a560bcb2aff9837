//! Profiles through the API.

use serde_json::json;

use crate::holder::Holder;
use crate::house::House;

#[tokio::test]
async fn the_ready_made_ones_are_there() {
    let house = House::open().await;
    let api = house.admin().await;
    let listed = api.get_ok("/api/v1/profiles").await;
    let names: Vec<&str> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["profile"]["name"].as_str().unwrap())
        .collect();
    for name in [
        "tls-server",
        "tls-client",
        "device",
        "smime",
        "code-signing",
        "timestamping",
        "sub-ca",
        "root",
        "ocsp-signer",
    ] {
        assert!(names.contains(&name), "{name} in {names:?}");
        assert_eq!(
            api.get_ok(&format!("/api/v1/profiles/{name}")).await["profile"]["name"],
            name
        );
    }
    api.get("/api/v1/profiles/nope").await.refused(404, "not_found");
}

#[tokio::test]
async fn a_profile_is_put_used_changed_and_removed() {
    let house = House::open().await;
    let api = house.admin().await;
    let mut profile = api.get_ok("/api/v1/profiles/tls-server").await["profile"].clone();
    profile["name"] = json!("web");
    profile["max_ttl"] = json!("2d");
    profile["default_validity"] = json!("1d");
    let put = api.put("/api/v1/profiles/web", profile.clone()).await.ok();
    assert_eq!(
        (&put["version"], &put["profile"]["max_ttl"]),
        (&json!(1), &json!("2d"))
    );
    let order =
        json!({"csr_pem": Holder::new().csr(&["dns:x.example"]), "profile": "web", "validity_days": 300});
    let issued = api.post_ok("/api/v1/certificates", order.clone()).await;
    let end: jiff::Timestamp = issued["not_after"].as_str().unwrap().parse().unwrap();
    assert!(
        end.duration_since(house.authority.clock().now()).as_hours() <= 48,
        "{end}"
    );
    profile["description"] = json!("changed");
    assert_eq!(api.put("/api/v1/profiles/web", profile).await.ok()["version"], 2);
    assert_eq!(api.delete("/api/v1/profiles/web").await.status, 204);
    api.get("/api/v1/profiles/web").await.refused(404, "not_found");
    assert_eq!(
        api.post("/api/v1/certificates", order).await.json["error"]["code"],
        "unknown_profile"
    );
}

#[tokio::test]
async fn what_is_no_profile_is_refused() {
    let house = House::open().await;
    let api = house.admin().await;
    let mut profile = api.get_ok("/api/v1/profiles/device").await["profile"].clone();
    api.put("/api/v1/profiles/other", profile.clone())
        .await
        .refused(400, "profile_name_mismatch");
    profile["colour"] = json!("blue");
    let reply = api.put("/api/v1/profiles/device", profile.clone()).await;
    assert_eq!(reply.refused(400, "unknown_field")["details"]["field"], "colour");
    profile.as_object_mut().unwrap().remove("colour");
    profile["max_ttl"] = json!("long");
    let reply = api.put("/api/v1/profiles/device", profile.clone()).await;
    assert_eq!(reply.refused(400, "invalid_field")["details"]["field"], "max_ttl");
    profile["max_ttl"] = json!("1h");
    profile["default_validity"] = json!("10d");
    let reply = api.put("/api/v1/profiles/device", profile).await;
    assert!(
        reply.status.is_client_error(),
        "a default beyond the most: {}",
        reply.json
    );
    assert_eq!(api.get_ok("/api/v1/profiles/device").await["version"], 1);
}
