//! A bridge that ends TLS and sends other bodies than those that couriers signed.

use courier_wire::ASSERTION_HEADER;
use jose::SigningKey;
use serde_json::{Value, json};

use crate::bridges::{PREFLIGHT, SIGN_IN, proof_for, register};
use crate::couriers::{courier, record};
use crate::holder::Holder;
use crate::house::{House, Reply};

#[tokio::test]
async fn a_bridge_changes_no_body_and_is_given_no_key() {
    let house = House::open().await;
    let admin = house.admin().await;
    let instance = register(&house, &admin).await;
    let key = Holder::new();
    let signing = SigningKey::from_pkcs8_der(key.pkcs8()).unwrap();
    let allowed = json!({
        "allowed_names": ["*.example.com"], "profiles": ["tls-server"], "issuer": "issuing", "platform_keys": "allow",
    });
    let mut body = courier(&admin, "web01", allowed).await;
    body["proof_key"] = serde_json::from_str(&signing.jwk().to_json()).unwrap();
    let opened = instance
        .forward(&house, "POST", SIGN_IN, &[], &body.to_string())
        .await;
    let token = opened.1["session"]["token"].as_str().unwrap().to_owned();
    let dpop = format!("DPoP {token}");
    let ask = async |told: &str, proved: Option<&str>| {
        let proof = proof_for(&house, &signing, &token, ("POST", PREFLIGHT), proved);
        let asked = [("Authorization", dpop.as_str()), ("DPoP", proof.as_str())];
        let answer = instance.forward(&house, "POST", PREFLIGHT, &asked, told).await;
        (answer.0, answer.1["error"]["code"].clone())
    };
    let own = json!({ "kind": "issue", "key_mode": "local", "csr_pem": "of the courier" }).to_string();
    let other = own.replace("courier", "bridge");
    assert_eq!(ask(&own, Some(&own)).await, (422, json!("BAD_CSR")), "it is read");
    let refused = (401, json!("PROOF_INVALID"));
    assert_eq!(ask(&other, Some(&own)).await, refused, "another body");
    assert_eq!(ask(&other, None).await, refused, "a proof of no body");
    assert_eq!(ask("", Some(&own)).await, refused, "no body");
    // What was shown names no key: the bridge may have put its own in the place of the courier's.
    let platform = json!({
        "kind": "issue", "key_mode": "platform", "key_spec": { "algorithm": "ec-256" },
        "sans": { "dns": ["a.example.com"] }, "recipient": serde_json::from_str::<Value>(&signing.jwk().to_json()).unwrap(),
    })
    .to_string();
    assert_eq!(
        ask(&platform, Some(&platform)).await,
        (403, json!("KEY_MODE_NOT_ALLOWED"))
    );
}

#[tokio::test]
async fn a_request_that_a_bridge_kept_counts_past_it_for_its_own_body_alone() {
    let house = House::open().await;
    let admin = house.admin().await;
    let instance = register(&house, &admin).await;
    let signing = SigningKey::from_pkcs8_der(Holder::new().pkcs8()).unwrap();
    let mut body = courier(&admin, "web01", record()).await;
    body["proof_key"] = serde_json::from_str(&signing.jwk().to_json()).unwrap();
    let body = body.to_string();
    let here = instance.assertion(&house, "POST", SIGN_IN, &body, &|claims| {
        claims["client_ip"] = "127.0.0.1".into();
    });
    let opened = instance
        .send(
            &house,
            &format!("POST {SIGN_IN}"),
            &[(ASSERTION_HEADER, &here)],
            &body,
        )
        .await;
    let token = opened.1["session"]["token"].as_str().unwrap().to_owned();
    let nobody = house.api_with(None);
    let direct = async |told: &str, proved: Option<&str>| {
        let proof = proof_for(&house, &signing, &token, ("POST", PREFLIGHT), proved);
        let request = nobody
            .request(reqwest::Method::POST, PREFLIGHT)
            .header("host", "bridge.example")
            .header("authorization", format!("DPoP {token}"))
            .header("dpop", proof)
            .header("content-type", "application/json")
            .body(told.to_owned());
        let reply = Reply::to(request).await;
        let (status, code) = crate::couriers::told(&reply);
        (status, code.to_owned())
    };
    let own = json!({ "kind": "issue", "key_mode": "local", "csr_pem": "of the courier" }).to_string();
    let other = own.replace("courier", "bridge");
    let read = (422, "BAD_CSR".to_owned());
    let refused = (401, "PROOF_INVALID".to_owned());
    assert_eq!(direct(&own, Some(&own)).await, read);
    assert_eq!(direct(&other, Some(&own)).await, refused);
    assert_eq!(direct("", Some(&own)).await, refused);
    assert_eq!(
        direct(&own, None).await,
        read,
        "RFC 9449 alone says nothing of a body"
    );
}
