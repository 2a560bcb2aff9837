//! `chancery init` a second time: what cannot be opened leaves nothing in the way, and what is there is not passed over.

use std::path::Path;

use crate::harness::{Appliance, Keys, text};

/// What a try said that had to fail, and that it left no configuration.
fn refused(appliance: &Appliance, words: &[&str], code: i32) -> String {
    let output = appliance.init_on(None, words).output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{words:?}: {}", text(&output));
    assert_eq!(configurations(&appliance.state()), [""; 0], "{words:?}");
    text(&output)
}

/// Everything that looks like a configuration, under whatever name.
fn configurations(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains(".toml")).collect()
}

#[test]
fn what_cannot_be_opened_leaves_no_configuration() {
    let appliance = Appliance::empty();
    let nobody = "postgres://chancery@127.0.0.1:1/chancery";
    let said = refused(&appliance, &["--software", "--store-url", nobody], 1);
    assert!(!said.contains("chancery serve"), "{said}");
    let typo = [
        "--software",
        "--store-url",
        "postgre://chancery@127.0.0.1/chancery",
    ];
    let said = refused(&appliance, &typo, 1);
    assert!(said.contains("an option cannot be used: store.url"), "{said}");
    let password = ["--software", "--store-url", "postgres://u:secret@127.0.0.1/db"];
    let said = refused(&appliance, &password, 1);
    assert!(said.contains("store.url") && !said.contains("secret"), "{said}");
    let file = [
        "--software",
        "--store-url",
        nobody,
        "--store-password-file",
        "/nope",
    ];
    let said = refused(&appliance, &file, 1);
    assert!(said.contains("/nope"), "{said}");
    let subject = refused(&appliance, &["--software", "--root-subject", "nonsense"], 2);
    assert!(subject.contains("CN=Example Root CA"), "{subject}");

    let made = appliance.init_on(None, &["--software"]).output().unwrap();
    assert!(made.status.success(), "{}", text(&made));
    let mut names = configurations(&appliance.state());
    names.sort();
    assert_eq!(names, ["chancery.toml", "signerd.toml"]);
}

#[test]
fn a_wrong_pin_leaves_no_configuration() {
    let (owner, other) = (Appliance::init(Keys::SoftHsm), Appliance::empty());
    std::fs::copy(owner.file("softhsm2.conf"), other.file("softhsm2.conf")).unwrap();
    let wrong = other.write("wrong", "0000000000000000\n");
    crate::harness::judge("chmod", &["600", wrong.to_str().unwrap()]);
    let said = refused(&other, &["--pin-file", wrong.to_str().unwrap()], 77);
    assert!(said.contains("rejected"), "{said}");
    let right = owner.state().join("pin");
    let made = other
        .init_on(None, &["--pin-file", right.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made));
}

#[test]
fn an_option_that_says_something_else_is_refused() {
    let mut appliance = Appliance::init(Keys::Software);
    let refused = |words: &[&str], told: [&str; 2]| {
        let mut command = appliance.command(&["init", "--dir"]);
        let output = command.arg(appliance.state()).args(words).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{words:?}: {}", text(&output));
        for word in told.into_iter().chain(["is there", "change it there"]) {
            assert!(text(&output).contains(word), "{words:?}: {}", text(&output));
        }
    };
    let before = std::fs::read(appliance.config()).unwrap();
    let other_store = ["--store-url", "postgres://chancery@127.0.0.1:1/other"];
    refused(&other_store, ["chancery.toml", "store.url"]);
    refused(&["--api", "127.0.0.1:1"], ["chancery.toml", "api.listen"]);
    refused(
        &["--base-url", "http://pki.example"],
        ["chancery.toml", "public.base_url"],
    );
    refused(&["--name", "pki.example"], ["chancery.toml", "api.names"]);
    refused(&["--init-token"], ["signerd.toml", "--init-token"]);
    refused(&["--pin-file", "/etc/pin"], ["signerd.toml", "--pin-file"]);
    refused(
        &["--dry-run", "--token-label", "x"],
        ["signerd.toml", "--token-label"],
    );
    assert_eq!(std::fs::read(appliance.config()).unwrap(), before);

    // What the files say need not be said again, not even for a new CA key.
    let again = appliance
        .command(&["init", "--dir", appliance.state().to_str().unwrap()])
        .output()
        .unwrap();
    assert!(again.status.success(), "{}", text(&again));
    appliance.serve();
    let running = appliance.init_command(&["--software"]).output().unwrap();
    assert!(
        !running.status.success() && text(&running).contains("stop it first"),
        "{}",
        text(&running)
    );
}

#[test]
fn a_ca_that_is_there_is_not_what_an_option_says_otherwise() {
    let appliance = Appliance::init(Keys::Software);
    let init = |words: &[&str]| {
        let mut command = appliance.command(&["init", "--dir"]);
        command.arg(appliance.state()).args(words).output().unwrap()
    };
    for (words, told) in [
        (&["--root-subject", "CN=Other"][..], "the subject of `root`"),
        (&["--issuing-subject", "CN=Other"], "the subject of `issuing`"),
        (&["--root-algorithm", "ec-p384"], "the key of `root`"),
        (&["--issuing-algorithm", "rsa-2048"], "--issuing-algorithm"),
        (
            &["--dry-run", "--root-subject", "CN=Other"],
            "CN=Chancery Root CA",
        ),
        (&["--offline"], "the folder of a server"),
    ] {
        let output = init(words);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {}", text(&output));
        assert!(text(&output).contains(told), "{words:?}: {}", text(&output));
    }
    let same = [
        "--root-subject",
        "cn=Chancery Root CA",
        "--root-algorithm",
        "ec-p256",
    ];
    let output = init(&same);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn a_lost_configuration_of_the_signing_process_is_not_made_without_the_keys() {
    let mut appliance = Appliance::init(Keys::Software);
    let state = appliance.state();
    let signing = state.join("signerd.toml");
    std::fs::remove_file(&signing).unwrap();
    let before = std::fs::read(appliance.config()).unwrap();
    let init = |words: &[&str]| {
        let mut command = appliance.command(&["init", "--dir"]);
        command.arg(&state).args(words).output().unwrap()
    };
    let refused = init(&["--init-token"]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    assert!(text(&refused).contains("with --software"), "{}", text(&refused));
    let refused = init(&["--init-token", "--token-label", "other"]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    for word in ["the key of none is at hand", "issuing"] {
        assert!(text(&refused).contains(word), "{}", text(&refused));
    }
    assert!(!signing.exists(), "{}", text(&refused));
    assert_eq!(std::fs::read(appliance.config()).unwrap(), before);
    let again = init(&["--software"]);
    assert!(again.status.success(), "{}", text(&again));
    appliance.serve();
    appliance.issue("after", "tls-server", "/CN=after.test", Some("DNS:after.test"));
}

#[test]
fn a_further_server_after_a_loss_has_its_certificate_from_a_ca_whose_key_is_there() {
    let (mut first, further) = (Appliance::empty(), Appliance::empty());
    let made = first.init_on(None, &["--software"]).output().unwrap();
    assert!(made.status.success(), "{}", text(&made));
    let keys = |appliance: &Appliance| appliance.state().join("keys");
    std::fs::create_dir_all(keys(&further)).unwrap();
    let database = format!("sqlite:{}", first.state().join("chancery.db").display());
    let init = || {
        let mut command = further.command(&["init", "--software", "--dir"]);
        command.arg(further.state()).args(["--store-url", &database]);
        command.output().unwrap()
    };
    let refused = init();
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    for word in ["`issuing`", "bring the keys into the token"] {
        assert!(text(&refused).contains(word), "{}", text(&refused));
    }
    assert_eq!(configurations(&further.state()), [""; 0]);

    let before = names(&keys(&first));
    first.serve();
    first.ok(&ca_with(&["create-root", "root-2"], "CN=Root 2"));
    let words = ["create-issuing", "issuing-2", "--parent", "root-2"];
    first.ok(&ca_with(&words, "CN=Issuing 2"));
    first.ok(&["audit", "begin-anew", "--reason", "the keys are lost"]);
    first.wait_for_log("the audit log has a key");
    first.signal("TERM");
    first.wait();
    let after = names(&keys(&first));
    for name in after.iter().filter(|name| !before.contains(name)) {
        std::fs::copy(keys(&first).join(name), keys(&further).join(name)).unwrap();
    }
    let made = init();
    assert!(made.status.success(), "{}", text(&made));
    let config = std::fs::read_to_string(further.state().join("chancery.toml")).unwrap();
    assert!(config.contains("issuer = \"issuing-2\""), "{config}");
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

#[test]
fn what_was_made_of_files_alone_needs_no_option_again() {
    let appliance = Appliance::init(Keys::Software);
    let state = appliance.state();
    for name in ["keys", "tls", "audit-log"] {
        std::fs::remove_dir_all(state.join(name)).unwrap();
    }
    for entry in std::fs::read_dir(&state).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        // What is left besides is what a first run leaves that broke off.
        if name.contains("chancery.db") || ["ca-bundle.pem", "admin.token"].contains(&name) {
            std::fs::remove_file(path).unwrap();
        }
    }
    std::fs::create_dir(state.join("keys")).unwrap();
    let again = appliance
        .command(&["init", "--dir", state.to_str().unwrap()])
        .output();
    let again = again.unwrap();
    // On a database that is elsewhere the CAs are still there, and their keys are not.
    if store_bed::url(&appliance.file("chancery.db")).is_none() {
        assert!(again.status.success(), "{}", text(&again));
        assert!(text(&again).contains("key in software"), "{}", text(&again));
    } else {
        assert!(!text(&again).contains("under the name"), "{}", text(&again));
    }
}

#[test]
fn a_further_server_takes_the_base_address_of_the_store() {
    let (first, further) = (Appliance::empty(), Appliance::empty());
    let made = first.init_on(None, &["--software"]).output().unwrap();
    assert!(made.status.success(), "{}", text(&made));
    std::fs::create_dir(further.state()).unwrap();
    let keys = further.state().join("keys");
    crate::harness::judge(
        "cp",
        &[
            "-a",
            first.state().join("keys").to_str().unwrap(),
            keys.to_str().unwrap(),
        ],
    );
    let database = format!("sqlite:{}", first.state().join("chancery.db").display());
    let state = further.state();
    let init = |words: &[&str]| {
        let mut command = further.command(&["init", "--software", "--dir", state.to_str().unwrap()]);
        command
            .args(["--store-url", &database])
            .args(words)
            .output()
            .unwrap()
    };
    let planned = init(&["--dry-run", "--base-url", "http://other.example"]);
    assert!(
        text(&planned).contains("must have the same"),
        "{}",
        text(&planned)
    );
    let made = init(&[]);
    assert!(made.status.success(), "{}", text(&made));
    assert!(
        text(&made).contains("as in the certificates of the store's CAs"),
        "{}",
        text(&made)
    );
    let config = std::fs::read_to_string(state.join("chancery.toml")).unwrap();
    let line = format!("base_url = \"{}\"", first.public_url());
    assert!(config.contains(&line), "{config}");
}

/// The words that make a CA with its key in a file.
fn ca_with<'a>(words: &[&'a str], subject: &'a str) -> Vec<&'a str> {
    let more = ["--subject", subject, "--token", "software"];
    [&["ca"][..], words, &more[..]].concat()
}
