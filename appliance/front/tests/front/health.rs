//! Whether the server lives and can work.

use serde_json::json;

use crate::house::House;

#[tokio::test]
async fn it_lives_and_is_ready() {
    let house = House::open().await;
    let api = house.api_with(None);
    assert_eq!(api.get("/healthz").await.body, b"ok\n");
    let ready = api.get("/readyz").await;
    assert_eq!(
        (ready.status.as_u16(), &ready.json["ready"]),
        (200, &json!(true)),
        "{}",
        ready.json
    );
    assert_eq!(ready.json["problems"], json!([]));
}
