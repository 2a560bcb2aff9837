//! One key in two tokens, and one of them fails in every way there is, under a steady load.

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
#[path = "../../token/tests/backends/faulty.rs"]
mod faulty;
#[path = "signerd/load.rs"]
mod load;
#[path = "signerd/shared_key.rs"]
mod shared_key;
#[path = "../../token/tests/backends/soft_tokens.rs"]
mod soft_tokens;

use std::path::Path;
use std::time::{Duration, Instant};

use client::Client;
use daemon::{Daemon, write_config};
use faulty::Faults;
use load::{Asked, Load};
use shared_key::shared_key;
use signer_wire::{Circuit, KeyRecord, LaneStatus};
use soft_tokens::{Make, in_child};
use token::{Checks, Config, Limits, TokenConfig};

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

/// A service with the shared key in two tokens.
struct Bed {
    record: KeyRecord,
    daemon: Daemon,
    faults: Faults,
}

impl Bed {
    fn new(directory: &Path, adjust: impl FnOnce(&mut Config)) -> Self {
        let (record, tokens) = shared_key(Make::Faulty, directory);
        let tokens = tokens.into_iter().map(|token| TokenConfig {
            sessions: Some(2),
            ..token
        });
        let mut config = Config {
            tokens: tokens.collect(),
            ..Config::default()
        };
        adjust(&mut config);
        write_config(directory, config);
        Self {
            record,
            daemon: Daemon::start(directory),
            faults: Faults::of(directory),
        }
    }

    fn lane(&self, name: &str) -> LaneStatus {
        lane(&mut self.daemon.client(), name)
    }

    /// Waits until what is told of a token is so.
    fn wait_for(&self, name: &str, what: &str, is_so: impl Fn(&LaneStatus) -> bool) -> LaneStatus {
        let (mut client, until) = (self.daemon.client(), Instant::now() + Duration::from_secs(20));
        loop {
            let told = lane(&mut client, name);
            if is_so(&told) {
                return told;
            }
            assert!(Instant::now() < until, "{what}: {told:?}\n{}", self.daemon.log());
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

fn lane(client: &mut Client, name: &str) -> LaneStatus {
    let lanes = client.status().lanes;
    lanes.into_iter().find(|lane| lane.name == name).unwrap()
}

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
