//! Keys of the configuration whose effect shows only in a running server, and what SIGHUP takes over.

use crate::harness::{Appliance, Keys, judge, text};

/// The server's own certificate, as its clients see it.
fn shown(appliance: &Appliance) -> String {
    let address = appliance.api_url().trim_start_matches("https://").to_owned();
    let said = crate::harness::run("openssl", &["s_client", "-connect", &address, "-showcerts"], b"");
    let pem = text(&said);
    let end = "-----END CERTIFICATE-----\n";
    let first = pem.split_once(end).unwrap().0;
    let start = first.find("-----BEGIN").unwrap();
    let file = appliance.write("shown.pem", &format!("{}{end}", &first[start..]));
    judge(
        "openssl",
        &["x509", "-in", file.to_str().unwrap(), "-noout", "-text"],
    )
}

#[test]
fn a_hang_up_takes_over_names_and_issuer_and_tells_what_must_wait() {
    let appliance = Appliance::start(Keys::Software);
    let words = [
        "ca",
        "create-issuing",
        "second",
        "--parent",
        "root",
        "--subject",
        "CN=Second CA",
        "--token",
        "software",
    ];
    appliance.ok(&words);
    assert!(!shown(&appliance).contains("DNS:pki.test"));
    appliance.edit("issuer = \"issuing\"", "issuer = \"second\"");
    appliance.edit("\"127.0.0.1\"]", "\"127.0.0.1\", \"pki.test\"]");
    appliance.edit("connections = 4096", "connections = 4095");
    appliance.signal("HUP");
    appliance.wait_for_log("these keys have changed and want a new start");
    let log = appliance.log_text();
    assert!(
        log.contains("limits.connections") && !log.contains("api.names"),
        "{log}"
    );
    let now = shown(&appliance);
    assert!(
        now.contains("DNS:pki.test") && now.contains("CN = Second CA"),
        "{now}"
    );
}

#[test]
fn a_hang_up_changes_the_level_of_the_log() {
    let appliance = Appliance::start(Keys::Software);
    appliance.json(&["ca", "list"]);
    appliance.wait_for_log("front::api: answered");
    appliance.edit("level = \"info\"", "level = \"info,front=error\"");
    appliance.signal("HUP");
    appliance.wait_for_log("reloaded: log level");
    let before = appliance.log_text();
    appliance.json(&["ca", "list"]);
    assert_eq!(appliance.log_text(), before);
}

#[test]
fn a_hang_up_takes_over_a_certificate_that_was_put_there() {
    let appliance = Appliance::start(Keys::Software);
    let before = shown(&appliance);
    let other = Appliance::start(Keys::Software);
    for name in ["tls/server.pem", "tls/server.key"] {
        std::fs::copy(other.state().join(name), appliance.state().join(name)).unwrap();
    }
    appliance.signal("HUP");
    appliance.wait_for_log("reloaded: log level");
    let after = shown(&appliance);
    assert_ne!(after, before);
    assert_eq!(after, shown(&other));
}

#[test]
fn the_signing_process_is_where_it_is_said_to_be() {
    let mut appliance = Appliance::init(Keys::Software);
    appliance.edit(
        "socket = \"signerd.sock\"",
        "socket = \"here.sock\"\nprogram = \"/nowhere/chancery-signerd\"",
    );
    let refused = appliance.run(&["serve"]);
    assert!(
        text(&refused).contains("name it in signer.program"),
        "{}",
        text(&refused)
    );
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_chancery")).with_file_name("chancery-signerd");
    appliance.edit("/nowhere/chancery-signerd", program.to_str().unwrap());
    appliance.serve();
    assert!(appliance.state().join("here.sock").exists());
    let long = "x".repeat(100);
    appliance.edit("here.sock", &long);
    let refused = appliance.run(&["serve"]);
    assert!(!refused.status.success(), "{}", text(&refused));
}

#[test]
fn lifetimes_are_in_what_is_signed() {
    let mut appliance = Appliance::init(Keys::Software);
    appliance.edit("ocsp_hours = 24", "ocsp_hours = 2");
    appliance.edit("crl_hours = 168", "crl_hours = 30");
    appliance.edit("[limits]", "[limits] # as before");
    appliance.serve();
    appliance.ok(&["ca", "publish-crl", "issuing"]);
    let issuer = appliance.json(&["ca", "show", "issuing"]);
    let der = appliance.file("ca.crl");
    judge(
        "curl",
        &[
            "-sSf",
            "-o",
            der.to_str().unwrap(),
            issuer["crl_url"].as_str().unwrap(),
        ],
    );
    let times = judge(
        "openssl",
        &[
            "crl",
            "-inform",
            "DER",
            "-in",
            der.to_str().unwrap(),
            "-noout",
            "-lastupdate",
            "-nextupdate",
        ],
    );
    assert_eq!(hours_between(&times), 30, "{times}");
    let leaf = appliance.issue("leaf", "tls-server", "/CN=leaf.test", Some("DNS:leaf.test"));
    let issuing = appliance.ca("issuing");
    let words = [
        "ocsp",
        "-issuer",
        issuing.to_str().unwrap(),
        "-cert",
        leaf.to_str().unwrap(),
        "-noverify",
        "-url",
    ];
    let mut words = words.to_vec();
    words.push(issuer["ocsp_url"].as_str().unwrap());
    let said = judge("openssl", &words);
    let times: String = said
        .lines()
        .filter(|line| line.contains("Update:"))
        .map(|line| line.replacen(": ", "=", 1) + "\n")
        .collect();
    assert_eq!(hours_between(&times), 2, "{said}");
}

/// Whole hours from the first time to the second, each on a line after `=`.
fn hours_between(lines: &str) -> i64 {
    let seconds: Vec<i64> = lines
        .lines()
        .map(|line| line.split_once('=').unwrap().1.trim())
        .map(|time| judge("date", &["-u", "-d", time, "+%s"]).trim().parse().unwrap())
        .collect();
    (seconds[1] - seconds[0] + 1800) / 3600
}

#[test]
fn config_check_tells_all_problems_of_both_files() {
    let appliance = Appliance::init(Keys::SoftHsm);
    assert!(appliance.ok(&["config", "check"]).contains("no problem found"));
    appliance.edit("crl_hours = 168", "crl_hours = 0");
    appliance.edit("names = [", "names = [\"not a name\", ");
    let refused = appliance.run(&["config", "check"]);
    assert_eq!(refused.status.code(), Some(78));
    assert!(
        text(&refused).contains("lifetimes.crl_hours") && text(&refused).contains("api.names"),
        "{}",
        text(&refused)
    );
    appliance.edit("crl_hours = 0", "crl_hours = 168");
    appliance.edit("names = [\"not a name\", ", "names = [");
    let signing = appliance.state().join("signerd.toml");
    let good = std::fs::read_to_string(&signing).unwrap();
    std::fs::write(&signing, good.replace("queue = 4096", "queue = 0")).unwrap();
    let refused = appliance.run(&["config", "check"]);
    assert_eq!(refused.status.code(), Some(78));
    assert!(text(&refused).contains("limits.queue"), "{}", text(&refused));
}

#[test]
fn the_api_is_plain_http_behind_a_proxy_on_this_machine_and_nowhere_else() {
    let mut appliance = Appliance::init(Keys::Software);
    appliance.edit("plain = false", "plain = true");
    appliance.serve();
    let list = appliance.json(&["ca", "list"]);
    assert_eq!(list.as_array().unwrap().len(), 2, "{list}");
    let url = appliance
        .api_url()
        .replace("https://localhost", "http://127.0.0.1");
    assert!(judge("curl", &["-sf", &format!("{url}/readyz")]).contains("\"ready\":true"));
    appliance.edit("plain = true", "plain = false");
    let listen = appliance.api_url().replace("https://localhost", "127.0.0.1");
    let elsewhere = listen.replace("127.0.0.1", "0.0.0.0");
    appliance.edit(
        &format!("listen = \"{listen}\"\nplain = false"),
        &format!("listen = \"{elsewhere}\"\nplain = true"),
    );
    let refused = appliance.run(&["config", "check"]);
    assert_eq!(refused.status.code(), Some(78));
    assert!(
        text(&refused).contains("api.plain: wants api.listen on a loopback address"),
        "{}",
        text(&refused)
    );
}
