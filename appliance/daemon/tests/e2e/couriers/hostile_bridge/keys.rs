//! Keys that the appliance makes, and answers of it, in the hands of the bridge.

use std::sync::{Arc, Mutex};

use courier::auth::proof::ProofKey;
use courier::platform_key::Recipient;
use serde_json::json;

use super::message::{Answer, Request};
use super::{Host, ORDERS, SIGN_IN, Site, proof, refused, text};

#[test]
fn e2e_courier_bridge_hostile_gets_no_key_of_the_appliance() {
    let site = Site::open().with_platform_keys();
    let none = (Vec::new(), 0);
    // It names itself as the recipient.
    site.relay.does(|instance, request| {
        if !request.is("POST", ORDERS) {
            return instance.forward(request);
        }
        let own = Recipient::generate().unwrap();
        instance.forward(&request.changed(|order| order["recipient"] = own.jwk()))
    });
    site.comes_to_nothing(&["run"], "PROOF_INVALID");
    // It vouches for itself as well, by a key of its own.
    site.relay.does(|instance, request| {
        if !request.is("POST", ORDERS) {
            return instance.forward(request);
        }
        let (own, key, token) = (
            Recipient::generate().unwrap(),
            ProofKey::generate().unwrap(),
            request.token(),
        );
        let word = own.prove(&key, token, jiff::Timestamp::now()).unwrap();
        let order = request.changed(|order| {
            order["recipient"] = own.jwk();
            order["recipient_proof"] = word.into();
        });
        instance.forward(&order.with("dpop", &proof(&key, &order, token)))
    });
    site.comes_to_nothing(&["run"], "PROOF_INVALID");
    // It puts its own key in the place of the session's: what was signed names another.
    site.relay.does(|instance, request| {
        let is_sign_in = request.is("POST", SIGN_IN);
        let own = ProofKey::generate().unwrap().jwk();
        let swapped = || request.changed(|body| body["proof_key"] = own);
        instance.forward(&if is_sign_in { swapped() } else { request.clone() })
    });
    site.comes_to_nothing(&["run"], "INVALID_CREDENTIALS");
    assert_eq!(site.register(), none);

    // Honest, it sees a key pass that it can neither open nor have again.
    site.keeps_sessions();
    assert_eq!(site.host.json(&["run"])["action"], "issued");
    let fetched = site.relay.last("GET", "/key");
    assert_eq!(
        site.bridge().forward(&fetched).told(),
        refused(401, "PROOF_INVALID")
    );
    let own = ProofKey::generate().unwrap();
    let again = fetched.with("dpop", &proof(&own, &fetched, fetched.token()));
    assert_eq!(
        site.bridge().forward(&again).told(),
        refused(401, "PROOF_INVALID")
    );
    assert_eq!(site.register(), (vec!["installed".to_owned()], 1));
}

#[test]
fn e2e_courier_bridge_hostile_with_a_stolen_secret_gets_no_key_of_the_appliance() {
    let site = Site::open().with_platform_keys();
    let (status, secret) = site.api.post("couriers/web01/client-secrets", &json!({}));
    assert_eq!(status, 201, "{secret}");
    let courier = site.api.get("couriers/web01").1["id"].clone();
    let host = Host::with_secret(&site.appliance, "web01", &courier, &secret, "");
    host.change(
        "  name: web01\n",
        "  name: web01\n  generate_keys_locally: false\n",
    );
    host.change(&site.appliance.api_url(), &site.relay.url());
    // Its own session with what the courier showed, and an order in which everything is its own and everything is signed.
    site.relay.is_honest();
    let failed = host.run(&["run"]);
    assert!(
        text(&failed).contains("KEY_MODE_NOT_ALLOWED"),
        "{}",
        text(&failed)
    );
    let key = ProofKey::generate().unwrap();
    let sign_in = site
        .relay
        .last("POST", SIGN_IN)
        .changed(|body| body["proof_key"] = key.jwk());
    let opened = site.bridge().forward(&sign_in);
    assert_eq!(opened.status, 200, "{opened:?}");
    let token = opened.json()["session"]["token"].as_str().unwrap().to_owned();
    let recipient = Recipient::generate().unwrap();
    let word = recipient.prove(&key, &token, jiff::Timestamp::now()).unwrap();
    let order = Request::post(
        ORDERS,
        &json!({
            "kind": "issue", "key_mode": "platform", "key_spec": { "algorithm": "ec-256" },
            "sans": { "dns": ["web01.example.com"] }, "recipient": recipient.jwk(), "recipient_proof": word,
        }),
    );
    let order = order
        .with("authorization", &format!("DPoP {token}"))
        .with("dpop", &proof(&key, &order, &token));
    assert_eq!(
        site.bridge().forward(&order).told(),
        refused(403, "KEY_MODE_NOT_ALLOWED")
    );
    assert_eq!(site.register(), (Vec::new(), 0));
}

#[test]
fn e2e_courier_bridge_hostile_answers_are_not_installed() {
    let site = Site::open().with_platform_keys();
    let kept: Arc<Mutex<Option<Answer>>> = Arc::default();
    let keeps = Arc::clone(&kept);
    site.relay.does(move |instance, request| {
        let answer = instance.forward(request);
        if request.is("GET", "/key") {
            *keeps.lock().unwrap() = Some(answer.clone());
        }
        answer
    });
    assert_eq!(site.host.json(&["run"])["action"], "issued");
    let files = site.installed();
    // The key of an order before, for the one now.
    let of_before = kept.lock().unwrap().take().unwrap();
    site.relay.does(move |instance, request| {
        if request.is("GET", "/key") {
            return of_before.clone();
        }
        instance.forward(request)
    });
    let failed = site.host.run(&["renew", "--force"]);
    assert!(!failed.status.success(), "{}", text(&failed));
    assert_eq!(site.installed(), files, "{}", text(&failed));
    // The certificate of somebody else, for the one that was ordered.
    let other = site.appliance.issue(
        "other",
        "tls-server",
        "/CN=web01.example.com",
        Some("DNS:web01.example.com"),
    );
    let other = std::fs::read(other).unwrap();
    site.relay.does(move |instance, request| {
        let mut answer = instance.forward(request);
        if request.is("GET", "/certificate") {
            answer.body.clone_from(&other);
        }
        answer
    });
    let failed = site.host.run(&["renew", "--force"]);
    assert!(!failed.status.success(), "{}", text(&failed));
    assert_eq!(site.installed(), files, "{}", text(&failed));
    assert!(
        site.relay
            .seen()
            .iter()
            .all(|request| !request.is("POST", "/ack")),
        "nothing was installed"
    );
    let (orders, _) = site.register();
    assert_eq!(orders.iter().filter(|status| *status == "installed").count(), 1);
    site.relay.is_honest();
    // What was taken from it is given up, and ordered anew.
    assert_eq!(site.host.json(&["run"])["action"], "nothing");
    assert_eq!(site.host.json(&["renew", "--force"])["action"], "renewed");
    assert_ne!(site.installed(), files);
}
