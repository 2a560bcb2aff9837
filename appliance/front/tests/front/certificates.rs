//! A certificate's life through the API.

use ca::Role;
use serde_json::{Value, json};

use crate::holder::Holder;
use crate::house::{Api, House};

async fn list(api: &Api, query: &str) -> Vec<String> {
    let page = api.get_ok(&format!("/api/v1/certificates?{query}")).await;
    page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect()
}

fn id(issued: &Value) -> String {
    issued["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_is_issued_is_what_was_asked_for() {
    let house = House::open().await;
    let api = house.admin().await;
    let csr = Holder::new().csr(&["dns:a.example", "ip:192.0.2.7"]);
    let order = json!({"csr_pem": csr, "profile": "tls-server", "issuer_id": house.issuer("issuing").id, "validity_days": 10});
    let reply = api.post("/api/v1/certificates", order).await;
    assert_eq!(reply.status, 201);
    let issued = reply.ok();
    assert_eq!(issued["names"], json!(["dns:a.example", "ip:192.0.2.7"]));
    assert_eq!(
        (&issued["profile"], &issued["status"]),
        (&json!("tls-server"), &json!("valid"))
    );
    assert_eq!(issued["issuer_id"], json!(house.issuer("issuing").id));
    let certificate =
        pki::Certificate::parse(issued["certificate_pem"].as_str().unwrap().as_bytes()).unwrap();
    assert_eq!(certificate.serial().to_string(), issued["serial"]);
    assert_eq!(json!(certificate.not_after()), issued["not_after"]);
    let days = certificate
        .not_after()
        .duration_since(house.authority.clock().now())
        .as_hours()
        / 24;
    assert!((9..=10).contains(&days), "{days}");
    let chain = pki::Certificate::parse_all(issued["chain_pem"].as_str().unwrap().as_bytes()).unwrap();
    certificate
        .verify_signed_by(chain.first().unwrap().public_key())
        .unwrap();
}

#[tokio::test]
async fn a_certificate_is_found_by_identifier_and_by_every_form_of_its_serial() {
    let house = House::open().await;
    let api = house.admin().await;
    let issued = api.enrol("host.example").await;
    let serial = issued["serial"].as_str().unwrap();
    let colons = serial
        .as_bytes()
        .chunks(2)
        .map(|pair| String::from_utf8_lossy(pair).to_uppercase())
        .collect::<Vec<_>>()
        .join(":");
    for key in [
        id(&issued),
        serial.to_owned(),
        serial.to_uppercase(),
        colons,
        format!("0x{serial}"),
    ] {
        let shown = api.get_ok(&format!("/api/v1/certificates/{key}")).await;
        assert_eq!(
            (&shown["id"], &shown["requester"], &shown["issuer"]),
            (&issued["id"], &json!("admin"), &json!("issuing"))
        );
        assert_eq!(shown["certificate_pem"], issued["certificate_pem"]);
    }
    api.get(&format!("/api/v1/certificates/{}", uuid::Uuid::new_v4()))
        .await
        .refused(404, "not_found");
    api.get("/api/v1/certificates/0badbadbad")
        .await
        .refused(404, "not_found");
}

#[tokio::test]
async fn filters_find_what_they_should() {
    let house = House::open().await;
    let (api, web) = (house.admin().await, house.api("web", Role::Requester).await);
    let (a, b) = (
        id(&api.enrol("a.example").await),
        id(&web.enrol("b.example").await),
    );
    let brief = json!({"csr_pem": Holder::new().csr(&["dns:c.example"]), "profile": "tls-server", "validity_days": 1});
    let c = id(&api.post_ok("/api/v1/certificates", brief).await);
    api.post_ok(
        &format!("/api/v1/certificates/{a}/revoke"),
        json!({"reason": "superseded"}),
    )
    .await;
    let soon = house.authority.clock().now() + jiff::SignedDuration::from_hours(48);
    let own = house.issuer("issuing").id;
    for (query, wanted) in [
        ("status=revoked".to_owned(), vec![&a]),
        ("name=b.example".to_owned(), vec![&b]),
        ("requester=web".to_owned(), vec![&b]),
        (format!("expires_before={soon}"), vec![&c]),
        ("profile=tls-client".to_owned(), vec![]),
        ("issuer=root&profile=tls-server".to_owned(), vec![]),
        (
            "issuer=issuing&requester=admin&profile=tls-server".to_owned(),
            vec![&a, &c],
        ),
        (format!("issuer={own}&requester=admin&status=valid"), vec![&c]),
    ] {
        assert_eq!(
            list(&api, &query).await.iter().collect::<Vec<_>>(),
            wanted,
            "{query}"
        );
    }
    assert_eq!(list(&web, "").await, [b], "a requester sees its own");
    let reply = api.get("/api/v1/certificates?status=lost").await;
    assert_eq!(reply.status, 400, "{}", reply.json);
}

#[tokio::test]
async fn pages_follow_each_other_without_gaps() {
    let house = House::open().await;
    let api = house.admin().await;
    let mut made = Vec::new();
    for number in 0..7 {
        made.push(id(&api.enrol(&format!("host-{number}.example")).await));
    }
    let (mut found, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = api
            .get_ok(&format!("/api/v1/certificates?requester=admin&limit=3{cursor}"))
            .await;
        found.extend(page["items"].as_array().unwrap().iter().map(id));
        pages += 1;
        // What is issued between two pages comes at the end and moves nothing.
        if pages == 1 {
            made.push(id(&api.enrol("late.example").await));
        }
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!((found, pages), (made, 3));
}

#[tokio::test]
async fn a_renewal_has_the_same_names_and_a_new_serial() {
    let house = House::open().await;
    let api = house.admin().await;
    let first = api.enrol("host.example").await;
    let renew = format!("/api/v1/certificates/{}/renew", id(&first));
    let request = api.request(reqwest::Method::POST, &renew);
    let second = crate::house::Reply::to(request).await;
    assert_eq!(
        second.status, 201,
        "without a body the same key is certified again: {}",
        second.json
    );
    let second = second.ok();
    assert_ne!(second["serial"], first["serial"]);
    assert_eq!(second["names"], first["names"]);
    let key = |issued: &Value| {
        let pem = issued["certificate_pem"].as_str().unwrap();
        pki::Certificate::parse(pem.as_bytes())
            .unwrap()
            .public_key()
            .fingerprint()
    };
    assert_eq!(key(&first), key(&second));
    let csr = Holder::new().csr(&["dns:host.example"]);
    let third = api
        .post_ok(&renew, json!({"csr_pem": csr, "validity_days": 3}))
        .await;
    assert_ne!(key(&first), key(&third));
    let shown = api.get_ok(&format!("/api/v1/certificates/{}", id(&third))).await;
    assert_eq!(shown["replaces"], first["id"]);
    api.post(
        &format!("/api/v1/certificates/{}/renew", uuid::Uuid::new_v4()),
        json!({}),
    )
    .await
    .refused(404, "not_found");
}

#[tokio::test]
async fn a_revocation_is_final_a_hold_is_not() {
    let house = House::open().await;
    let api = house.admin().await;
    let issued = api.enrol("host.example").await;
    let revoke = format!(
        "/api/v1/certificates/{}/revoke",
        issued["serial"].as_str().unwrap()
    );
    let held = api.post_ok(&revoke, json!({"reason": "certificateHold"})).await;
    assert_eq!(
        (&held["status"], &held["already"]),
        (&json!("revoked"), &json!(false))
    );
    let released = api.post_ok(&revoke, json!({"reason": "removeFromCRL"})).await;
    assert_eq!(
        (&released["status"], &released["revoked_at"]),
        (&json!("valid"), &json!(null))
    );
    let date = "2026-01-02T03:04:05Z";
    let revoked = api
        .post_ok(
            &revoke,
            json!({"reason": "keyCompromise", "invalidity_date": date}),
        )
        .await;
    assert_eq!(
        (&revoked["reason"], &revoked["already"]),
        (&json!("keyCompromise"), &json!(false))
    );
    let again = api.post_ok(&revoke, json!({"reason": "keyCompromise"})).await;
    assert_eq!(
        (&again["already"], &again["revoked_at"]),
        (&json!(true), &revoked["revoked_at"])
    );
    let reply = api.post(&revoke, json!({"reason": "removeFromCRL"})).await;
    assert_eq!(reply.status, 409, "{}", reply.json);
    let shown = api.get_ok(&format!("/api/v1/certificates/{}", id(&issued))).await;
    assert_eq!(
        (&shown["status"], &shown["revocation_reason"]),
        (&json!("revoked"), &json!("keyCompromise"))
    );
    api.post(
        "/api/v1/certificates/0badbadbad/revoke",
        json!({"reason": "superseded"}),
    )
    .await
    .refused(404, "not_found");
}

#[tokio::test]
async fn why_an_order_was_refused_can_be_asked_later() {
    let house = House::open().await;
    let api = house.admin().await;
    let csr = Holder::new().csr(&["dns:a.example", "uri:https://b.example"]);
    let reply = api
        .post(
            "/api/v1/certificates",
            json!({"csr_pem": csr, "profile": "tls-server"}),
        )
        .await;
    assert!(reply.status.is_client_error(), "{}", reply.json);
    let error = &reply.json["error"];
    let order = api
        .get_ok(&format!("/api/v1/orders/{}", error["order_id"].as_str().unwrap()))
        .await;
    assert_eq!(
        (&order["state"], &order["code"], &order["message"]),
        (&json!("refused"), &error["code"], &error["message"])
    );
    let issued = api.enrol("host.example").await;
    for key in ["order_id", "id"] {
        let order = api
            .get_ok(&format!("/api/v1/orders/{}", issued[key].as_str().unwrap()))
            .await;
        assert_eq!(
            (&order["state"], &order["certificate_id"]),
            (&json!("issued"), &issued["id"])
        );
    }
    let other = house.api("other", Role::Requester).await;
    other
        .get(&format!("/api/v1/orders/{}", order["id"].as_str().unwrap()))
        .await
        .refused(404, "not_found");
}

#[tokio::test]
async fn a_lifetime_is_given_once_in_days_or_in_words() {
    let house = House::open().await;
    let api = house.admin().await;
    let order = |extra: Value| {
        let mut order = json!({"csr_pem": Holder::new().csr(&["dns:x.example"]), "profile": "tls-server"});
        order
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        order
    };
    let issued = api
        .post_ok("/api/v1/certificates", order(json!({"validity": "12h"})))
        .await;
    let end: jiff::Timestamp = issued["not_after"].as_str().unwrap().parse().unwrap();
    assert!(end.duration_since(house.authority.clock().now()).as_hours() <= 12);
    let both = order(json!({"validity": "12h", "validity_days": 1}));
    api.post("/api/v1/certificates", both)
        .await
        .refused(400, "validity_invalid");
}
