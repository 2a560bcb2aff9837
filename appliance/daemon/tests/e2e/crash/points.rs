//! A server that is killed between every two durable effects of every use case, on both databases.
//!
//! A first run of each use case tells which places it passes (`store::crash_point`), then there is a run for each of them that
//! ends there. The server is started again, and once more; what it acknowledged holds, what it signed is accounted for, and the
//! use case can be done. `CHANCERY_CRASH_ONLY` names a use case, for a look at that one.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Instant;

use store_bed::Postgres;

use super::client::{Client, Heard, make_foreign_root};
use super::ground::{Ground, Server};
use super::use_case::{ALL, Begins, UseCase};
use super::verdict::{self, Left, Snapshot};
use crate::harness::Keys;

/// Runs at the same time: most of the time they wait for processes to start, and on a database until a dead server is taken for dead.
const WORKERS: usize = 4;
const WORKERS_ON_SERVER: usize = 6;
/// Runs that may miss their place.
const ATTEMPTS: u32 = 3;

/// The states in which use cases begin, and what was acknowledged until then.
struct States {
    /// As it was before its first start.
    unstarted: Ground,
    at_rest: (Ground, Heard),
    killed: (Ground, Heard),
    /// What a start at rest passes.
    of_start: BTreeSet<String>,
}

impl States {
    fn make(unstarted: Ground) -> Self {
        let (mut at_rest, mut heard) = (unstarted.copy(), Heard::default());
        at_rest.serve();
        assert!(at_rest.settle());
        let mut client = Client::new(&at_rest, &mut heard);
        client.make_fleet().unwrap();
        client.issue("issuing").unwrap();
        let fleet: Vec<String> = (0..4).map(|_| client.issue("fleet").unwrap()).collect();
        client.publish("fleet").unwrap();
        for serial in &fleet[1..] {
            client.revoke(serial, "superseded").unwrap();
        }
        client.make_couriers().unwrap();
        for serial in &fleet[1..] {
            client.wait_until_listed("fleet", serial).unwrap();
        }
        assert!(at_rest.settle());
        at_rest.stop();
        make_foreign_root(at_rest.appliance.dir.path());
        at_rest.forget();

        let mut start = at_rest.copy();
        start.serve();
        assert!(start.settle());
        let of_start = start.passages().into_iter().collect();
        start.kill();

        let (mut killed, mut heard_until) = (at_rest.copy(), heard.clone());
        let end = "after signature: issuance #1";
        assert!(killed.try_serve(&[("CHANCERY_CRASH_AT", end)]));
        let issued = Client::new(&killed, &mut heard_until).issue("issuing");
        assert_eq!(issued, None);
        killed.kill();
        Self {
            unstarted,
            at_rest: (at_rest, heard),
            killed: (killed, heard_until),
            of_start,
        }
    }

    fn before(&self, begins: Begins) -> (Ground, Heard, Left) {
        let (ground, heard) = match begins {
            Begins::AtRest => (self.at_rest.0.copy(), self.at_rest.1.clone()),
            Begins::DaysAfter => (self.unstarted.copy(), Heard::default()),
            Begins::Killed => (self.killed.0.copy(), self.killed.1.clone()),
        };
        let left = Left::by(&ground);
        (ground, heard, left)
    }

    /// The places that a use case passes, told by a run to its end.
    fn count(&self, case: &UseCase) -> Vec<String> {
        let (mut ground, mut heard, left) = self.before(case.begins);
        ground.serve();
        if case.begins != Begins::AtRest {
            assert!(ground.settle());
        }
        (case.play)(&mut Client::new(&ground, &mut heard)).unwrap();
        assert!(ground.settle(), "{}", ground.appliance.log_text());
        ground.kill();
        let mut places = ground.passages();
        match case.begins {
            Begins::AtRest => places.retain(|place| !is_pulse(place) && !self.of_start.contains(place)),
            // Each duty is done for one issuer after the other: the first two stand for all.
            Begins::DaysAfter => places.retain(|place| is_among(place, if is_pulse(place) { 1 } else { 2 })),
            Begins::Killed => {
                places.retain(|place| is_among(place, if is_pulse(place) { 1 } else { u64::MAX }));
            }
        }
        // The kill after everything was acknowledged.
        look_after(ground, &mut heard, &left, case);
        places
    }

    /// One run that ends at a place; whether it came there.
    fn run(&self, case: &UseCase, place: &str) -> bool {
        let (mut ground, mut heard, left) = self.before(case.begins);
        let book = ground.book();
        let environment = [
            ("CHANCERY_CRASH_BOOK", book.to_str().unwrap()),
            ("CHANCERY_CRASH_AT", place),
        ];
        if ground.try_serve(&environment) && (case.play)(&mut Client::new(&ground, &mut heard)).is_some() {
            // What comes after the last answer.
            ground.settle();
        }
        ground.kill();
        let came_there = ground.passages().last().is_some_and(|last| last == place);
        look_after(ground, &mut heard, &left, case);
        came_there
    }
}

/// The beats of a server's heart: the first comes at its start, the others by the clock, whatever it does. Checkpoints of the audit
/// log are among them, the last uses of tokens, and what is forgotten of couriers.
fn is_pulse(place: &str) -> bool {
    let beats = [
        "commit: settings #",
        "commit: leases #",
        "commit: api_tokens #",
        "courier_sessions tallies used_once #",
        "audit_tiles",
        "signature: audit #",
    ];
    beats.iter().any(|beat| place.contains(beat))
}

/// Whether a passage is one of the first of its place.
fn is_among(place: &str, first: u64) -> bool {
    let times = place.rsplit_once('#').unwrap().1;
    times.parse::<u64>().unwrap() <= first
}

fn has_words(place: &str, wanted: &str) -> bool {
    let words: Vec<&str> = place.split([' ', ':']).collect();
    wanted.split(' ').all(|word| words.contains(&word))
}

/// Starts the server again, and once more, and looks at everything.
fn look_after(mut ground: Ground, heard: &mut Heard, before: &Left, case: &UseCase) {
    let left = Left::by(&ground).after(before);
    ground.serve();
    assert!(ground.settle());
    ground.stop();
    let settled = Snapshot::of(&ground);
    ground.serve();
    assert!(ground.settle());
    assert_eq!(Snapshot::of(&ground), settled, "a second start changes something");
    verdict::account_for_signatures(&ground, &left);
    verdict::check(&ground, heard, &left);
    // Nobody is stuck: it can be done again, or now.
    (case.play)(&mut Client::new(&ground, heard)).unwrap();
    verdict::check_couriers(&ground, heard);
    ground.kill();
}

/// The places that a use case passes, which have all that it is known to pass.
fn places_of(states: &States, case: &UseCase) -> Vec<String> {
    let since = Instant::now();
    let places = states.count(case);
    let (name, count) = (case.name, places.len());
    eprintln!(
        "{name}: {count} places ({:?})\n  {}",
        since.elapsed(),
        places.join("\n  ")
    );
    for wanted in case.passes {
        for side in ["before", "after"] {
            let wanted = format!("{side} {wanted}");
            let is_passed = places.iter().any(|place| has_words(place, &wanted));
            assert!(is_passed, "{name} does not pass `{wanted}`: {places:?}");
        }
    }
    places
}

/// Use cases by their names, on one ground; all of them when none is named.
fn kill_everywhere(unstarted: Ground, workers: usize, cases: &[&str]) {
    let states = States::make(unstarted);
    let only = std::env::var("CHANCERY_CRASH_ONLY").ok();
    let is_wanted = |case: &&UseCase| {
        (cases.is_empty() || cases.contains(&case.name))
            && only.as_deref().is_none_or(|only| only == case.name)
    };
    let mut runs = VecDeque::new();
    for case in ALL.iter().filter(is_wanted) {
        runs.extend(places_of(&states, case).into_iter().map(|place| (case, place)));
    }
    let all = runs.len();
    let (since, runs) = (Instant::now(), Mutex::new(runs));
    let missed: Mutex<Vec<String>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let next = runs.lock().unwrap().pop_front();
                    let Some((case, place)) = next else { break };
                    eprintln!("{}: {place}", case.name);
                    // What comes by the clock may come between.
                    if !(0..ATTEMPTS).any(|_| states.run(case, &place)) {
                        missed.lock().unwrap().push(format!("{}: {place}", case.name));
                    }
                }
            });
        }
    });
    eprintln!("killed at {all} places in {:?}", since.elapsed());
    let missed = missed.into_inner().unwrap();
    assert!(missed.is_empty(), "places that no run came to: {missed:?}");
}

#[test]
fn e2e_crash_points_sqlite() {
    kill_everywhere(Ground::aged(None), WORKERS, &[]);
}

#[test]
fn e2e_crash_points_postgres() {
    let server: Server = Arc::new(RwLock::new(Postgres::start_with(&["max_connections=300"])));
    kill_everywhere(Ground::aged(Some(&server)), WORKERS_ON_SERVER, &[]);
}

/// The same with keys in a token, where keys are made and used.
#[test]
fn e2e_crash_points_softhsm() {
    let cases = ["issue", "replace a responder", "roll an issuing CA over"];
    kill_everywhere(Ground::fresh(None, Keys::SoftHsm), WORKERS, &cases);
}
