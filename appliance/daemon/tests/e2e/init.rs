//! `chancery init`: what it plans, what it leaves when it is killed, its two layouts.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{Appliance, Keys, judge, text};

#[test]
fn a_dry_run_changes_nothing_and_tells_what_is_there() {
    let appliance = Appliance::empty();
    let plan = appliance
        .init_command(&["--init-token", "--dry-run"])
        .output()
        .unwrap();
    assert!(plan.status.success(), "{}", text(&plan));
    for word in [
        "initialise `chancery`",
        "make `root`",
        "make `issuing`",
        "admin.token",
        "nothing is changed",
    ] {
        assert!(text(&plan).contains(word), "{word}: {}", text(&plan));
    }
    assert!(!appliance.state().exists());
    let made = appliance.init_command(&["--init-token"]).output().unwrap();
    assert!(made.status.success(), "{}", text(&made));
    let plan = appliance
        .init_command(&["--init-token", "--dry-run"])
        .output()
        .unwrap();
    assert!(text(&plan).matches("is there").count() >= 6, "{}", text(&plan));
    assert!(!text(&plan).contains("make `"), "{}", text(&plan));
}

#[test]
fn what_was_killed_half_way_is_finished_by_the_next_run() {
    let appliance = Appliance::empty();
    // A whole run shows how long one takes here; then runs are killed at points spread over that time.
    let since = Instant::now();
    let whole = Appliance::empty()
        .init_command(&["--init-token"])
        .output()
        .unwrap();
    assert!(whole.status.success(), "{}", text(&whole));
    let whole = since.elapsed();
    for part in 1..8 {
        let mut command = appliance.init_command(&["--init-token"]);
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(whole * part / 8);
        let _ = child.kill();
        child.wait().unwrap();
    }
    let finished = appliance.init_command(&["--init-token"]).output().unwrap();
    assert!(finished.status.success(), "{}", text(&finished));
    let mut appliance = appliance;
    appliance.serve();
    appliance.issue("after", "tls-server", "/CN=after.test", Some("DNS:after.test"));
    let names = appliance.json(&["ca", "list"]);
    let active: Vec<&str> = names
        .as_array()
        .unwrap()
        .iter()
        .filter(|ca| ca["state"] == "active")
        .map(|ca| ca["name"].as_str().unwrap())
        .collect();
    assert_eq!(active, ["root", "issuing"], "{names}");
}

#[test]
fn a_token_that_was_initialised_and_got_no_pin_is_finished() {
    const SO_PIN: &str = "87654321";
    let appliance = Appliance::empty();
    let begun = Command::new("pkcs11-tool")
        .args([
            "--module",
            "/usr/lib/softhsm/libsofthsm2.so",
            "--init-token",
            "--slot",
            "0",
        ])
        .args(["--label", "chancery", "--so-pin", SO_PIN])
        .env("SOFTHSM2_CONF", appliance.file("softhsm2.conf"))
        .output()
        .unwrap();
    assert!(begun.status.success(), "{}", text(&begun));

    let refused = appliance.init_command(&[]).output().unwrap();
    assert!(!refused.status.success(), "{}", text(&refused));
    assert!(text(&refused).contains("no user PIN yet"), "{}", text(&refused));

    std::fs::create_dir_all(appliance.state()).unwrap();
    let so_pin = appliance.state().join("so-pin");
    std::fs::write(&so_pin, SO_PIN).unwrap();
    std::fs::set_permissions(&so_pin, PermissionsExt::from_mode(0o600)).unwrap();
    let plan = appliance
        .init_command(&["--init-token", "--dry-run"])
        .output()
        .unwrap();
    assert!(
        text(&plan).contains("set the PIN of `chancery`"),
        "{}",
        text(&plan)
    );
    let finished = appliance.init_command(&["--init-token"]).output().unwrap();
    assert!(finished.status.success(), "{}", text(&finished));
}

#[test]
fn secrets_are_readable_by_their_owner_alone_and_never_printed() {
    let appliance = Appliance::empty();
    let made = appliance.init_command(&["--init-token"]).output().unwrap();
    for name in ["admin.token", "pin", "so-pin", "tls/server.key"] {
        let file = appliance.state().join(name);
        assert_eq!(
            file.metadata().unwrap().permissions().mode() & 0o777,
            0o600,
            "{name}"
        );
        let secret = std::fs::read_to_string(&file).unwrap();
        assert!(!text(&made).contains(secret.trim()), "{name} is printed");
    }
    let asked = appliance
        .init_command(&["--init-token", "--print-token"])
        .output()
        .unwrap();
    let token = std::fs::read_to_string(appliance.state().join("admin.token")).unwrap();
    assert!(text(&asked).contains(token.trim()));
}

#[test]
fn an_admin_token_that_opens_no_door_is_made_anew() {
    let mut appliance = Appliance::start(Keys::Software);
    let tokens = appliance.json(&["api-token", "list"]);
    let id = tokens[0]["id"].as_str().unwrap().to_owned();
    let again = |appliance: &Appliance| appliance.init_command(&["--software"]).output().unwrap();
    appliance.ok(&["api-token", "revoke", &id]);
    let refused = appliance.run(&["ca", "list"]);
    assert!(text(&refused).contains("token_revoked"), "{}", text(&refused));
    appliance.signal("TERM");
    appliance.wait();
    let made = again(&appliance);
    assert!(text(&made).contains("made anew"), "{}", text(&made));
    let made = again(&appliance);
    assert!(text(&made).contains("is there"), "{}", text(&made));
    assert!(!text(&made).contains("made anew"), "{}", text(&made));
    appliance.serve();
    appliance.json(&["ca", "list"]);
}

#[test]
fn what_is_missing_is_told_with_what_to_do() {
    let appliance = Appliance::empty();
    let without = appliance.init_command(&[]).output().unwrap();
    assert!(
        !without.status.success() && text(&without).contains("--init-token"),
        "{}",
        text(&without)
    );
    let module = appliance
        .init_command(&["--module", "/nowhere/pkcs11.so", "--init-token"])
        .output()
        .unwrap();
    assert!(
        !module.status.success() && text(&module).contains("/nowhere/pkcs11.so"),
        "{}",
        text(&module)
    );
    let name = appliance
        .init_command(&["--software", "--name", "not a name"])
        .output()
        .unwrap();
    assert!(
        !name.status.success() && text(&name).contains("api.names"),
        "{}",
        text(&name)
    );
}

#[test]
fn other_algorithms_can_be_chosen() {
    let appliance = Appliance::empty();
    let words = [
        "--software",
        "--root-algorithm",
        "ml-dsa-65",
        "--issuing-algorithm",
        "rsa-3072",
    ];
    let made = appliance.init_command(&words).output().unwrap();
    assert!(made.status.success(), "{}", text(&made));
    let mut appliance = appliance;
    appliance.serve();
    assert_eq!(
        appliance.json(&["ca", "show", "root"])["key_algorithm"],
        "ml-dsa-65"
    );
    assert_eq!(
        appliance.json(&["ca", "show", "issuing"])["key_algorithm"],
        "rsa-3072"
    );
    let unknown = appliance
        .init_command(&["--software", "--root-algorithm", "rsa-512"])
        .output()
        .unwrap();
    assert_eq!(unknown.status.code(), Some(2), "{}", text(&unknown));
}

/// A signing process that somebody else runs.
struct Signerd(Child);

impl Drop for Signerd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn e2e_connect_softhsm() {
    let mut appliance = Appliance::init(Keys::SoftHsm);
    // The token and the signing process of one folder; the server of another.
    let socket = appliance.file("signerd.sock");
    let mut command =
        Command::new(Path::new(env!("CARGO_BIN_EXE_chancery")).with_file_name("chancery-signerd"));
    command
        .arg("--config")
        .arg(appliance.state().join("signerd.toml"))
        .arg("--socket")
        .arg(&socket);
    command
        .env("SOFTHSM2_CONF", appliance.file("softhsm2.conf"))
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let _signerd = Signerd(command.spawn().unwrap());
    let since = Instant::now();
    while !socket.exists() {
        assert!(
            since.elapsed() < Duration::from_secs(30),
            "the signing process does not listen"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    std::fs::rename(appliance.state(), appliance.file("other")).unwrap();
    std::fs::copy(appliance.file("other/pin"), appliance.file("pin")).unwrap();
    let etc = appliance.file("etc");
    let words = [
        "--config-dir",
        etc.to_str().unwrap(),
        "--signer-socket",
        socket.to_str().unwrap(),
    ];
    let made = appliance.init_command(&words).output().unwrap();
    assert!(made.status.success(), "{}", text(&made));
    assert!(etc.join("chancery.toml").exists() && !appliance.state().join("chancery.toml").exists());
    assert!(!etc.join("signerd.toml").exists(), "its configuration is its own");
    appliance.config_is(etc.join("chancery.toml"));
    appliance.serve();
    let leaf = appliance.issue("leaf", "tls-server", "/CN=leaf.test", Some("DNS:leaf.test"));
    let (root, issuing) = (appliance.ca("root"), appliance.ca("issuing"));
    let [root, issuing, leaf] = [&root, &issuing, &leaf].map(|file| file.to_str().unwrap());
    judge(
        "openssl",
        &["verify", "-CAfile", root, "-untrusted", issuing, leaf],
    );
}
