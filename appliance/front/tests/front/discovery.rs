//! Certificates that couriers found, over the API: told by couriers, decided about by operators.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ca::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::couriers::{courier, record, signed_in, told};
use crate::house::House;

const PATH: &str = "/api/v1/courier/discovery";
const ALL: &str = "/api/v1/discovered-certificates";

/// The certificate of the CA, from its chain.
fn der(pem: &str) -> String {
    STANDARD.encode(&pki::pem::decode(pem.as_bytes()).unwrap()[0].der)
}

fn place(path: &str) -> Value {
    json!({ "path": path, "managed": false, "key_exposed": true })
}

fn page(scan: Uuid, certificates: &Value) -> Value {
    json!({ "scan": scan, "last": true, "certificates": certificates, "counts": { "files": 4, "unreadable": 1, "skipped": 2 } })
}

#[tokio::test]
async fn what_a_courier_found_is_listed_claimed_and_dismissed() {
    let house = House::open().await;
    let admin = house.admin().await;
    let request = courier(&admin, "web01", record()).await;
    let web01 = signed_in(&house, &request).await;
    let issued = admin.enrol("old.example.com").await;
    let own = der(issued["certificate_pem"].as_str().unwrap());
    let weak = der(include_str!(
        "../../../../protocols/pki/src/certificate/outline/weak.crt"
    ));
    let found = json!([
        { "der": own, "places": [place("/etc/ssl/own.pem")] },
        { "der": weak, "places": [place("/etc/ssl/weak.pem"), place("/srv/weak.pem")] },
        { "der": STANDARD.encode("nonsense"), "places": [place("/etc/ssl/nonsense.pem")] },
    ]);
    let scan = Uuid::from_u128(1);
    for _ in 0..2 {
        let answer = web01.post_ok(PATH, page(scan, &found)).await;
        assert_eq!(
            (&answer["success"], &answer["accepted"]),
            (&json!(true), &json!(2))
        );
        assert_eq!(
            answer["refused"],
            json!([{ "field": "certificates[2]", "problem": "is no certificate" }])
        );
    }
    let listed = admin.get_ok(ALL).await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    let claimed = &admin.get_ok(&format!("{ALL}?status=claimed")).await["items"][0];
    assert_eq!(claimed["managed_certificate_id"], issued["id"]);
    let new = &admin
        .get_ok(&format!("{ALL}?status=new&agent_id=web01&key_exposed=true"))
        .await["items"][0];
    assert_eq!(
        (&new["subject"], &new["place_count"]),
        (&json!("CN=old.example.com"), &json!(2))
    );
    let one = format!("{ALL}/{}", new["id"].as_str().unwrap());
    let detail = admin.get_ok(&one).await;
    assert_eq!(
        (&detail["places"][1]["path"], &detail["places"][1]["courier"]),
        (&json!("/srv/weak.pem"), &json!("web01"))
    );
    assert_eq!(der(detail["pem"].as_str().unwrap()), weak);
    let answer = admin.post_ok(&format!("{one}/dismiss"), json!({})).await;
    assert_eq!(answer["status"], "dismissed");
    let answer = admin
        .post_ok(
            &format!("{one}/claim"),
            json!({ "managed_certificate_id": issued["serial"] }),
        )
        .await;
    assert_eq!(
        (&answer["status"], &answer["managed_certificate_id"]),
        (&json!("claimed"), &issued["id"])
    );
    assert_eq!(
        admin.post_ok(&format!("{one}/reopen"), json!({})).await["status"],
        "new"
    );
    let summary = admin.get_ok("/api/v1/discovery-summary").await;
    assert_eq!(
        summary,
        json!({ "new": 1, "claimed": 1, "dismissed": 0, "key_exposed": 2 })
    );
    let scans = admin.get_ok("/api/v1/discovery-scans?courier=web01").await;
    assert_eq!(
        (&scans["items"][0]["certificates"], &scans["items"][0]["files"]),
        (&json!(2), &json!(4))
    );
    // The next scan finds less, and what is gone is forgotten.
    let less = json!([{ "der": own, "places": [place("/etc/ssl/own.pem")] }]);
    web01.post_ok(PATH, page(Uuid::from_u128(2), &less)).await;
    admin.get(&one).await.refused(404, "not_found");
    let log = admin.get_ok("/api/v1/audit?action=discovery.claim").await;
    assert_eq!(log["items"][0]["object"], new["id"]);
}

#[tokio::test]
async fn what_no_courier_would_say_is_refused() {
    let house = House::open().await;
    let admin = house.admin().await;
    let request = courier(&admin, "web01", record()).await;
    let web01 = signed_in(&house, &request).await;
    let one = |der: &str, places: Value| json!([{ "der": der, "places": places }]);
    let scan = Uuid::from_u128(1);
    for (certificates, field) in [
        (one("!", json!([place("/a")])), "certificates.der"),
        (one("MAA=", json!([])), "certificates.places"),
        (one("MAA=", json!(vec![place("/a"); 17])), "certificates.places"),
        (one("MAA=", json!([place("")])), "certificates.places.path"),
        (one("MAA=", json!([place("/a\nb")])), "certificates.places.path"),
        (
            one("MAA=", json!([place(&"x".repeat(1025))])),
            "certificates.places.path",
        ),
        (
            json!(vec![json!({ "der": "MAA=", "places": [place("/a")] }); 51]),
            "certificates",
        ),
    ] {
        let reply = web01.post(PATH, page(scan, &certificates)).await;
        assert_eq!(told(&reply), (422, "VALIDATION_ERROR"), "{field}");
        assert_eq!(reply.json["error"]["details"][0]["field"], field);
    }
    let no_uuid = json!({ "scan": "1", "last": true, "certificates": [] });
    assert_eq!(told(&web01.post(PATH, no_uuid).await), (422, "VALIDATION_ERROR"));
    let nobody = house.api_with(None);
    assert_eq!(
        told(&nobody.post(PATH, page(scan, &json!([]))).await),
        (401, "SESSION_EXPIRED")
    );
    let operator = house.api("o", Role::Operator).await;
    let unknown = format!("{ALL}/{}", Uuid::from_u128(9));
    operator.get(&unknown).await.refused(404, "not_found");
    operator
        .post(&format!("{unknown}/dismiss"), json!({}))
        .await
        .refused(403, "role_insufficient");
    admin.get(&format!("{ALL}/x")).await.refused(400, "invalid_path");
    let requester = house.api("r", Role::Requester).await;
    requester.get(ALL).await.refused(403, "role_insufficient");
}
