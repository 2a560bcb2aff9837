//! The life of the server: its end, its parent, its log, a token that is away, keys in its own process.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Appliance, Keys, judge, run, signal, text};

/// Waits until a process is gone.
fn wait_until_gone(pid: u32) {
    let since = Instant::now();
    while is_alive(pid) {
        assert!(
            since.elapsed() < Duration::from_secs(20),
            "process {pid} is still there"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a process runs; one that ended and was not waited for does not.
fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ")
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

#[test]
fn open_requests_finish_before_the_end() {
    let mut appliance = Appliance::start(Keys::SoftHsm);
    let csr = appliance.csr("loop", "/CN=loop.test", Some("DNS:loop.test"));
    let config = appliance.config();
    let words = [
        "--config",
        config.to_str().unwrap(),
        "cert",
        "issue",
        "--profile",
        "tls-server",
        csr.to_str().unwrap(),
    ];
    let workers: Vec<_> = (0..6)
        .map(|_| {
            let mut command = appliance.command(&words);
            std::thread::spawn(move || {
                let mut said = Vec::new();
                loop {
                    let output = command.output().unwrap();
                    let is_over = text(&output).contains("server_unreachable");
                    said.push(output);
                    if is_over {
                        return said;
                    }
                }
            })
        })
        .collect();
    std::thread::sleep(Duration::from_millis(700));
    appliance.signal("TERM");
    assert!(appliance.wait().success(), "{}", appliance.log_text());
    let said: Vec<_> = workers
        .into_iter()
        .flat_map(|worker| worker.join().unwrap())
        .collect();
    assert!(
        said.iter().any(|output| output.status.success()),
        "nothing was issued"
    );
    for output in said.iter().filter(|output| !output.status.success()) {
        assert!(text(output).contains("server_unreachable"), "{}", text(output));
        assert_eq!(output.status.code(), Some(4));
    }
}

#[test]
fn the_server_ends_with_its_parent() {
    let mut appliance = Appliance::init(Keys::Software);
    appliance.serve_with(&["--with-parent"], Stdio::piped());
    let signerd = appliance.signerd_pid();
    appliance.close_input();
    assert!(appliance.wait().success(), "{}", appliance.log_text());
    assert!(appliance.log_text().contains("the parent is gone"));
    assert!(!is_alive(signerd));
}

#[test]
fn the_signing_process_ends_with_the_server_however_that_ends() {
    let mut appliance = Appliance::start(Keys::SoftHsm);
    let signerd = appliance.signerd_pid();
    appliance.signal("KILL");
    appliance.wait();
    wait_until_gone(signerd);
}

#[test]
fn ctrl_c_is_for_the_server_alone() {
    let appliance = Appliance::start(Keys::Software);
    let group = |pid: u32| {
        judge("ps", &["-o", "pgid=", "-p", &pid.to_string()])
            .trim()
            .to_owned()
    };
    assert_ne!(group(appliance.pid()), group(appliance.signerd_pid()));
}

#[test]
fn the_log_can_be_json_and_has_no_secrets() {
    let mut appliance = Appliance::init(Keys::SoftHsm);
    appliance.edit("format = \"text\"", "format = \"json\"");
    appliance.edit("level = \"info\"", "level = \"trace\"");
    appliance.serve();
    appliance.issue("one", "tls-server", "/CN=one.test", Some("DNS:one.test"));
    let created = appliance.ok(&["api-token", "create", "web", "--role", "requester"]);
    signal(appliance.signerd_pid(), "KILL");
    appliance.wait_for_log("starting it again");
    appliance.signal("TERM");
    appliance.wait();
    let log = appliance.log_text();
    for line in log.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "no JSON: {line}");
    }
    assert!(
        log.contains("chancery_signerd") && log.contains("front::api"),
        "both processes are in it"
    );
    let secret = |name: &str| std::fs::read_to_string(appliance.state().join(name)).unwrap();
    for secret in [secret("pin"), secret("admin.token"), created] {
        let secret = secret.trim();
        assert!(
            secret.len() >= 8 && !log.contains(secret),
            "a secret is in the log"
        );
    }
}

#[test]
fn without_the_token_it_answers_and_says_what_is_away() {
    let mut appliance = Appliance::init(Keys::SoftHsm);
    std::fs::rename(appliance.file("tokens"), appliance.file("away")).unwrap();
    std::fs::create_dir(appliance.file("tokens")).unwrap();
    appliance.serve();
    let crl = appliance.json(&["ca", "show", "issuing"])["crl_url"]
        .as_str()
        .unwrap()
        .to_owned();
    judge("curl", &["-sSf", "-o", "/dev/null", &crl]);
    let ready = format!("{}/readyz", appliance.api_url());
    let bundle = appliance.state().join("ca-bundle.pem");
    let ready = run(
        "curl",
        &["-sS", "--cacert", bundle.to_str().unwrap(), &ready],
        b"",
    );
    assert!(text(&ready).contains("hsm_unavailable"), "{}", text(&ready));
    let csr = appliance.csr("late", "/CN=late.test", Some("DNS:late.test"));
    let words = ["cert", "issue", "--profile", "tls-server", csr.to_str().unwrap()];
    let refused = appliance.run(&words);
    assert_eq!(refused.status.code(), Some(4), "{}", text(&refused));
    assert!(
        text(&refused).contains("hint: look at the HSM"),
        "{}",
        text(&refused)
    );
    std::fs::remove_dir(appliance.file("tokens")).unwrap();
    std::fs::rename(appliance.file("away"), appliance.file("tokens")).unwrap();
    signal(appliance.signerd_pid(), "KILL");
    let since = Instant::now();
    while !appliance.run(&words).status.success() {
        assert!(
            since.elapsed() < Duration::from_secs(40),
            "it does not come back:\n{}",
            appliance.log_text()
        );
    }
}

#[test]
fn what_cannot_be_started_ends_with_a_status_that_says_so() {
    let appliance = Appliance::init(Keys::SoftHsm);
    let good = std::fs::read_to_string(appliance.config()).unwrap();
    std::fs::write(appliance.config(), good.replace("[public]", "[pubilc]")).unwrap();
    let refused = appliance.run(&["serve"]);
    assert_eq!(refused.status.code(), Some(78), "{}", text(&refused));
    assert!(
        text(&refused).contains("did you mean `public`?"),
        "{}",
        text(&refused)
    );
    std::fs::write(appliance.config(), &good).unwrap();
    let module = std::fs::read_to_string(appliance.state().join("signerd.toml")).unwrap();
    std::fs::write(
        appliance.state().join("signerd.toml"),
        module.replace("label =", "lable ="),
    )
    .unwrap();
    let refused = appliance.run(&["serve"]);
    assert_eq!(refused.status.code(), Some(78), "{}", text(&refused));
    assert!(
        text(&refused).contains("did you mean `label`?"),
        "{}",
        text(&refused)
    );
    std::fs::write(appliance.state().join("signerd.toml"), module).unwrap();
    std::fs::write(appliance.state().join("pin"), "0000000000000000\n").unwrap();
    let refused = appliance.run(&["serve"]);
    assert_eq!(refused.status.code(), Some(77), "{}", text(&refused));
    assert!(
        text(&refused).contains("put the right one into the PIN file"),
        "{}",
        text(&refused)
    );
}

#[test]
fn a_port_that_is_taken_is_named() {
    let appliance = Appliance::init(Keys::Software);
    let address = appliance.public_url().trim_start_matches("http://").to_owned();
    let _taken = std::net::TcpListener::bind(&address).unwrap();
    let refused = appliance.run(&["serve"]);
    assert!(
        !refused.status.success() && text(&refused).contains(&address),
        "{}",
        text(&refused)
    );
}

#[test]
fn keys_can_be_in_the_servers_own_process() {
    let mut appliance = Appliance::init(Keys::SoftHsm);
    appliance.edit("mode = \"spawn\"", "mode = \"in-process\"");
    appliance.serve();
    appliance.issue("here", "tls-server", "/CN=here.test", Some("DNS:here.test"));
    let children = run("pgrep", &["-P", &appliance.pid().to_string()], b"");
    assert!(!children.status.success(), "{}", text(&children));
}

#[test]
fn the_limit_of_open_files_is_raised_or_told() {
    let mut appliance = Appliance::init(Keys::Software);
    for (limits, expected) in [
        ("ulimit -Sn 300", None),
        ("ulimit -n 300", Some("raise the limit")),
    ] {
        let script = format!("{limits} && exec \"$@\"");
        appliance.serve_under(&["sh", "-c", &script, "sh"]);
        let limit = std::fs::read_to_string(format!("/proc/{}/limits", appliance.pid())).unwrap();
        let open = limit
            .lines()
            .find(|line| line.starts_with("Max open files"))
            .unwrap();
        let numbers: Vec<&str> = open.split_whitespace().collect();
        assert_eq!(numbers[3], numbers[4], "{open}");
        assert_eq!(numbers[3] == "300", expected.is_some(), "{open}");
        if let Some(expected) = expected {
            appliance.wait_for_log(expected);
        }
        appliance.signal("TERM");
        appliance.wait();
    }
}

#[test]
fn the_tour_knows_its_way() {
    let appliance = Appliance::start(Keys::Software);
    assert!(appliance.ok(&["tour"]).contains("CRL number 2 has it"));
    let refused = appliance.run(&["tour", "--ca", "nowhere"]);
    assert!(text(&refused).contains("not_found"), "{}", text(&refused));
}

/// A serial that was revoked without a certificate, as after a crash or a restore: what is known is shown, and what cannot be done with it
/// is said in words of its own.
#[test]
fn a_serial_without_a_certificate_is_shown_for_what_it_is() {
    let mut appliance = Appliance::start(Keys::SoftHsm);
    let leaf = appliance.issue("lost", "tls-server", "/CN=lost.test", Some("DNS:lost.test"));
    let serial = judge(
        "openssl",
        &["x509", "-noout", "-serial", "-in", leaf.to_str().unwrap()],
    );
    let serial = serial.trim().strip_prefix("serial=").unwrap().to_lowercase();
    appliance.ok(&["cert", "revoke", &serial, "--reason", "superseded"]);
    appliance.signal("TERM");
    assert!(appliance.wait().success());
    appliance.change_store("UPDATE revocations SET is_orphan = 1");
    appliance
        .change_store("DELETE FROM certificates WHERE profile = 'tls-server' AND subject LIKE '%lost.test%'");
    appliance.serve();
    let shown = appliance.json(&["cert", "show", &serial]);
    assert_eq!(
        shown["serial"].as_str(),
        Some(serial.trim_start_matches('0')),
        "{shown}"
    );
    assert_eq!(
        (
            &shown["issuer"],
            &shown["status"],
            &shown["revocation_reason"],
            &shown["note"]
        ),
        (
            &"issuing".into(),
            &"revoked".into(),
            &"superseded".into(),
            &"no certificate: signed and never recorded".into()
        )
    );
    assert!(shown["revoked_at"].is_string() && shown["not_after"].is_string());
    let told = appliance.ok(&["cert", "show", &serial]);
    assert!(
        told.contains("signed and never recorded") && told.contains("audit tail"),
        "{told}"
    );
    for words in [
        &["cert", "revoke", &serial][..],
        &["cert", "revoke", &serial, "--reason", "removeFromCRL"],
        &["cert", "renew", &serial],
    ] {
        let refused = appliance.run(words);
        assert_eq!(refused.status.code(), Some(3), "{}", text(&refused));
        assert!(
            text(&refused).contains("certificate_never_recorded"),
            "{}",
            text(&refused)
        );
    }
    let unknown = appliance.run(&["cert", "show", "5a01"]);
    assert!(text(&unknown).contains("not_found"), "{}", text(&unknown));
}

#[test]
fn its_own_certificate_comes_from_the_ca_that_is_named() {
    let mut appliance = Appliance::start(Keys::Software);
    let bundle = appliance.state().join("ca-bundle.pem");
    let old = appliance.file("old-roots.pem");
    std::fs::copy(&bundle, &old).unwrap();
    appliance.ok(&ca_with(&["create-root", "root-2"], "CN=Root 2"));
    let words = ["create-issuing", "issuing-2", "--parent", "root-2"];
    appliance.ok(&ca_with(&words, "CN=Issuing 2"));
    appliance.edit("issuer = \"issuing\"", "issuer = \"issuing-2\"");
    appliance.signal("HUP");
    appliance.wait_for_log("the server's own certificate was renewed");
    // Both roots are known from here on.
    appliance.ok(&["ca", "list"]);
    let roots = std::fs::read_to_string(&bundle).unwrap();
    assert_eq!(roots.matches("BEGIN CERTIFICATE").count(), 2, "{roots}");
    let words = ["--ca-bundle", old.to_str().unwrap(), "ca", "list"];
    let refused = appliance.run(&words);
    assert_eq!(refused.status.code(), Some(3), "{}", text(&refused));
    for word in ["server_not_trusted", "--ca-bundle"] {
        assert!(text(&refused).contains(word), "{}", text(&refused));
    }

    // Its CA is revoked: it goes on with a certificate of the next generation.
    let serial = appliance.json(&["ca", "show", "issuing-2"])["certificate_pem"].clone();
    let pem = appliance.write("issuing-2.pem", serial.as_str().unwrap());
    let serial = judge(
        "openssl",
        &["x509", "-noout", "-serial", "-in", pem.to_str().unwrap()],
    );
    let serial = serial.trim().strip_prefix("serial=").unwrap();
    appliance.ok(&["ca", "rollover", "issuing-2"]);
    appliance.ok(&["cert", "revoke", serial, "--reason", "cACompromise"]);
    let own = appliance.state().join("tls/server.pem");
    let before = std::fs::read(&own).unwrap();
    appliance.signal("HUP");
    let since = Instant::now();
    while std::fs::read(&own).unwrap() == before {
        assert!(
            since.elapsed() < Duration::from_secs(20),
            "{}",
            appliance.log_text()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    appliance.ok(&["ca", "list"]);
    appliance.signal("TERM");
    assert!(appliance.wait().success(), "{}", appliance.log_text());
}

/// The words that make a CA with its key in a file.
fn ca_with<'a>(words: &[&'a str], subject: &'a str) -> Vec<&'a str> {
    let more = ["--subject", subject, "--token", "software"];
    [&["ca"][..], words, &more[..]].concat()
}
