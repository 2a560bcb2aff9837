//! Many orders in one request.

use ca::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::holder::Holder;
use crate::house::{Api, House, Reply};

const PATH: &str = "/api/v1/certificates/batch";

async fn send(api: &Api, lines: &[String]) -> Reply {
    let request = api
        .request(Method::POST, PATH)
        .header("content-type", "application/x-ndjson");
    Reply::to(request.body(lines.join("\n"))).await
}

fn order(name: &str) -> String {
    let csr = Holder::new().csr(&[&format!("dns:{name}")]);
    json!({ "csr_pem": csr, "profile": "tls-server" }).to_string()
}

fn answers(reply: &Reply) -> Vec<Value> {
    let text = std::str::from_utf8(&reply.body).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn each_order_has_its_answer_in_its_place() {
    let house = House::open().await;
    let api = house.admin().await;
    let mut lines: Vec<String> = (0..70)
        .map(|number| order(&format!("n{number}.example")))
        .collect();
    lines.insert(1, "{".to_owned());
    lines.insert(2, String::new());
    lines.insert(3, json!({ "csr_pem": "x", "profile": "tls-server" }).to_string());
    let reply = send(&api, &lines).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), "application/x-ndjson");
    let answers = answers(&reply);
    let numbers: Vec<u64> = answers
        .iter()
        .map(|answer| answer["line"].as_u64().unwrap())
        .collect();
    let expected: Vec<u64> = (1..=73).filter(|line| *line != 3).collect();
    assert_eq!(numbers, expected);
    for (place, code) in [(1, "malformed_json"), (2, "csr_malformed")] {
        let error = &answers[place]["error"];
        assert_eq!(error["code"], code);
        assert_eq!(error["request_id"], reply.header("x-request-id"));
        assert!(answers[place].get("certificate").is_none());
    }
    let last = &answers[71]["certificate"];
    assert_eq!(last["names"], json!(["dns:n69.example"]));
    let shown = api
        .get_ok(&format!(
            "/api/v1/certificates/{}",
            last["serial"].as_str().unwrap()
        ))
        .await;
    assert_eq!(shown["certificate_pem"], last["certificate_pem"]);
    let page = api
        .get_ok("/api/v1/certificates?profile=tls-server&limit=200")
        .await;
    assert!(page["items"].as_array().unwrap().len() >= 70);
}

#[tokio::test]
async fn roles_hold_for_every_order() {
    let house = House::open().await;
    let reply = send(&house.api_with(None), &[order("a.example")]).await;
    assert_eq!(reply.status, 401);
    let auditor = house.api("anna", Role::Auditor).await;
    let reply = send(&auditor, &[order("a.example"), order("b.example")]).await;
    assert_eq!(reply.status, 200);
    let codes: Vec<Value> = answers(&reply)
        .iter()
        .map(|answer| answer["error"]["code"].clone())
        .collect();
    assert_eq!(codes, ["role_insufficient", "role_insufficient"]);
}

#[tokio::test]
async fn too_many_orders_are_refused_before_the_first() {
    let house = House::open().await;
    let api = house.admin().await;
    let lines: Vec<String> = vec![order("a.example"); 1001];
    send(&api, &lines).await.refused(413, "batch_too_long");
    let long = vec!["x".repeat(1 << 20); 17];
    send(&api, &long).await.refused(413, "body_too_large");
    let page = api
        .get_ok("/api/v1/certificates?profile=tls-server&limit=200")
        .await;
    let names: Vec<&Value> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["names"])
        .collect();
    assert!(!names.contains(&&json!(["dns:a.example"])), "{names:?}");
    assert_eq!(send(&api, &[]).await.status, 200);
}
