//! The operator's commands: from nothing to a courier that may order, and what is taken from it again.

use serde_json::json;

use super::host::{Host, text};
use crate::harness::{Appliance, Keys};

#[test]
fn operators_make_change_and_end_couriers() {
    let appliance = Appliance::start(Keys::Software);
    assert!(
        appliance
            .ok(&["domain", "add", "example.com"])
            .contains("example.com")
    );
    let words = [
        "courier",
        "create",
        "web01",
        "--allow",
        "*.example.com",
        "--profile",
        "tls-server",
        "--ca",
        "issuing",
    ];
    let made = appliance.json(&words);
    assert_eq!(made["record"]["allowed_names"], json!(["*.example.com"]));
    let secret = appliance.json(&["courier", "secret", "web01"]);
    let host = Host::with_secret(&appliance, "web01", &made["id"], &secret, "");
    assert_eq!(host.json(&["run"])["action"], "issued");
    assert!(appliance.ok(&["courier", "list"]).contains("web01"));
    let orders = appliance.json(&["courier", "order", "list", "--courier", "web01"]);
    assert_eq!(orders[0]["status"], "installed");
    let order = orders[0]["uuid"].as_str().unwrap();
    assert!(
        appliance
            .ok(&["courier", "order", "show", order])
            .contains("installed")
    );

    // A policy that stands against it, then not.
    let policy = "name = \"short\"\nis_enabled = true\n[matching_criteria]\naction = \"certificate.renew\"\ndomains = [\"*.example.com\"]\n\
                  [[rules]]\naction = \"enforce_max_validity\"\nfail = \"hard\"\n[rules.values]\nmax_days = 1\n";
    let file = appliance.write("policy.toml", policy);
    let put = appliance.json(&["policy", "put", file.to_str().unwrap()]);
    let number = put["id"].to_string();
    let refused = host.run(&["renew", "--force"]);
    assert_eq!(refused.status.code(), Some(5), "{}", text(&refused));
    assert!(text(&refused).contains("POLICY_DENIED"), "{}", text(&refused));
    let shown = appliance.ok(&["policy", "show", &number]);
    assert!(shown.contains("enforce_max_validity"), "{shown}");
    appliance.ok(&["policy", "disable", &number]);
    assert_eq!(host.json(&["renew", "--force"])["action"], "renewed");
    appliance.ok(&["policy", "delete", &number]);
    assert!(!appliance.ok(&["policy", "list"]).contains("short"));

    // The record as it is shown is what is changed.
    let shown = appliance.ok(&["courier", "show", "web01"]);
    let file = appliance.write(
        "web01.toml",
        &shown.replace("needs_approval = false", "needs_approval = true"),
    );
    appliance.ok(&["courier", "change", "web01", file.to_str().unwrap()]);
    let waiting = host.run(&["renew", "--force", "--wait", "0s"]);
    assert_eq!(waiting.status.code(), Some(7), "{}", text(&waiting));
    let pending = appliance.json(&["courier", "order", "list", "--status", "pending_approval"]);
    appliance.ok(&[
        "courier",
        "order",
        "approve",
        pending[0]["uuid"].as_str().unwrap(),
    ]);
    assert_eq!(host.json(&["run", "--wait", "30s"])["action"], "renewed");

    ended(&appliance, &host);
}

/// Secrets replaced, methods switched off, the courier disabled, the domain closed, everything removed.
fn ended(appliance: &Appliance, host: &Host) {
    appliance.ok(&["courier", "secret", "web01", "--replaces"]);
    assert_eq!(host.run(&["check-api-auth"]).status.code(), Some(3));
    let secret = appliance.json(&["courier", "secret", "web01"]);
    host.take_secret(&secret);
    host.ok(&["check-api-auth"]);
    assert!(
        appliance
            .ok(&["courier", "method", "client_secret", "off"])
            .contains("client_secret")
    );
    let refused = host.run(&["check-api-auth"]);
    assert!(
        text(&refused).contains("METHOD_NOT_ENABLED"),
        "{}",
        text(&refused)
    );
    appliance.ok(&["courier", "method", "client_secret", "on"]);
    appliance.ok(&["courier", "disable", "web01"]);
    assert_ne!(host.run(&["check-api-auth"]).status.code(), Some(0));
    appliance.ok(&["courier", "enable", "web01"]);
    host.ok(&["check-api-auth"]);
    appliance.ok(&["domain", "disable", "example.com"]);
    let refused = host.run(&["renew", "--force"]);
    assert!(text(&refused).contains("DOMAIN_DISABLED"), "{}", text(&refused));
    let way = "method = \"oidc_jwt\"\nissuer = \"https://idp.example\"\nsubject = \"web01\"\n";
    let way = appliance.write("way.toml", way);
    let added = appliance.json(&["courier", "credential", "add", "web01", way.to_str().unwrap()]);
    let list = appliance.ok(&["courier", "credential", "list", "web01"]);
    assert!(
        list.contains("oidc_jwt") && list.contains("client_secret"),
        "{list}"
    );
    appliance.ok(&[
        "courier",
        "credential",
        "remove",
        "web01",
        added["id"].as_str().unwrap(),
    ]);
    appliance.ok(&["courier", "delete", "web01"]);
    appliance.ok(&["domain", "remove", "example.com"]);
    assert_eq!(appliance.json(&["courier", "list"]), json!([]));
    assert_eq!(appliance.json(&["domain", "list"]), json!([]));
    assert_eq!(appliance.json(&["bridge", "list"]), json!([]));
    assert!(
        !appliance
            .ok(&["bridge", "token", "plant-7", "--ca", "issuing"])
            .trim()
            .is_empty()
    );
}
