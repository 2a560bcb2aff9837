//! The tour on a SoftHSM2 token, and the state of the keys in it.

use serde_json::json;

use crate::harness::{Appliance, Keys, softhsm};

#[test]
fn e2e_tour_softhsm() {
    let appliance = Appliance::start(Keys::SoftHsm);
    let issuer = appliance.json(&["ca", "show", "issuing"]);
    let endpoints = json!({
        "api_url": appliance.api_url(), "public_url": appliance.public_url(), "profiles": [],
        "ca_bundle": appliance.state().join("ca-bundle.pem"), "admin_token_file": appliance.state().join("admin.token"),
        "issuer_id": issuer["id"],
    });
    let file = appliance.write("endpoints.json", &endpoints.to_string());
    let said = appliance.ok(&["tour", "--endpoints", file.to_str().unwrap()]);
    for step in [
        "was issued",
        "OCSP says good",
        "does not have it",
        "was revoked",
        "OCSP says revoked",
        "has it",
    ] {
        assert!(said.contains(step), "{step}: {said}");
    }
    let seen = appliance.json(&["tour"]);
    assert!(
        seen["crl_number_after"].as_i64().unwrap() > seen["crl_number_before"].as_i64().unwrap(),
        "{seen}"
    );
    let keys = appliance.json(&[
        "token",
        "list",
        "--module",
        &softhsm(),
        "--label",
        "chancery",
        "--pin-file",
        appliance.state().join("pin").to_str().unwrap(),
    ]);
    let keys = keys.as_array().unwrap();
    assert!(keys.len() >= 4, "{keys:?}");
    for key in keys {
        assert_eq!(
            (&key["sensitive"], &key["extractable"], &key["local"]),
            (&json!(true), &json!(false), &json!(true)),
            "{key}"
        );
    }
}
