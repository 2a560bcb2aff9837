//! `chancery token`, which works without the server, on the tokens of the signing process and on others.

use crate::harness::{Appliance, Keys, judge, text};

#[test]
fn e2e_token_softhsm() {
    let appliance = Appliance::init(Keys::SoftHsm);
    let slots = appliance.json(&["token", "list"]);
    let slots = slots.as_array().unwrap();
    let token = slots
        .iter()
        .find(|slot| slot["token"]["label"] == "chancery")
        .unwrap();
    let mechanisms = token["token"]["mechanisms"].as_array().unwrap();
    assert!(mechanisms.iter().any(|name| name == "CKM_ECDSA"), "{token}");
    assert!(token["module"].as_str().unwrap().ends_with("libsofthsm2.so"));

    let keys = appliance.json(&["token", "list", "--keys"]);
    let keys = keys.as_array().unwrap();
    assert!(keys.len() >= 4, "{keys:?}");
    for key in keys {
        assert_eq!(key["token"], "hsm");
        assert_eq!(
            (&key["sensitive"], &key["extractable"]),
            (&true.into(), &false.into())
        );
    }
    let tests = appliance.json(&["token", "test", "--token", "hsm"]);
    let tests = tests.as_array().unwrap();
    assert_eq!(tests.len(), keys.len());
    assert!(tests.iter().all(|test| test["outcome"] == "ok"), "{tests:?}");

    let unknown = appliance.run(&["token", "test", "--token", "hms"]);
    assert!(text(&unknown).contains("there are: hsm"), "{}", text(&unknown));
}

#[test]
fn a_token_without_keys_is_told_apart_from_one_that_was_not_tested() {
    let appliance = Appliance::init(Keys::SoftHsm);
    let so_pin = appliance.write("so", "87654321\n");
    let pin = appliance.write("other-pin", "12345678\n");
    for file in [&so_pin, &pin] {
        judge("chmod", &["600", file.to_str().unwrap()]);
    }
    let module = appliance.json(&["token", "list"])[0]["module"]
        .as_str()
        .unwrap()
        .to_owned();
    let by_hand = [
        "--module",
        &module,
        "--label",
        "other",
        "--pin-file",
        pin.to_str().unwrap(),
    ];
    let words = |verb: &[&'static str], more: &[&str]| -> Vec<String> {
        [verb, by_hand.as_slice(), more]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect()
    };
    let run = |words: Vec<String>| appliance.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let made = run(words(
        &["token", "init"],
        &["--so-pin-file", so_pin.to_str().unwrap()],
    ));
    assert!(
        made.status.success() && text(&made).contains("other"),
        "{}",
        text(&made)
    );
    let tested = run(words(&["token", "test"], &[]));
    assert!(
        tested.status.success() && text(&tested).contains("no key yet"),
        "{}",
        text(&tested)
    );

    // A wrong PIN is tried once, also by hand, and until another stands in the file.
    std::fs::write(&pin, "00000000\n").unwrap();
    for expected in ["tried once", "rejected this PIN before"] {
        let refused = run(words(&["token", "test"], &[]));
        assert_eq!(refused.status.code(), Some(77));
        assert!(text(&refused).contains(expected), "{}", text(&refused));
        assert!(text(&refused).contains("the token other"), "{}", text(&refused));
    }
    std::fs::write(&pin, "12345678\n").unwrap();
    assert!(run(words(&["token", "test"], &[])).status.success());
}

#[test]
fn the_signing_process_knows_which_pin_was_wrong_by_hand() {
    let mut appliance = Appliance::init(Keys::SoftHsm);
    let pin = appliance.state().join("pin");
    let right = std::fs::read(&pin).unwrap();
    std::fs::write(&pin, "0000000000000000\n").unwrap();
    let refused = appliance.run(&["token", "test"]);
    assert_eq!(refused.status.code(), Some(77), "{}", text(&refused));
    let refused = appliance.run(&["serve"]);
    assert!(
        text(&refused).contains("rejected this PIN before"),
        "{}",
        text(&refused)
    );
    std::fs::write(&pin, right).unwrap();
    appliance.serve();
    appliance.json(&["ca", "list"]);
}

#[test]
fn a_wrong_pin_of_one_token_leaves_the_others_at_work() {
    let mut appliance = Appliance::init(Keys::SoftHsm);
    let secrets = ["so2", "pin2"].map(|name| appliance.write(name, "12345678\n"));
    for file in &secrets {
        judge("chmod", &["600", file.to_str().unwrap()]);
    }
    let module = appliance.json(&["token", "list"])[0]["module"]
        .as_str()
        .unwrap()
        .to_owned();
    let [so_pin, pin] = secrets.each_ref().map(|file| file.to_str().unwrap());
    appliance.ok(&[
        "token",
        "init",
        "--module",
        &module,
        "--label",
        "second",
        "--pin-file",
        pin,
        "--so-pin-file",
        so_pin,
    ]);
    let signing = appliance.state().join("signerd.toml");
    let config = std::fs::read_to_string(&signing).unwrap();
    let second = format!(
        "\n[[tokens]]\nname = \"second\"\nmodule = \"{module}\"\nlabel = \"second\"\npin_file = \"{pin}\"\n"
    );
    std::fs::write(&signing, config + &second).unwrap();
    std::fs::write(pin, "99999999\n").unwrap();
    appliance.serve();
    let csr = appliance.csr("works", "/CN=works.test", Some("DNS:works.test"));
    appliance.ok(&[
        "cert",
        "issue",
        "--profile",
        "tls-server",
        "--ca",
        "issuing",
        csr.to_str().unwrap(),
    ]);
    let root = [
        "ca",
        "create-root",
        "other",
        "--subject",
        "CN=Other",
        "--token",
        "second",
        "--key-algorithm",
        "ec-p256",
    ];
    let refused = appliance.run(&root);
    assert!(text(&refused).contains("rejected"), "{}", text(&refused));
    // With the right PIN in its place it comes back by itself.
    std::fs::write(pin, "12345678\n").unwrap();
    let since = std::time::Instant::now();
    loop {
        let made = appliance.run(&root);
        if made.status.success() {
            return;
        }
        assert!(since.elapsed().as_secs() < 60, "{}", text(&made));
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
}
