//! What instances of bridges say of themselves, and the approval that some wait for, as the API has them.

use serde_json::{Value, json};

use crate::bridges::{Instance, register, register_pending};
use crate::house::House;

const HEARTBEAT: &str = "/api/v1/courier/bridges/heartbeat";

fn beat(house: &House, mode: &str) -> Value {
    json!({
        "mode": mode, "connections_open": 3, "requests": 40, "failures": 2, "started_at": house.authority.clock().now(), "version": "1.2.3",
    })
}

async fn say(house: &House, instance: &Instance, beat: &Value) -> (u16, Value) {
    instance
        .send(house, &format!("POST {HEARTBEAT}"), &[], &beat.to_string())
        .await
}

fn code(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["error"]["code"].as_str().unwrap_or("none"))
}

#[tokio::test]
async fn an_instance_says_how_it_does() {
    let house = House::open().await;
    let admin = house.admin().await;
    let instance = register(&house, &admin).await;
    assert_eq!(
        admin.get_ok("/api/v1/bridges").await["items"][0]["report"],
        Value::Null
    );
    let (status, told) = say(&house, &instance, &beat(&house, "terminate")).await;
    assert_eq!(
        (status, &told["status"], &told["next_seconds"]),
        (200, &json!("active"), &json!(60))
    );
    let one = &admin.get_ok("/api/v1/bridges").await["items"][0];
    let report = &one["report"];
    assert_eq!(
        (
            &report["mode"],
            &report["connections_open"],
            &report["requests"],
            &report["failures"]
        ),
        (&json!("terminate"), &json!(3), &json!(40), &json!(2))
    );
    assert!(report["reported_at"].is_string() && report["started_at"].is_string());
    assert_eq!(one["version"], "1.2.3");

    let nonsense = say(&house, &instance, &beat(&house, "sideways")).await;
    assert_eq!(code(&nonsense), (422, "VALIDATION_ERROR"));
    // Nobody says it in the place of an instance, nor through one.
    let nobody = house.api_with(None).post(HEARTBEAT, beat(&house, "tunnel")).await;
    assert_eq!(
        code(&(nobody.status.as_u16(), nobody.json)),
        (401, "BRIDGE_NOT_REGISTERED")
    );
    let text = beat(&house, "tunnel").to_string();
    let through = instance.forward(&house, "POST", HEARTBEAT, &[], &text).await;
    assert_eq!(code(&through), (404, "NOT_FOUND"));
    assert_eq!(
        admin.get_ok("/api/v1/bridges").await["items"][0]["report"]["mode"],
        "terminate"
    );
}

#[tokio::test]
async fn an_instance_that_waits_forwards_nothing() {
    let house = House::open().await;
    let admin = house.admin().await;
    let instance = register_pending(&house, &admin).await;
    let health = async || instance.forward(&house, "GET", "/api/v1/health", &[], "").await;
    let status = async || admin.get_ok("/api/v1/bridges").await["items"][0]["status"].clone();
    assert_eq!(status().await, "pending");
    assert_eq!(code(&health().await), (503, "BRIDGE_PENDING"));
    let said = say(&house, &instance, &beat(&house, "terminate")).await;
    assert_eq!((said.0, &said.1["status"]), (200, &json!("pending")));

    let path = format!("/api/v1/bridges/{}/approve", instance.id);
    let operator = house.api("operator", ca::Role::Operator).await;
    assert_eq!(operator.post(&path, json!({})).await.status, 403);
    assert_eq!(code(&health().await), (503, "BRIDGE_PENDING"));
    for _ in 0..2 {
        assert_eq!(admin.post(&path, json!({})).await.status, 204);
    }
    assert_eq!(status().await, "active");
    assert_eq!(health().await.0, 200);
    let nobody = format!("/api/v1/bridges/{}/approve", uuid::Uuid::nil());
    assert_eq!(admin.post(&nobody, json!({})).await.status, 404);
}
