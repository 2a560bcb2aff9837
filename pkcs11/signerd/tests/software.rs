//! The service with software keys only: limits, the protocol's edges, files, and the ways it ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "signerd/client.rs"]
mod client;
#[path = "signerd/daemon.rs"]
mod daemon;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use client::request;
use daemon::{Daemon, run_to_end, write_config};
use signer_wire::{
    Backend, Digest, FaultClass, Generate, Import, Input, KeyKind, PROTOCOL_VERSION, Priority, Reply,
    Request, Scheme, SecretBytes, Sign, SignBatch,
};
use token::{Config, Limits, SoftwareConfig, verify};

fn software(directory: &Path) -> Config {
    let directory = Some(directory.join("keys"));
    Config {
        software: Some(SoftwareConfig {
            directory,
            passphrase_file: None,
        }),
        ..Config::default()
    }
}

#[test]
fn keys_are_made_imported_and_there_again_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    write_config(directory, software(directory));
    let daemon = Daemon::start(directory);
    let mut client = daemon.client();
    let made: Vec<_> = [KeyKind::P256, KeyKind::Rsa(2048), KeyKind::MlDsa65]
        .into_iter()
        .map(|kind| client.generate(&kind.to_string(), kind, Backend::Software))
        .collect();
    let elsewhere = token::Software::open(&SoftwareConfig {
        directory: Some(directory.join("elsewhere")),
        passphrase_file: None,
    });
    token::Keys::generate(&elsewhere.unwrap(), "theirs", KeyKind::Ed25519).unwrap();
    let file = fs::read_dir(directory.join("elsewhere"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let pem = fs::read_to_string(file).unwrap();
    let pkcs8 = decode_pem(&pem);
    let import = Import {
        label: "imported".into(),
        pkcs8: SecretBytes::new(pkcs8),
    };
    let Reply::Key(imported) = client.call(&Request::ImportSoftware(import)) else {
        panic!("no key")
    };
    assert_eq!(
        (imported.kind, imported.attributes.local),
        (KeyKind::Ed25519, false)
    );

    assert_eq!(daemon.terminate().code(), Some(0));
    let daemon = Daemon::start(directory);
    let mut client = daemon.client();
    for record in made.iter().chain([&imported]) {
        let signature = client.sign(record, b"tbs", 0).unwrap();
        assert!(
            verify(&record.spki, Scheme::default_for(record.kind), b"tbs", &signature),
            "{}",
            record.label
        );
    }
}

fn decode_pem(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let bits = body.trim_end_matches('=').bytes().map(value);
    let (mut octets, mut held, mut count) = (Vec::new(), 0_u32, 0);
    for six in bits {
        held = (held << 6) | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            octets.push(u8::try_from((held >> count) & 0xff).unwrap());
        }
    }
    octets
}

#[test]
fn faults_have_their_classes() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    write_config(directory, software(directory));
    let daemon = Daemon::start(directory);
    let mut client = daemon.client();
    let record = client.generate("ca", KeyKind::P256, Backend::Software);
    let mut sign = |key, scheme, input| {
        let item = Sign { key, scheme, input };
        client
            .sign_batch(&Request::sign(item, Priority::Issuance, 0))
            .remove(0)
            .unwrap_err()
            .class
    };
    let message = || Input::Message(vec![1]);
    assert_eq!(
        sign(signer_wire::KeyRef::new([9; 32]), Scheme::EcdsaSha256, message()),
        FaultClass::KeyNotFound
    );
    assert_eq!(
        sign(record.key, Scheme::RsaPssSha256, message()),
        FaultClass::Refused
    );
    let short = Input::Digest(Digest::new(&[0; 32]).unwrap());
    assert_eq!(sign(record.key, Scheme::EcdsaSha384, short), FaultClass::Refused);

    for (label, backend) in [
        ("ca", Backend::Token("no-such".into())),
        ("../x", Backend::Software),
    ] {
        let generate = Generate {
            label: label.into(),
            kind: KeyKind::P256,
            backend,
        };
        let Reply::Fault(fault) = client.call(&Request::Generate(generate)) else {
            panic!("a key was made")
        };
        assert_eq!(fault.class, FaultClass::Refused);
    }
    let import = Import {
        label: "junk".into(),
        pkcs8: SecretBytes::new(vec![0x30; 40]),
    };
    let Reply::Fault(fault) = client.call(&Request::ImportSoftware(import)) else {
        panic!("junk was imported")
    };
    assert_eq!(fault.class, FaultClass::Refused);

    let mixed = SignBatch {
        priority: Priority::OcspOnDemand,
        deadline_ms: 0,
        items: vec![
            Sign {
                key: record.key,
                scheme: Scheme::EcdsaSha256,
                input: message(),
            },
            Sign {
                key: record.key,
                scheme: Scheme::Ed25519,
                input: message(),
            },
            Sign {
                key: record.key,
                scheme: Scheme::EcdsaSha256,
                input: message(),
            },
        ],
    };
    let outcomes = client.sign_batch(&Request::Sign(mixed));
    assert_eq!(
        outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(),
        [true, false, true],
        "one fault spoils no other"
    );
    let empty = SignBatch {
        priority: Priority::Issuance,
        deadline_ms: 0,
        items: Vec::new(),
    };
    assert!(client.sign_batch(&Request::Sign(empty)).is_empty());
}

/// The book has the digest of every signature that was made, also of those in one request.
#[test]
fn every_digest_that_was_signed_is_in_the_book() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    write_config(directory, software(directory));
    let daemon = Daemon::start(directory);
    let mut client = daemon.client();
    let key = client.generate("ca", KeyKind::P256, Backend::Software).key;
    let item = |scheme, input| Sign { key, scheme, input };
    let digest = |octet: u8| Input::Digest(Digest::new(&[octet; 32]).unwrap());
    let batch = |items| SignBatch {
        priority: Priority::Issuance,
        deadline_ms: 0,
        items,
    };
    let items = vec![
        item(Scheme::EcdsaSha256, digest(1)),
        // Not by a key of this kind, so that it is not signed.
        item(Scheme::Ed25519, digest(2)),
        item(Scheme::EcdsaSha256, Input::Message(vec![7; 40])),
        item(Scheme::EcdsaSha256, digest(0xfe)),
    ];
    let outcomes = client.sign_batch(&Request::Sign(batch(items)));
    let made: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(made, [true, false, true, true]);
    client.sign_batch(&Request::Sign(batch(vec![item(Scheme::EcdsaSha256, digest(3))])));
    let book = fs::read_to_string(directory.join("audit.jsonl")).unwrap();
    let lines = book.lines().filter(|line| line.contains(r#""audit":"sign""#));
    let written = lines.map(|line| {
        let digests = line.split(r#""digests":["#).nth(1).unwrap();
        digests.split(']').next().unwrap().replace('"', "")
    });
    let first = format!("{},{}", "01".repeat(32), "fe".repeat(32));
    assert_eq!(written.collect::<Vec<_>>(), [first, "03".repeat(32)]);
}

#[test]
fn limits_hold() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    write_config(directory, software(directory));
    let daemon = Daemon::start(directory);
    let (allowed, other) = {
        let mut client = daemon.client();
        let mut make = |label| client.generate(label, KeyKind::P256, Backend::Software);
        (make("allowed"), make("other"))
    };
    daemon.kill();
    let limits = Limits {
        keys: vec!["allowed".into()],
        schemes: vec!["ecdsa-sha256".into()],
        signatures_per_second: 5,
        generate: false,
        import: false,
        connections: 2,
        ..Limits::default()
    };
    write_config(
        directory,
        Config {
            limits,
            ..software(directory)
        },
    );
    let daemon = Daemon::start(directory);
    let mut client = daemon.client();
    assert_eq!(
        client.sign(&other, b"tbs", 0).unwrap_err().class,
        FaultClass::Refused
    );
    let outcomes: Vec<_> = (0..10).map(|_| client.sign(&allowed, b"tbs", 0)).collect();
    assert!(outcomes.iter().take(5).all(Result::is_ok), "{outcomes:?}");
    let over = outcomes.last().unwrap().as_ref().unwrap_err();
    assert!(over.class == FaultClass::Overloaded && over.retry_after_ms > 0);
    let generate = Generate {
        label: "new".into(),
        kind: KeyKind::P256,
        backend: Backend::Software,
    };
    let Reply::Fault(fault) = client.call(&Request::Generate(generate)) else {
        panic!("a key was made")
    };
    assert_eq!(fault.class, FaultClass::Refused);

    let mut second = daemon.client();
    assert!(second.try_call(&Request::Status).is_some());
    let mut third = daemon.client();
    assert!(third.try_call(&Request::Status).is_none(), "limits.connections");
    drop(second);
    std::thread::park_timeout(Duration::from_millis(200));
    assert!(
        daemon.client().try_call(&Request::Status).is_some(),
        "a place that became free is given again"
    );
}

#[test]
fn a_client_that_speaks_nonsense_harms_only_itself() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    write_config(directory, software(directory));
    let daemon = Daemon::start(directory);
    let mut good = daemon.client();
    let record = good.generate("ca", KeyKind::P256, Backend::Software);

    let mut other_protocol = daemon.client();
    other_protocol.send_raw(b"GET / HTTP/1.1\r\n\r\n");
    assert!(other_protocol.receive().is_none(), "cut off");
    let mut other_version = daemon.client();
    other_version.send_raw(&[0, 0, 0, 10, 9, 0, 0, 0, 0, 0, 0, 0, 1, 5]);
    assert!(other_version.receive().is_none(), "cut off");

    let mut unknown = daemon.client();
    unknown.send_raw(&[0, 0, 0, 10, PROTOCOL_VERSION, 0, 0, 0, 0, 0, 0, 0, 42, 99]);
    let (id, Reply::Fault(fault)) = unknown.receive().unwrap() else {
        panic!("no fault")
    };
    assert_eq!((id, fault.class), (42, FaultClass::Refused));
    assert!(
        unknown.try_call(&Request::Status).is_some(),
        "it goes on after a request that meant nothing"
    );

    let mut leaver = daemon.client();
    for _ in 0..50 {
        leaver.send(&request(&record, &[b"tbs"], Priority::Issuance, 0));
    }
    drop(leaver);
    assert!(good.sign(&record, b"tbs", 0).is_ok());
}

#[test]
fn replies_come_in_any_order_under_the_ids_of_their_requests() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    write_config(directory, software(directory));
    let daemon = Daemon::start(directory);
    let mut client = daemon.client();
    let record = client.generate("ca", KeyKind::P256, Backend::Software);
    let messages: Vec<Vec<u8>> = (0..300_u16).map(|number| number.to_be_bytes().to_vec()).collect();
    let mut asked: std::collections::HashMap<u64, &Vec<u8>> = messages
        .iter()
        .map(|message| {
            (
                client.send(&request(&record, &[message], Priority::Issuance, 0)),
                message,
            )
        })
        .collect();
    while !asked.is_empty() {
        let (id, reply) = client.receive().unwrap();
        let Reply::Signatures(outcomes) = reply else {
            panic!("{reply:?}")
        };
        let message = asked.remove(&id).expect("each request is answered once");
        let signature = outcomes.first().unwrap().as_ref().unwrap();
        assert!(verify(&record.spki, Scheme::EcdsaSha256, message, signature));
    }
    assert!(client.try_call(&Request::Status).is_some());
}

#[test]
fn the_group_may_connect_when_told_so() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    write_config(
        directory,
        Config {
            socket_group_access: true,
            ..software(directory)
        },
    );
    let daemon = Daemon::start(directory);
    assert_eq!(
        fs::metadata(&daemon.socket).unwrap().permissions().mode() & 0o777,
        0o660
    );
}

#[test]
fn two_services_do_not_share_a_socket() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    write_config(directory, software(directory));
    let daemon = Daemon::start(directory);
    let mut client = daemon.client();
    let other = tempfile::tempdir().unwrap();
    fs::copy(directory.join("signerd.toml"), other.path().join("signerd.toml")).unwrap();
    let (code, log) = run_to_end(other.path());
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("another signing service listens"), "{log}");
    assert!(
        client.try_call(&Request::Status).is_some(),
        "and the first one goes on"
    );
}

#[test]
fn a_service_with_a_parent_ends_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    write_config(directory, software(directory));
    let mut daemon = Daemon::start_with(directory, |command| {
        command.arg("--with-parent").stdin(Stdio::piped())
    });
    assert!(daemon.client().try_call(&Request::Status).is_some());
    daemon.close_stdin();
    assert_eq!(daemon.wait(Duration::from_secs(10)).code(), Some(0));
}

#[test]
fn a_configuration_that_is_not_usable_has_its_own_exit_code() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(
        directory.path().join("signerd.toml"),
        "version = 1\nsokcet = \"s\"\n",
    )
    .unwrap();
    let (code, log) = run_to_end(directory.path());
    assert_eq!(code, Some(78), "{log}");
    assert!(log.contains("did you mean `socket`?"), "{log}");
}

#[test]
fn an_audit_file_that_was_rotated_away_is_opened_anew() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    write_config(directory, software(directory));
    let daemon = Daemon::start(directory);
    daemon
        .client()
        .generate("first", KeyKind::P256, Backend::Software);
    let (current, rotated) = (directory.join("audit.jsonl"), directory.join("audit.1"));
    fs::rename(&current, &rotated).unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(daemon.pid()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    for _ in 0..200 {
        if current.exists() {
            break;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    daemon
        .client()
        .generate("second", KeyKind::P256, Backend::Software);
    assert!(
        fs::read_to_string(rotated)
            .unwrap()
            .contains(r#""label":"first""#)
    );
    let fresh = fs::read_to_string(current).unwrap();
    assert!(
        fresh.contains(r#""label":"second""#) && !fresh.contains(r#""label":"first""#),
        "{fresh}"
    );
}
