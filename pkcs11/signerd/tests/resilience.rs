//! One key in two tokens, and one of them fails in every way there is, under a steady load.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "signerd/bed.rs"]
mod bed;
#[path = "signerd/client.rs"]
mod client;
#[path = "signerd/daemon.rs"]
mod daemon;
#[path = "../../token/tests/backends/faulty.rs"]
mod faulty;
#[path = "signerd/load.rs"]
mod load;
#[path = "signerd/shared_key.rs"]
mod shared_key;
#[path = "../../token/tests/backends/soft_tokens.rs"]
mod soft_tokens;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use bed::Bed;
use daemon::Daemon;
use load::{Asked, Load};
use signer_wire::{Backend, Circuit, FaultClass, Generate, KeyKind, Reply, Request};
use soft_tokens::{Make, in_child};
use token::Limits;

/// Clients that ask at the same time.
const CLIENTS: usize = 8;
/// How long each fault lasts.
const LASTS: Duration = Duration::from_millis(1500);

/// Ways to lose a token, each as the faults of the module; some say the same of all that is asked of the token.
const LOSSES: &[(&str, &[&str])] = &[
    ("taken out", &["* token=left removed"]),
    (
        "every signature fails",
        &["C_Sign token=left code=CKR_FUNCTION_FAILED"],
    ),
    ("general error", &["* token=left code=CKR_GENERAL_ERROR"]),
    ("device error", &["* token=left code=CKR_DEVICE_ERROR"]),
    (
        "device removed, in its slot",
        &["C_SignInit token=left code=CKR_DEVICE_REMOVED"],
    ),
    (
        "no memory",
        &[
            "C_OpenSession token=left code=CKR_DEVICE_MEMORY",
            "C_Sign token=left code=CKR_DEVICE_MEMORY",
        ],
    ),
    ("sessions lost", &["* token=left code=CKR_SESSION_HANDLE_INVALID"]),
    ("busy", &["C_SignInit token=left code=CKR_OPERATION_ACTIVE"]),
    (
        "login lost",
        &["C_SignInit token=left code=CKR_USER_NOT_LOGGED_IN"],
    ),
    ("key lost", &["C_SignInit token=left code=CKR_KEY_HANDLE_INVALID"]),
    (
        "mechanism lost",
        &["C_SignInit token=left code=CKR_MECHANISM_INVALID"],
    ),
    (
        "library lost",
        &["C_SignInit token=left code=CKR_CRYPTOKI_NOT_INITIALIZED times=3"],
    ),
    ("signatures hang", &["C_Sign token=left hang"]),
    ("everything hangs", &["* token=left hang"]),
    ("slow", &["C_Sign token=left delay=300"]),
];

/// Loses a token under load and gets it back; gives all requests and when it was lost.
fn lose(bed: &Bed, name: &str, faults: &[&str]) -> (Vec<Asked>, Instant) {
    let load = Load::start(&bed.daemon.socket, &bed.record, CLIENTS);
    std::thread::park_timeout(Duration::from_millis(300));
    let lost = Instant::now();
    bed.faults.set(faults);
    std::thread::park_timeout(LASTS);
    bed.faults.clear();
    let signed = bed.lane("left").signed;
    bed.wait_for("left", &format!("it is used again after: {name}"), |told| {
        told.available && told.circuit == Circuit::Closed && told.signed > signed + 20
    });
    let back = lost.elapsed().saturating_sub(LASTS);
    let asked = load.end();
    let failed = asked.iter().filter(|one| one.fault.is_some());
    let during = |one: &&Asked| one.at + one.took >= lost && one.at <= lost + LASTS;
    let slowest = asked.iter().filter(during).map(|one| one.took).max().unwrap();
    eprintln!(
        "{name}: {} asked, {} while it was lost, {} failed, slowest {} ms, used again after {} ms",
        asked.len(),
        asked.iter().filter(during).count(),
        failed.count(),
        slowest.as_millis(),
        back.as_millis(),
    );
    (asked, lost)
}

#[test]
fn e2e_resilience_losing_one_of_two_tokens_costs_no_request() {
    in_child(
        Make::Faulty,
        "e2e_resilience_losing_one_of_two_tokens_costs_no_request",
        |directory| {
            let bed = Bed::new(directory, |_| ());
            let pid = bed.daemon.pid();
            for (name, faults) in LOSSES {
                let (asked, lost) = lose(&bed, name, faults);
                let failed: Vec<_> = asked
                    .iter()
                    .filter_map(|one| Some((one.at.saturating_duration_since(lost), one.fault.as_ref()?)))
                    .collect();
                assert!(failed.is_empty(), "{name}: {failed:?}\n{}", bed.daemon.log());
                assert!(asked.iter().any(|one| one.at > lost), "{name}");
            }
            assert!(bed.lane("left").circuit_openings > 0);
            assert!(bed.lane("left").handed_over > 0);
            assert_eq!(bed.lane("right").tests_failed, 0);
            assert_eq!(bed.daemon.pid(), pid);
            assert!(
                bed.daemon.client().status().uptime_ms > 20_000,
                "it is the same process"
            );
        },
    );
}

/// A call that hangs past the limit does not end the process as long as the other token does the work; when nobody wants anything
/// it does, and the next process has both tokens.
#[test]
fn e2e_resilience_a_hang_ends_the_process_only_when_nobody_misses_it() {
    in_child(
        Make::Faulty,
        "e2e_resilience_a_hang_ends_the_process_only_when_nobody_misses_it",
        |directory| {
            let hang_ms = 1500;
            let mut bed = Bed::new(directory, |config| {
                config.limits = Limits {
                    hang_ms,
                    ..Limits::default()
                };
            });
            let load = Load::start(&bed.daemon.socket, &bed.record, CLIENTS);
            bed.faults.set(&["C_Sign token=left hang"]);
            let told = bed.wait_for("left", "it is told to be silent", |told| !told.available);
            assert!(told.detail.contains("does not answer"), "{told:?}");
            std::thread::park_timeout(Duration::from_millis(3 * u64::from(hang_ms)));
            let asked = load.end();
            let failed: Vec<_> = asked.iter().filter_map(|one| one.fault.as_ref()).collect();
            assert!(failed.is_empty(), "{failed:?}");

            let ended = bed.daemon.wait(Duration::from_secs(10));
            assert_eq!(ended.signal(), Some(9), "{}", bed.daemon.log());
            bed.faults.clear();
            bed.daemon = Daemon::start(directory);
            let load = Load::start(&bed.daemon.socket, &bed.record, CLIENTS);
            bed.wait_for("left", "both tokens are used", |told| told.signed > 20);
            assert!(load.end().iter().all(|one| one.fault.is_none()));
        },
    );
}

#[test]
fn e2e_resilience_a_token_that_hangs_from_the_start_keeps_nobody_waiting() {
    in_child(
        Make::Faulty,
        "e2e_resilience_a_token_that_hangs_from_the_start_keeps_nobody_waiting",
        |directory| {
            let mut bed = Bed::new(directory, |_| ());
            bed.faults.set(&["C_OpenSession token=left hang"]);
            let started = Instant::now();
            bed.daemon = bed.daemon.replace(directory);
            assert!(started.elapsed() < Duration::from_secs(10));
            let mut client = bed.daemon.client();
            for _ in 0..20 {
                client.sign(&bed.record, b"tbs", 1000).unwrap();
            }
            assert!(!bed.lane("left").available);
            bed.faults.clear();
            bed.wait_for("left", "it is there when it answers", |told| told.available);
        },
    );
}

/// The library takes the process with it, and the next process signs.
#[test]
fn e2e_resilience_a_library_that_ends_the_process() {
    in_child(
        Make::Faulty,
        "e2e_resilience_a_library_that_ends_the_process",
        |directory| {
            let mut bed = Bed::new(directory, |_| ());
            for (fault, code, signal) in [
                ("C_Sign exit=3 times=1", Some(3), None),
                ("C_SignInit abort", None, Some(6)),
            ] {
                bed.faults.set(&[fault]);
                let mut client = bed.daemon.client();
                let request = client::request(&bed.record, &[b"tbs"], signer_wire::Priority::Issuance, 0);
                assert!(client.try_call(&request).is_none());
                let ended = bed.daemon.wait(Duration::from_secs(5));
                assert_eq!((ended.code(), ended.signal()), (code, signal), "{fault}");
                bed.faults.clear();
                bed.daemon = Daemon::start(directory);
                bed.daemon.client().sign(&bed.record, b"tbs", 0).unwrap();
            }
        },
    );
}

/// A PIN that was rejected, rightly or not: the other token goes on, and the remedy needs no restart of anything.
#[test]
fn e2e_resilience_a_rejected_pin_is_mended_at_run_time() {
    in_child(
        Make::Faulty,
        "e2e_resilience_a_rejected_pin_is_mended_at_run_time",
        |directory| {
            let bed = Bed::new(directory, |_| ());
            let mut client = bed.daemon.client();
            bed.faults.set(&[
                "C_Login token=left code=CKR_PIN_INCORRECT times=1",
                "C_SignInit token=left code=CKR_CRYPTOKI_NOT_INITIALIZED times=1",
            ]);
            for _ in 0..10 {
                client.sign(&bed.record, b"tbs", 2000).unwrap();
            }
            let told = bed.wait_for("left", "its PIN is rejected", |told| !told.available);
            let marker = directory.join("pin-rejected-left");
            assert!(told.detail.contains("rejected its PIN"), "{told:?}");
            let logins = bed.faults.noted("C_Login left");
            std::thread::park_timeout(Duration::from_secs(5));
            assert_eq!(bed.faults.noted("C_Login left"), logins, "it is not sent again");
            assert!(bed.lane("left").detail.contains(marker.to_str().unwrap()));
            fs::remove_file(&marker).unwrap();
            bed.wait_for("left", "it is tried once more", |told| told.available);
            assert_eq!(bed.faults.noted("C_Login left"), logins + 1);
        },
    );
}

/// What no token can do is said as it is: a key that is in none is not found, and one whose tokens are all away is away.
#[test]
fn e2e_resilience_both_tokens_lost_and_back() {
    in_child(
        Make::Faulty,
        "e2e_resilience_both_tokens_lost_and_back",
        |directory| {
            let bed = Bed::new(directory, |_| ());
            let mut client = bed.daemon.client();
            client.sign(&bed.record, b"tbs", 2000).unwrap();
            bed.faults.set(&["* removed"]);
            for _ in 0..5 {
                let fault = client.sign(&bed.record, b"tbs", 2000).unwrap_err();
                assert_eq!(fault.class, FaultClass::TokenAbsent, "{fault:?}");
            }
            bed.faults.clear();
            for name in ["left", "right"] {
                bed.wait_for(name, "it is back", |told| told.available);
            }
            client.sign(&bed.record, b"tbs", 2000).unwrap();
        },
    );
}

/// Keys are asked of a token that fails in every class: the caller is told, the token that is well goes on, nothing that nobody was
/// told of stays, and the same process makes the next key.
#[test]
fn e2e_resilience_keys_made_by_a_failing_token_softhsm() {
    in_child(
        Make::Faulty,
        "e2e_resilience_keys_made_by_a_failing_token_softhsm",
        |directory| {
            let bed = Bed::new(directory, |_| {});
            let (mut client, pid) = (bed.daemon.client(), bed.daemon.pid());
            for (number, (fault, expected)) in [
                (
                    "C_GenerateKeyPair token=left code=CKR_FUNCTION_FAILED",
                    FaultClass::Retryable,
                ),
                (
                    "C_GenerateKeyPair token=left made=CKR_SESSION_HANDLE_INVALID",
                    FaultClass::Retryable,
                ),
                (
                    "C_GenerateKeyPair token=left half=CKR_DEVICE_ERROR",
                    FaultClass::Retryable,
                ),
                (
                    "C_GenerateKeyPair token=left made=CKR_PIN_INCORRECT",
                    FaultClass::Retryable,
                ),
                (
                    "C_GenerateKeyPair token=left code=CKR_DEVICE_MEMORY",
                    FaultClass::TokenFull,
                ),
                (
                    "C_GenerateKeyPair token=left code=CKR_MECHANISM_INVALID",
                    FaultClass::Refused,
                ),
                ("* token=left removed", FaultClass::TokenAbsent),
            ]
            .into_iter()
            .enumerate()
            {
                let ask = |label: String| {
                    Request::Generate(Generate {
                        label,
                        kind: KeyKind::P256,
                        backend: Backend::Token("left".to_owned()),
                    })
                };
                bed.faults.set(&[fault]);
                match client.call(&ask(format!("lost-{number}"))) {
                    Reply::Fault(told) => assert_eq!(told.class, expected, "{fault}: {told}"),
                    other => panic!("{fault}: {other:?}"),
                }
                client.sign(&bed.record, b"meanwhile", 5000).unwrap();
                bed.faults.clear();
                bed.wait_for("left", fault, |lane| lane.available);
                let until = Instant::now() + Duration::from_secs(20);
                while !matches!(client.call(&ask(format!("made-{number}"))), Reply::Key(_)) {
                    assert!(Instant::now() < until, "{fault}");
                    std::thread::park_timeout(Duration::from_millis(50));
                }
                let labels: Vec<String> = client.list().into_iter().map(|key| key.label).collect();
                assert!(
                    !labels.iter().any(|label| label.starts_with("lost-")),
                    "{fault}: {labels:?}"
                );
                let made = format!("made-{number}");
                assert_eq!(
                    labels.iter().filter(|label| **label == made).count(),
                    1,
                    "{fault}"
                );
            }
            let restarted = !std::path::Path::new(&format!("/proc/{pid}")).exists();
            assert!(!restarted, "{}", bed.daemon.log());
        },
    );
}
