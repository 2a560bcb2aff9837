//! The service with a soft token: what it signs, what it survives, and what it keeps to itself.

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
#[path = "signerd/shared_key.rs"]
mod shared_key;
#[path = "../../token/tests/backends/soft_tokens.rs"]
mod soft_tokens;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use client::{Client, request};
use daemon::{Daemon, run_to_end, write_config};
use shared_key::shared_key;
use signer_wire::{Backend, FaultClass, KeyKind, KeyRecord, Priority, Reply, Scheme};
use soft_tokens::{Make, PIN, in_child, secret_file};
use token::{Config, Hsm, Limits, PinSource, SoftwareConfig, TokenConfig, inspect, verify};

const TOKEN: &str = "token-1";

fn with_token(token: TokenConfig) -> Config {
    Config {
        tokens: vec![token],
        ..Config::default()
    }
}

fn on_token() -> Backend {
    Backend::Token(TOKEN.to_owned())
}

fn check(record: &KeyRecord, message: &[u8], signature: &[u8]) {
    assert!(verify(
        &record.spki,
        Scheme::default_for(record.kind),
        message,
        signature
    ));
}

/// Signs, lists, counts and records; then ends in order.
fn serves(make: Make, directory: &Path, kinds: &[KeyKind]) {
    let token = make.new_token(directory, TOKEN);
    write_config(
        directory,
        with_token(TokenConfig {
            session_copies: true,
            ..token
        }),
    );
    let daemon = Daemon::start(directory);
    let mode = fs::metadata(&daemon.socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "only the owner may connect");
    let mut client = daemon.client();
    let records: Vec<KeyRecord> = kinds
        .iter()
        .map(|kind| client.generate(&format!("key-{kind}"), *kind, on_token()))
        .collect();
    for record in &records {
        assert!(record.attributes.sensitive && !record.attributes.extractable && record.attributes.local);
        check(record, b"tbs", &client.sign(record, b"tbs", 0).unwrap());
    }
    let mut listed = client.list();
    listed.retain(|record| records.contains(record));
    assert_eq!(listed.len(), records.len());

    let messages: Vec<Vec<u8>> = (0..200_u16).map(|number| number.to_be_bytes().to_vec()).collect();
    let borrowed: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    let key = records.first().unwrap();
    let signatures = client.sign_batch(&request(key, &borrowed, Priority::PreSigning, 0));
    for (message, signature) in messages.iter().zip(&signatures) {
        check(key, message, signature.as_ref().unwrap());
    }
    let lane = client.status().lanes.remove(0);
    assert!(
        lane.available && lane.name == TOKEN && lane.queued == 0 && lane.busy_us > 0,
        "{lane:?}"
    );
    assert_eq!((lane.signed, lane.failed), (200 + records.len() as u64, 0));

    let audit = fs::read_to_string(directory.join("audit.jsonl")).unwrap();
    assert!(audit.contains(&format!(
        r#""key":"{}","scheme":"{}","made":200,"failed":0"#,
        key.key,
        Scheme::default_for(key.kind)
    )));
    assert_eq!(audit.matches(r#""audit":"generate""#).count(), records.len());
    assert_eq!(
        audit.lines().count(),
        2 * records.len() + 1,
        "a line for each request that used a key"
    );

    let (socket, log) = (daemon.socket.clone(), daemon.log.clone());
    assert_eq!(daemon.terminate().code(), Some(0));
    assert!(!socket.exists(), "the socket goes with the service");
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("ended") && !log.contains(PIN), "{log}");
}

#[test]
fn e2e_signerd_softhsm() {
    in_child(Make::Softhsm, "e2e_signerd_softhsm", |directory| {
        serves(
            Make::Softhsm,
            directory,
            &[KeyKind::P256, KeyKind::Rsa(2048), KeyKind::Ed25519],
        );
    });
}

#[test]
fn e2e_signerd_kryoptic() {
    in_child(Make::Kryoptic, "e2e_signerd_kryoptic", |directory| {
        serves(Make::Kryoptic, directory, &[KeyKind::P384, KeyKind::MlDsa65]);
    });
}

#[test]
fn e2e_signerd_softhsm_killed_and_started_again() {
    in_child(
        Make::Softhsm,
        "e2e_signerd_softhsm_killed_and_started_again",
        |directory| {
            write_config(directory, with_token(Make::Softhsm.new_token(directory, TOKEN)));
            let daemon = Daemon::start(directory);
            let record = daemon.client().generate("ca", KeyKind::P256, on_token());
            let (socket, signed) = (daemon.socket.clone(), record.clone());
            let loop_of_signatures = std::thread::spawn(move || {
                let (mut client, mut made) = (Client::connect(&socket), 0_u32);
                while let Some(reply) = client.try_call(&request(&signed, &[b"tbs"], Priority::Issuance, 0)) {
                    let Reply::Signatures(outcomes) = reply else {
                        panic!("{reply:?}")
                    };
                    check(&signed, b"tbs", outcomes.first().unwrap().as_ref().unwrap());
                    made += 1;
                }
                made
            });
            std::thread::park_timeout(Duration::from_millis(300));
            daemon.kill();
            assert!(
                loop_of_signatures.join().unwrap() > 0,
                "it was signing when it was killed"
            );

            let daemon = Daemon::start(directory);
            let mut client = daemon.client();
            assert_eq!(
                client.list(),
                std::slice::from_ref(&record),
                "the same key under the same name"
            );
            check(&record, b"again", &client.sign(&record, b"again", 0).unwrap());
        },
    );
}

/// What the token itself says of its user PIN.
fn user_pin(make: Make) -> &'static str {
    let slots = inspect::slots(&make.module()).unwrap();
    let tokens = slots.into_iter().filter_map(|slot| slot.token);
    tokens
        .into_iter()
        .find(|token| token.label == TOKEN)
        .unwrap()
        .user_pin
}

#[test]
fn e2e_signerd_softhsm_wrong_pin_is_tried_once() {
    in_child(
        Make::Softhsm,
        "e2e_signerd_softhsm_wrong_pin_is_tried_once",
        |directory| {
            let right = Make::Softhsm.new_token(directory, TOKEN);
            let wrong = secret_file(directory, "wrong-pin", "not-the-pin-8831");
            write_config(
                directory,
                with_token(TokenConfig {
                    pin_file: Some(wrong.clone()),
                    ..right.clone()
                }),
            );
            assert_eq!(user_pin(Make::Softhsm), "set");

            let (code, log) = run_to_end(directory);
            assert_eq!(code, Some(77), "{log}");
            assert!(log.contains("the PIN is wrong; it was tried once"), "{log}");
            assert!(!log.contains("not-the-pin-8831"), "{log}");
            assert_eq!(user_pin(Make::Softhsm), "tried wrongly", "the token saw one try");
            let marker = directory.join(format!("pin-rejected-{TOKEN}"));
            assert_eq!(fs::metadata(&marker).unwrap().permissions().mode() & 0o777, 0o600);
            assert!(!fs::read_to_string(&marker).unwrap().contains("not-the-pin"));

            // A right login clears the token's own note of wrong tries, so that another try would show.
            Hsm::connect(&right, PinSource::Given(PIN.into()), None).unwrap();
            assert_eq!(user_pin(Make::Softhsm), "set");
            for _ in 0..3 {
                let (code, log) = run_to_end(directory);
                assert_eq!(code, Some(77), "{log}");
                assert!(log.contains("it is not tried again"), "{log}");
            }
            assert_eq!(user_pin(Make::Softhsm), "set", "and the token saw no other try");

            secret_file(directory, "wrong-pin", PIN);
            let daemon = Daemon::start(directory);
            daemon.client().generate("ca", KeyKind::P256, on_token());
            assert!(
                !marker.exists(),
                "an accepted PIN ends the memory of the rejected one"
            );
        },
    );
}

/// The directory in which SoftHSM keeps the one token there is.
fn token_storage(directory: &Path) -> PathBuf {
    let mut tokens = fs::read_dir(directory.join("tokens")).unwrap();
    tokens.next().unwrap().unwrap().path()
}

#[test]
fn e2e_signerd_softhsm_token_taken_away_and_brought_back() {
    in_child(
        Make::Softhsm,
        "e2e_signerd_softhsm_token_taken_away_and_brought_back",
        |directory| {
            write_config(directory, with_token(Make::Softhsm.new_token(directory, TOKEN)));
            let storage = token_storage(directory);
            let away = directory.join("away");
            let record = {
                let daemon = Daemon::start(directory);
                let mut client = daemon.client();
                let record = client.generate("ca", KeyKind::P256, on_token());
                fs::rename(&storage, &away).unwrap();
                let fault = client.sign(&record, b"tbs", 2000).unwrap_err();
                assert!(fault.class.is_retryable(), "{fault:?}\n{}", daemon.log());
                fs::rename(&away, &storage).unwrap();
                let until = Instant::now() + Duration::from_secs(20);
                while let Err(fault) = client.sign(&record, b"tbs", 2000) {
                    assert!(
                        Instant::now() < until,
                        "it does not come back: {fault:?}\n{}",
                        daemon.log()
                    );
                    std::thread::park_timeout(Duration::from_millis(100));
                }
                record
            };
            fs::rename(&storage, &away).unwrap();
            let daemon = Daemon::start(directory);
            let mut client = daemon.client();
            assert!(
                !client.status().lanes.first().unwrap().available,
                "it starts without the token"
            );
            assert_eq!(
                client.sign(&record, b"tbs", 2000).unwrap_err().class,
                FaultClass::TokenAbsent
            );
        },
    );
}

#[test]
fn e2e_signerd_softhsm_hang_ends_the_process_and_nobody_waits_for_it() {
    in_child(
        Make::Softhsm,
        "e2e_signerd_softhsm_hang_ends_the_process_and_nobody_waits_for_it",
        |directory| {
            let token = Make::Softhsm.new_token(directory, TOKEN);
            let limits = Limits {
                queue: 4,
                hang_ms: 5000,
                ..Limits::default()
            };
            let software = Some(SoftwareConfig::default());
            let config = Config {
                software,
                limits,
                ..with_token(TokenConfig {
                    sessions: Some(2),
                    ..token
                })
            };
            write_config(directory, config);
            let mut daemon = Daemon::start(directory);
            let mut client = daemon.client();
            let in_token = client.generate("ca", KeyKind::P256, on_token());
            let in_software = client.generate("other", KeyKind::P256, Backend::Software);
            check(&in_token, b"tbs", &client.sign(&in_token, b"tbs", 0).unwrap());

            // SoftHSM locks the file of a key before it reads it, and waits for the lock for ever.
            let locks = hold_locks(&token_storage(directory));
            two_hang_four_wait_the_rest_is_shed(&mut client, &in_token);
            check(
                &in_software,
                b"tbs",
                &client.sign(&in_software, b"tbs", 2000).expect("other keys go on"),
            );

            let ended = daemon.wait(Duration::from_secs(10));
            assert_eq!(ended.signal(), Some(9), "it ended itself: {}", daemon.log());
            assert!(daemon.log().contains("a call into a PKCS#11 module hangs"));
            drop(locks);
            let daemon = Daemon::start(directory);
            check(
                &in_token,
                b"tbs",
                &daemon
                    .client()
                    .sign(&in_token, b"tbs", 0)
                    .expect("the next process signs"),
            );
        },
    );
}

/// Twenty requests to a token with two sessions that hang and a queue of four.
fn two_hang_four_wait_the_rest_is_shed(client: &mut Client, key: &KeyRecord) {
    let start = Instant::now();
    let one = request(key, &[b"tbs"], Priority::Issuance, 1000);
    let mut ids = vec![client.send(&one), client.send(&one)];
    while client.first_lane().in_flight < 2 {
        assert!(
            start.elapsed() < Duration::from_millis(900),
            "both sessions are taken"
        );
    }
    ids.extend((0..18).map(|_| client.send(&one)));
    let mut faults = Vec::new();
    for _ in &ids {
        let (_, reply) = client.receive().expect("every request is answered");
        let Reply::Signatures(mut outcomes) = reply else {
            panic!("{reply:?}")
        };
        faults.push((outcomes.remove(0).unwrap_err(), start.elapsed()));
    }
    let overloaded: Vec<_> = faults
        .iter()
        .filter(|(fault, _)| fault.class == FaultClass::Overloaded)
        .collect();
    let late = faults
        .iter()
        .filter(|(fault, _)| fault.class == FaultClass::Deadline)
        .count();
    assert_eq!(
        (overloaded.len(), late),
        (14, 6),
        "two in the token, four in the queue: {faults:?}"
    );
    assert!(
        overloaded
            .iter()
            .all(|(fault, at)| fault.retry_after_ms > 0 && *at < Duration::from_millis(800))
    );
    assert!(
        faults.iter().all(|(_, at)| *at < Duration::from_millis(2500)),
        "answered at the deadline"
    );
}

/// Holds exclusive locks on all files of a token.
fn hold_locks(storage: &Path) -> Vec<fs::File> {
    fs::read_dir(storage)
        .unwrap()
        .map(|entry| {
            let file = fs::File::options()
                .read(true)
                .write(true)
                .open(entry.unwrap().path())
                .unwrap();
            rustix::fs::fcntl_lock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
            file
        })
        .collect()
}

#[test]
fn e2e_signerd_softhsm_one_key_on_two_tokens() {
    in_child(
        Make::Softhsm,
        "e2e_signerd_softhsm_one_key_on_two_tokens",
        |directory| {
            let (record, tokens) = shared_key(Make::Softhsm, directory);
            write_config(
                directory,
                Config {
                    tokens,
                    ..Config::default()
                },
            );
            let daemon = Daemon::start(directory);
            let mut client = daemon.client();
            let listed = client.list();
            assert_eq!(listed.len(), 1, "one key, however many tokens hold it");
            let shared = listed.first().unwrap();
            assert_eq!(
                (shared.key, shared.tokens.as_slice()),
                (record.key, &["left".to_owned(), "right".to_owned()][..])
            );
            for _ in 0..20 {
                check(shared, b"tbs", &client.sign(shared, b"tbs", 0).unwrap());
            }
            let signed: Vec<u64> = client.status().lanes.iter().map(|lane| lane.signed).collect();
            assert_eq!(signed, [10, 10], "they take turns");

            fs::rename(token_storage(directory), directory.join("away")).unwrap();
            for turn in 0..20 {
                let signature = client.sign(shared, b"tbs", 0);
                check(
                    shared,
                    b"tbs",
                    &signature.unwrap_or_else(|fault| panic!("turn {turn}: {fault:?}\n{}", daemon.log())),
                );
            }
        },
    );
}

#[test]
fn e2e_signerd_softhsm_a_token_that_hangs_is_left_out() {
    in_child(
        Make::Softhsm,
        "e2e_signerd_softhsm_a_token_that_hangs_is_left_out",
        |directory| {
            let (record, tokens) = shared_key(Make::Softhsm, directory);
            let tokens = tokens
                .into_iter()
                .map(|token| TokenConfig {
                    sessions: Some(1),
                    ..token
                })
                .collect();
            write_config(
                directory,
                Config {
                    tokens,
                    ..Config::default()
                },
            );
            let daemon = Daemon::start(directory);
            let mut client = daemon.client();
            check(&record, b"tbs", &client.sign(&record, b"tbs", 0).unwrap());

            let _locks = hold_locks(&token_storage(directory));
            let messages: [&[u8]; 20] = [b"tbs"; 20];
            for _ in 0..2 {
                let made = client.sign_batch(&request(&record, &messages, Priority::Issuance, 300));
                for outcome in &made {
                    let signature = outcome
                        .as_ref()
                        .unwrap_or_else(|fault| panic!("{fault:?}\n{}", daemon.log()));
                    check(&record, b"tbs", signature);
                }
            }
            let lanes = client.status().lanes;
            let handed_over: u64 = lanes.iter().map(|lane| lane.handed_over).sum();
            assert!(
                handed_over > 0,
                "what waited for the token that hangs went to the other: {lanes:?}"
            );
        },
    );
}

#[test]
fn e2e_signerd_softhsm_pin_stays_out_of_sight() {
    in_child(
        Make::Softhsm,
        "e2e_signerd_softhsm_pin_stays_out_of_sight",
        |directory| {
            let token = Make::Softhsm.new_token(directory, TOKEN);
            write_config(
                directory,
                Config {
                    allow_core_dumps: true,
                    ..with_token(token)
                },
            );
            let daemon = Daemon::start(directory);
            let mut client = daemon.client();
            let record = client.generate("ca", KeyKind::P256, on_token());
            check(&record, b"tbs", &client.sign(&record, b"tbs", 0).unwrap());
            let process = PathBuf::from(format!("/proc/{}", daemon.pid()));
            for place in ["cmdline", "environ"] {
                let octets = fs::read(process.join(place)).unwrap();
                assert!(find(&octets, PIN.as_bytes()).is_none(), "the PIN is in {place}");
            }
            assert!(!daemon.log().contains(PIN));
            assert!(
                !fs::read_to_string(directory.join("audit.jsonl"))
                    .unwrap()
                    .contains(PIN)
            );
            let places = places_in_memory(&process, PIN.as_bytes());
            assert!(
                places.is_empty(),
                "the PIN is in the memory of the service: {places:?}"
            );
            let marker = record.key.as_bytes();
            assert!(
                !places_in_memory(&process, marker).is_empty(),
                "the search finds what is there"
            );
        },
    );
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// Where some octets are in the memory of a process: the mappings that hold them.
fn places_in_memory(process: &Path, needle: &[u8]) -> Vec<String> {
    use std::os::unix::fs::FileExt;
    let memory = fs::File::open(process.join("mem")).unwrap();
    let maps = fs::read_to_string(process.join("maps")).unwrap();
    let mut places = Vec::new();
    for line in maps.lines() {
        let (range, rest) = line.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let (start, end) = (
            u64::from_str_radix(start, 16).unwrap(),
            u64::from_str_radix(end, 16).unwrap(),
        );
        if !rest.starts_with("rw") || end - start > 1 << 30 {
            continue;
        }
        let mut octets = vec![0; usize::try_from(end - start).unwrap()];
        let read = memory.read_at(&mut octets, start).unwrap_or(0);
        octets.truncate(read);
        if let Some(at) = find(&octets, needle) {
            places.push(format!("{line} at +{at:#x}"));
        }
    }
    places
}
