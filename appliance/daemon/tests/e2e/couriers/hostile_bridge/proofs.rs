//! Requests, proofs and tokens that the bridge keeps, changes and sends itself.

use courier::auth::proof::ProofKey;
use serde_json::{Value, json};

use super::message::Request;
use super::{ORDERS, SIGN_IN, SIGN_OUT, Site, proof, refused};

#[test]
fn e2e_courier_bridge_hostile_replays_nothing() {
    let site = Site::open();
    site.keeps_sessions();
    assert_eq!(site.host.json(&["run"])["action"], "issued");
    assert_eq!(site.host.json(&["renew", "--force"])["action"], "renewed");
    let before = site.register();
    assert_eq!(before, (vec!["installed".to_owned(); 2], 2));
    let seen = site.relay.seen();
    for (method, end) in [("POST", ORDERS), ("GET", "/certificate"), ("POST", "/ack")] {
        assert!(
            seen.iter().any(|request| request.is(method, end)),
            "{method} {end}"
        );
    }
    let of_sessions: Vec<_> = seen
        .iter()
        .filter(|request| request.header("authorization").is_some() && !request.is("POST", SIGN_OUT))
        .collect();
    for request in of_sessions {
        for answer in [
            site.bridge().forward(request),
            site.bridge().send_as_nobody(request),
        ] {
            assert_eq!(
                answer.told(),
                refused(401, "PROOF_INVALID"),
                "{} {}",
                request.method,
                request.target
            );
        }
    }
    for request in seen.iter().filter(|request| request.is("POST", SIGN_IN)) {
        for answer in [
            site.bridge().forward(request),
            site.bridge().send_as_nobody(request),
        ] {
            assert_eq!(answer.told(), refused(401, "INVALID_CREDENTIALS"));
        }
    }
    // What it kept for itself says that the sessions were there all the time.
    let signs_out: Vec<_> = seen
        .iter()
        .filter(|request| request.is("POST", SIGN_OUT))
        .collect();
    assert_eq!(signs_out.len(), 2);
    for request in signs_out {
        let answer = site.bridge().forward(request);
        assert!((200..300).contains(&answer.status), "{answer:?}");
    }
    assert_eq!(site.register(), before);
}

#[test]
fn e2e_courier_bridge_hostile_changes_nothing_under_a_proof() {
    let site = Site::open();
    let order = site.withheld(&["run"], "POST", ORDERS);
    let csr = site.own_csr();
    let with_own = |order: &mut Value| order["csr_pem"] = csr.as_str().into();
    let spaced = [&order.body[..], b" "].concat();
    let other = ProofKey::generate().unwrap();
    for (what, request) in [
        ("another key", order.changed(with_own)),
        (
            "more days",
            order.changed(|order| order["validity_days"] = 300.into()),
        ),
        ("one octet", order.with_body(&spaced)),
        ("no body", order.with_body(b"")),
        ("another method", order.to("GET", ORDERS)),
        ("another method, no body", order.to("GET", ORDERS).with_body(b"")),
        ("another address", order.to("POST", "/api/v1/courier/preflight")),
        (
            "another address",
            order.to("POST", &format!("{ORDERS}/{}/cancel", uuid::Uuid::nil())),
        ),
        ("another host", order.with("host", "bridge.example")),
        ("no proof", order.without("dpop")),
        (
            "two proofs",
            order.and("dpop", &proof(&other, &order, order.token())),
        ),
        (
            "its own proof",
            order.with("dpop", &proof(&other, &order, order.token())),
        ),
    ] {
        assert_eq!(
            site.bridge().forward(&request).told(),
            refused(401, "PROOF_INVALID"),
            "{what}"
        );
    }
    assert_eq!(site.register(), (Vec::new(), 0));
    // None of this used the proof up: the order itself is taken, once, and is the courier's own.
    let late = site.bridge().forward(&order);
    assert_eq!(late.status, 201, "{late:?}");
    assert_eq!(
        site.bridge().forward(&order).told(),
        refused(401, "PROOF_INVALID")
    );
    assert_eq!(site.register(), (vec!["issued".to_owned()], 1));
}

#[test]
fn e2e_courier_bridge_hostile_changes_nothing_past_every_bridge_either() {
    let site = Site::open();
    let order = site.withheld(&["run"], "POST", ORDERS);
    let csr = site.own_csr();
    let own = order
        .changed(|order| order["csr_pem"] = csr.into())
        .without("idempotency-key");
    assert_eq!(
        site.bridge().send_as_nobody(&own).told(),
        refused(401, "PROOF_INVALID")
    );
    let nothing = site.withheld(&["run"], "POST", ORDERS).with_body(b"");
    assert_eq!(
        site.bridge().send_as_nobody(&nothing).told(),
        refused(401, "PROOF_INVALID")
    );
    assert_eq!(site.register(), (Vec::new(), 0));
    site.relay.is_honest();
    assert_eq!(site.host.json(&["run"])["action"], "issued");
}

#[test]
fn e2e_courier_bridge_hostile_has_a_token_that_is_worth_nothing() {
    let site = Site::open();
    site.keeps_sessions();
    assert_eq!(site.host.json(&["run"])["action"], "issued");
    let before = site.register();
    let signs_out = site.relay.last("POST", SIGN_OUT);
    let (token, host) = (signs_out.token().to_owned(), signs_out.host().to_owned());
    let fingerprint = site
        .api
        .get("certificates?name=web01.example.com&profile=tls-server")
        .1["items"][0]["fingerprint_sha256"]
        .clone();
    let print = fingerprint.as_str().unwrap().replace(':', "").to_lowercase();
    let own = ProofKey::generate().unwrap();
    let order = json!({ "kind": "issue", "key_mode": "local", "csr_pem": site.own_csr() });
    for request in [
        Request::get("/api/v1/courier/self"),
        Request::get("/api/v1/courier/auth/verify"),
        Request::get(ORDERS),
        Request::post(ORDERS, &order),
        Request::post("/api/v1/courier/preflight", &order),
        Request::post(
            &format!("/api/v1/courier/certificates/{print}/revoke"),
            &json!({ "reason": "keyCompromise" }),
        ),
        Request::post("/api/v1/courier/auth/revoke", &json!({})),
    ] {
        let request = request.with("host", &host);
        let (bearer, bound) = (format!("Bearer {token}"), format!("DPoP {token}"));
        let forged = proof(&own, &request, &token);
        let kept = signs_out.header("dpop").unwrap();
        let is_kept = request.path() == signs_out.path();
        for tried in [
            request.with("authorization", &bearer),
            request.with("authorization", &bound),
            request.with("authorization", &bearer).with("dpop", &forged),
            request.with("authorization", &bound).with("dpop", &forged),
            request.with("authorization", &bearer).with("dpop", kept),
        ] {
            for answer in [
                site.bridge().forward(&tried),
                site.bridge().send_as_nobody(&tried),
            ] {
                assert_eq!(answer.told(), refused(401, "PROOF_INVALID"), "{tried:?}");
            }
        }
        if !is_kept {
            let tried = request.with("authorization", &bound).with("dpop", kept);
            assert_eq!(
                site.bridge().forward(&tried).told(),
                refused(401, "PROOF_INVALID")
            );
        }
    }
    let answer = site.bridge().forward(&signs_out);
    assert!(
        (200..300).contains(&answer.status),
        "the session was there: {answer:?}"
    );
    assert_eq!(site.register(), before);
}
