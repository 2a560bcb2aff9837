//! Alarms over the API.

use std::time::Duration;

use ca::Role;
use serde_json::json;

use crate::couriers::{courier, record};
use crate::house::House;

#[tokio::test]
async fn alarms_are_listed_by_what_is_asked_for() {
    // Whoever is not seen at this very moment is silent.
    let house = House::with_settings(|settings| settings.couriers.silent_after = Duration::ZERO).await;
    let admin = house.admin().await;
    for name in ["web01", "web02"] {
        let sign_in = courier(&admin, name, record()).await;
        house
            .api_with(None)
            .post_ok("/api/v1/courier/auth", sign_in)
            .await;
    }
    let empty = admin.get_ok("/api/v1/alarms").await;
    assert_eq!(empty, json!({ "items": [], "next": null }));
    house.authority.watch_couriers().await.unwrap();
    assert_eq!(
        house
            .metric("chancery_alarms_open{kind=\"silent_courier\"}")
            .await,
        2
    );
    let all = admin.get_ok("/api/v1/alarms?open=true").await;
    assert_eq!(all["items"].as_array().unwrap().len(), 2);
    let one = &admin.get_ok("/api/v1/alarms?courier=web02").await["items"][0];
    assert_eq!(
        (one["kind"].as_str(), &one["cleared_at"]),
        (Some("silent_courier"), &json!(null))
    );
    assert!(one["message"].as_str().unwrap().contains("web02"), "{one}");
    for none in ["open=false", "kind=issued_not_installed"] {
        let told = admin.get_ok(&format!("/api/v1/alarms?{none}")).await;
        assert_eq!(told["items"], json!([]), "{none}");
    }
    let first = admin.get_ok("/api/v1/alarms?limit=1").await;
    let next = first["next"].as_str().unwrap();
    let second = admin
        .get_ok(&format!("/api/v1/alarms?limit=1&cursor={next}"))
        .await;
    assert_ne!(first["items"][0]["id"], second["items"][0]["id"]);
    admin
        .get("/api/v1/alarms?courier=nobody")
        .await
        .refused(404, "not_found");
    admin
        .get("/api/v1/alarms?opened=true")
        .await
        .refused(400, "invalid_query");
    let requester = house.api("r", Role::Requester).await;
    requester
        .get("/api/v1/alarms")
        .await
        .refused(403, "role_insufficient");
}
