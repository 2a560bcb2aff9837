//! The courier on a host beside a real appliance: from nothing to a certificate, through renewals, refusals and faults.

#[path = "couriers/bootstrap.rs"]
mod bootstrap;
#[path = "couriers/discover.rs"]
mod discover;
#[path = "couriers/host.rs"]
pub(crate) mod host;
#[path = "couriers/hostile_bridge.rs"]
mod hostile_bridge;
#[path = "couriers/killed.rs"]
mod killed;
#[path = "couriers/managed.rs"]
mod managed;
#[path = "couriers/moto.rs"]
mod moto;
#[path = "couriers/mutual_tls.rs"]
mod mutual_tls;
#[path = "couriers/served.rs"]
mod served;
#[path = "couriers/set_back.rs"]
mod set_back;
#[path = "couriers/token_keys.rs"]
mod token_keys;

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::api::Api;
use crate::harness::{Appliance, Keys, judge};
use host::Host;

#[test]
fn e2e_courier_openssl() {
    let appliance = Appliance::start(Keys::Software);
    let host = Host::new(&appliance, "web01", "");
    assert_eq!(host.json(&["check-api-health"])["status"], "ok");
    assert_eq!(host.json(&["check-api-auth"])["courier"]["name"], "web01");
    assert_eq!(
        host.run(&["status", "--check", "--offline"]).status.code(),
        Some(21)
    );

    let rehearsed = host.json(&["run", "--dry-run"]);
    assert_eq!(rehearsed["action"], "would_issue");
    assert!(!host.output("cert.pem").exists());

    let issued = host.json(&[]);
    assert_eq!(
        (&issued["action"], &issued["outcome"]),
        (&json!("issued"), &json!("current"))
    );
    assert_eq!(issued["sans"], json!(["dns:web01.example.com"]));
    let path = |name: &str| host.output(name).to_str().unwrap().to_owned();
    judge(
        "openssl",
        &[
            "verify",
            "-CAfile",
            &path("ca.pem"),
            "-untrusted",
            &path("chain.pem"),
            &path("cert.pem"),
        ],
    );
    let of_key = judge("openssl", &["pkey", "-in", &path("privkey.pem"), "-pubout"]);
    assert_eq!(
        of_key,
        judge(
            "openssl",
            &["x509", "-in", &path("cert.pem"), "-noout", "-pubkey"]
        )
    );
    let mode = std::fs::metadata(host.output("privkey.pem"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let told = std::fs::read_to_string(host.file("hook.log")).unwrap();
    assert!(
        told.contains("issued web01 ") && told.contains(&path("fullchain.pem")),
        "{told}"
    );

    let orders = Api::new(&appliance).get("courier-orders?courier=web01").1;
    assert_eq!(orders["items"].as_array().unwrap().len(), 1);
    assert_eq!(orders["items"][0]["status"], "installed");
    later_in_its_life(&host, &issued, &of_key);
}

/// Renewed, refused, renewed with its key, revoked, issued again.
fn later_in_its_life(host: &Host, issued: &Value, of_key: &str) {
    let path = |name: &str| host.output(name).to_str().unwrap().to_owned();
    let renewed = host.json(&["renew", "--force"]);
    assert_eq!(renewed["action"], "renewed");
    assert_ne!(renewed["serial"], issued["serial"]);
    assert_ne!(
        of_key,
        judge("openssl", &["pkey", "-in", &path("privkey.pem"), "-pubout"])
    );
    let refused = host.run(&["generate"]);
    assert_eq!(refused.status.code(), Some(2), "{}", host::text(&refused));
    assert_eq!(
        host.run(&["generate", "--exit-codes", "simple"]).status.code(),
        Some(1)
    );

    let kept = judge("openssl", &["pkey", "-in", &path("privkey.pem"), "-pubout"]);
    assert_eq!(
        host.json(&["renew", "--force", "--reuse-key"])["action"],
        "renewed"
    );
    assert_eq!(
        kept,
        judge("openssl", &["pkey", "-in", &path("privkey.pem"), "-pubout"])
    );

    assert_eq!(
        host.json(&["revoke", "--reason", "superseded"])["action"],
        "revoked"
    );
    assert_eq!(
        host.run(&["status", "--check", "--offline"]).status.code(),
        Some(23)
    );
    let again = host.json(&["run"]);
    assert_eq!(
        (&again["action"], &again["outcome"]),
        (&json!("issued"), &json!("current"))
    );
    assert_eq!(host.run(&["status", "--check"]).status.code(), Some(0));
}

#[test]
fn a_run_with_nothing_to_do_needs_no_appliance() {
    let mut appliance = Appliance::start(Keys::Software);
    let host = Host::new(&appliance, "web01", "");
    host.ok(&["run"]);
    let before = std::fs::read(host.output("cert.pem")).unwrap();
    appliance.signal("TERM");
    appliance.wait();
    let idle = host.json(&["run"]);
    assert_eq!(
        (&idle["action"], &idle["outcome"]),
        (&json!("nothing"), &json!("current"))
    );
    let failed = host.run(&["renew", "--force"]);
    assert_eq!(failed.status.code(), Some(4), "{}", host::text(&failed));
    assert_eq!(std::fs::read(host.output("cert.pem")).unwrap(), before);
    let told = std::fs::read_to_string(host.file("hook.log")).unwrap();
    assert!(told.contains("auth_failure web01"), "{told}");
    appliance.serve();
    // What was asked for while nobody was there is not done by itself: the certificate is current.
    assert_eq!(host.json(&["run"])["action"], "nothing");
}

#[test]
fn refusals_have_their_exit_codes_and_leave_what_is_there() {
    let appliance = Appliance::start(Keys::Software);
    let host = Host::new(&appliance, "web01", "");
    host.ok(&["run"]);
    let before = std::fs::read(host.output("cert.pem")).unwrap();
    host.change("web01.example.com", "web01.example.org");
    let refused = host.run(&["run", "--output", "json"]);
    assert_eq!(refused.status.code(), Some(5), "{}", host::text(&refused));
    assert!(
        host::text(&refused).contains("DOMAIN_NOT_REGISTERED"),
        "{}",
        host::text(&refused)
    );
    host.change("web01.example.org", "web01.example.com");
    let disabled = Api::new(&appliance).post("couriers/web01/disable", &json!({}));
    assert!(disabled.0 < 300, "{disabled:?}");
    let refused = host.run(&["renew", "--force"]);
    assert!(
        matches!(refused.status.code(), Some(3 | 5)),
        "{}",
        host::text(&refused)
    );
    let enabled = Api::new(&appliance).post("couriers/web01/enable", &json!({}));
    assert!(enabled.0 < 300, "{enabled:?}");
    host.change_secret("wrong");
    let refused = host.run(&["renew", "--force"]);
    assert_eq!(refused.status.code(), Some(3), "{}", host::text(&refused));
    assert!(
        !host::text(&refused).contains("wrong\""),
        "{}",
        host::text(&refused)
    );
    assert_eq!(std::fs::read(host.output("cert.pem")).unwrap(), before);
}

#[test]
fn a_strict_hook_that_fails_brings_the_files_of_before_back() {
    let appliance = Appliance::start(Keys::Software);
    let host = Host::new(&appliance, "web01", "    strict: true\n    rollback: true\n");
    host.ok(&["run"]);
    let before = std::fs::read(host.output("cert.pem")).unwrap();
    std::fs::write(host.file("hook.fails"), "").unwrap();
    let failed = host.run(&["renew", "--force"]);
    assert_eq!(failed.status.code(), Some(9), "{}", host::text(&failed));
    assert_eq!(std::fs::read(host.output("cert.pem")).unwrap(), before);
    std::fs::remove_file(host.file("hook.fails")).unwrap();
    assert_eq!(host.json(&["renew", "--force"])["action"], "renewed");
    assert_ne!(std::fs::read(host.output("cert.pem")).unwrap(), before);
}

#[test]
fn prepared_keys_are_used_once_and_forms_are_exported() {
    let appliance = Appliance::start(Keys::Software);
    let host = Host::new(&appliance, "web01", "");
    host.ok(&["generate-keys"]);
    let prepared = host.file("state/web01.prepared-key.pem");
    let of_prepared = judge("openssl", &["pkey", "-in", prepared.to_str().unwrap(), "-pubout"]);
    host.ok(&["run"]);
    let key = host.output("privkey.pem");
    assert_eq!(
        of_prepared,
        judge("openssl", &["pkey", "-in", key.to_str().unwrap(), "-pubout"])
    );
    assert!(!prepared.exists());
    let password = host.file("password");
    std::fs::write(&password, "changeit\n").unwrap();
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).unwrap();
    let (out, der) = (host.file("web01.p12"), host.file("web01.der"));
    let (out, password) = (out.to_str().unwrap(), password.to_str().unwrap());
    host.ok(&[
        "export",
        "--format",
        "jks",
        "--out",
        out,
        "--password-file",
        password,
    ]);
    judge(
        "openssl",
        &[
            "pkcs12",
            "-in",
            out,
            "-passin",
            "pass:changeit",
            "-nodes",
            "-info",
        ],
    );
    judge("keytool", &["-list", "-keystore", out, "-storepass", "changeit"]);
    host.ok(&["export", "--format", "der", "--out", der.to_str().unwrap()]);
    judge(
        "openssl",
        &["x509", "-inform", "DER", "-in", der.to_str().unwrap(), "-noout"],
    );
    let examined = host.ok(&["doctor"]);
    assert!(
        examined.contains("ok    appliance") && !examined.contains("WRONG"),
        "{examined}"
    );
    assert!(host.ok(&["trust"]).contains("BEGIN CERTIFICATE"));
    assert!(host.ok(&["order", "list"]).contains("installed"));
    assert!(
        host.ok(&["status", "--prometheus"])
            .contains("courier_certificate_ok{name=\"web01\"} 1")
    );
}

#[test]
fn keys_of_the_appliance_are_fetched_once_and_installed() {
    let appliance = Appliance::start(Keys::Software);
    let host = Host::new(&appliance, "web01", "");
    host.change(
        "  name: web01\n",
        "  name: web01\n  generate_keys_locally: false\n  key: { algorithm: ec-384 }\n",
    );
    assert_eq!(host.json(&["run", "--dry-run"])["action"], "would_issue");
    let issued = host.json(&["run"]);
    assert_eq!(issued["action"], "issued", "{issued}");
    let path = |name: &str| host.output(name).to_str().unwrap().to_owned();
    let of_key = || judge("openssl", &["pkey", "-in", &path("privkey.pem"), "-pubout"]);
    let first = of_key();
    assert_eq!(
        first,
        judge(
            "openssl",
            &["x509", "-in", &path("cert.pem"), "-noout", "-pubkey"]
        )
    );
    assert!(!host.file("state/web01.recipient").exists());
    assert_eq!(host.json(&["renew", "--force"])["action"], "renewed");
    assert_ne!(of_key(), first);
    assert_eq!(host.json(&["run"])["action"], "nothing");
}
