//! What a run could not bring to its end is brought there by a later one: a server that did not take the files, a certificate that ended
//! before it could be installed.

use std::time::Duration;

use serde_json::{Value, json};

use super::host::{Host, text};
use crate::api::Api;
use crate::harness::{Appliance, Keys};

/// How long the certificates are good that come too late.
const SHORT: Duration = Duration::from_secs(6);

/// How the orders of the courier stand, the first one first.
fn orders(appliance: &Appliance) -> Vec<Value> {
    let told = Api::new(appliance).get("courier-orders?courier=web01").1;
    let orders = told["items"].as_array().unwrap();
    orders.iter().map(|order| order["status"].clone()).collect()
}

fn check_code(host: &Host) -> Option<i32> {
    host.run(&["status", "--check", "--offline"]).status.code()
}

#[test]
fn what_a_server_did_not_take_is_handed_over_again_until_it_has() {
    let appliance = Appliance::start(Keys::Software);
    let host = Host::new(
        &appliance,
        "web01",
        "    on_nochange: 'echo nochange >> DIR/calm.log'\n",
    );
    std::fs::create_dir_all(host.file("server")).unwrap();
    host.change("DIR/calm.log", host.in_server("DIR/calm.log").as_str());
    host.program("check", &host.in_server("#!/bin/sh\n[ ! -e DIR/is_broken ]\n"));
    host.program(
        "reload",
        &host.in_server("#!/bin/sh\necho told >> DIR/reload.log\n[ ! -e DIR/is_stopped ]\n"),
    );
    let deploy = "  deploy:\n    - { type: nginx, cert_path: DIR/cert.pem, key_path: DIR/key.pem, validate_command: CHECK, reload_command: RELOAD }\n";
    let deploy = deploy
        .replace("CHECK", host.file("check").to_str().unwrap())
        .replace("RELOAD", host.file("reload").to_str().unwrap());
    host.add(&host.in_server(&deploy));
    let served = || std::fs::read(host.file("server/cert.pem")).unwrap();
    let installed = || std::fs::read(host.output("fullchain.pem")).unwrap();
    let make = |name: &str| std::fs::write(host.file("server").join(name), "").unwrap();
    let remove = |name: &str| std::fs::remove_file(host.file("server").join(name)).unwrap();

    // A server that does not run yet, since it has no certificate: the files stay for its start, and it is told when it runs.
    make("is_stopped");
    let issued = host.json(&["run"]);
    assert_eq!(
        (&issued["action"], &issued["undeployed"]),
        (&json!("issued"), &json!(true)),
        "{issued}"
    );
    assert!(
        issued["warnings"].to_string().contains("start the server"),
        "{issued}"
    );
    assert_eq!((served(), check_code(&host)), (installed(), Some(9)));
    assert_eq!(orders(&appliance), [json!("delivered")]);
    remove("is_stopped");
    assert_eq!(host.json(&["run"])["action"], "deployed");
    let told = std::fs::read_to_string(host.file("server/reload.log")).unwrap();
    assert_eq!(told, "told\ntold\n");
    assert_eq!(
        (orders(&appliance), check_code(&host)),
        (vec![json!("installed")], Some(0))
    );
    assert!(
        std::fs::read(host.file("server/calm.log")).is_ok(),
        "on_nochange is run where nothing was ordered"
    );

    // Somebody is at work on its configuration while the certificate is renewed.
    make("is_broken");
    let renewed = host.json(&["renew", "--force"]);
    assert_eq!(
        (&renewed["action"], &renewed["undeployed"]),
        (&json!("renewed"), &json!(true)),
        "{renewed}"
    );
    assert_ne!(served(), installed());
    let again = host.json(&["run"]);
    assert_eq!(
        (&again["action"], &again["undeployed"]),
        (&json!("nothing"), &json!(true)),
        "{again}"
    );
    assert!(again["warnings"].to_string().contains("not deployed"), "{again}");
    assert_eq!(orders(&appliance), [json!("installed"), json!("delivered")]);
    let metrics = host.ok(&["status", "--prometheus", "--offline"]);
    assert!(
        metrics.contains("courier_certificate_ok{name=\"web01\"} 0"),
        "{metrics}"
    );
    remove("is_broken");
    let deployed = host.json(&["run"]);
    assert_eq!(
        (&deployed["action"], &deployed["undeployed"]),
        (&json!("deployed"), &json!(false)),
        "{deployed}"
    );
    assert_eq!(served(), installed());
    assert_eq!(orders(&appliance), [json!("installed"), json!("installed")]);
    assert_eq!(host.json(&["run"])["action"], "nothing");
    assert!(host.ok(&["deploy"]).contains("nginx"));
}

#[test]
fn a_certificate_that_ended_before_it_was_installed_is_ordered_anew() {
    let appliance = Appliance::start(Keys::Software);
    let host = Host::new(
        &appliance,
        "web01",
        "    pre: '[ -e DIR/is_ready ]'\n    strict: true\n",
    );
    std::fs::create_dir_all(host.file("server")).unwrap();
    host.change("DIR/is_ready", host.in_server("DIR/is_ready").as_str());
    let profile = |validity: &str| {
        let api = Api::new(&appliance);
        let mut profile = api.get("profiles/tls-server").1["profile"].clone();
        profile["default_validity"] = json!(validity);
        let (status, told) = api.put("profiles/tls-server", &profile);
        assert_eq!(status, 200, "{told}");
    };
    profile(&format!("{}s", SHORT.as_secs()));
    let refused = host.run(&["run"]);
    assert_eq!(refused.status.code(), Some(9), "{}", text(&refused));
    assert!(!host.output("cert.pem").exists());
    // What is on its way hides nothing from whoever watches over the files.
    assert_eq!(check_code(&host), Some(21));
    std::thread::sleep(SHORT + Duration::from_secs(1));
    std::fs::write(host.file("server/is_ready"), "").unwrap();
    profile("90d");
    let issued = host.json(&["run"]);
    assert_eq!(
        (&issued["action"], &issued["outcome"]),
        (&json!("issued"), &json!("current")),
        "{issued}"
    );
    assert_eq!(orders(&appliance), [json!("delivered"), json!("installed")]);
}

#[test]
fn a_pipe_in_the_place_of_a_file_is_not_waited_for() {
    let appliance = Appliance::start(Keys::Software);
    let host = Host::new(&appliance, "web01", "");
    std::fs::create_dir_all(host.file("live")).unwrap();
    let pipe = host.output("fullchain.pem");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).unwrap();
    let refused = host.run(&["run"]);
    assert_eq!(refused.status.code(), Some(8), "{}", text(&refused));
    assert!(
        text(&refused).contains("neither a file nor a link"),
        "{}",
        text(&refused)
    );
    std::fs::remove_file(&pipe).unwrap();
    assert_eq!(host.json(&["run"])["action"], "issued");
}
