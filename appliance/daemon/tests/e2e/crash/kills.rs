//! A server that is killed (SIGKILL) a thousand times at random moments under load; and beside that, and not counted, its signing
//! process and the database.
//!
//! Several servers at once, on both databases, with keys in files and in SoftHSM2. What clients were told is asked for all the
//! time, and all of it at the end.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use ocsp::{CertStatus, Response};
use pki::{Certificate, Crl, Serial};
use store_bed::Postgres;

use super::client::{Client, Heard, Stand};
use super::ground::Ground;
use super::verdict::{self, Left};
use crate::harness::{Keys, signal};

/// How often a server is killed, unless `CHANCERY_CRASH_KILLS` says otherwise.
const KILLS: u32 = 1000;
/// Of so many kills one is of a database, where there is one that can be killed, and two are of a signing process.
const OTHERS: u64 = 24;
/// Clients of each server.
const CLIENTS: usize = 2;
/// Of so many deeds of a client one is a renewal and one a revocation.
const DEEDS: u64 = 8;
/// The most deeds that are done between two kills, and the most milliseconds after them.
const BETWEEN: (u64, u64) = (3, 15);

/// Numbers that nobody foresees, and that are the same for the same seed.
struct Chance(u64);

impl Chance {
    fn new() -> Self {
        let mut seed = [0; 8];
        aws_lc_rs::rand::fill(&mut seed).unwrap();
        Self(u64::from_be_bytes(seed) | 1)
    }

    /// One below `limit`.
    fn below(&mut self, limit: u64) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// What clients and killer know of each other.
#[derive(Debug, Default)]
struct Round {
    is_over: AtomicBool,
    /// What was acknowledged.
    done: AtomicU64,
}

impl Round {
    /// Waits until clients are served again, and for another moment.
    fn wait(&self, chance: &mut Chance, ground: &Mutex<Ground>) {
        let (since, goal) = (
            Instant::now(),
            self.done.load(Ordering::SeqCst) + 1 + chance.below(BETWEEN.0),
        );
        while self.done.load(Ordering::SeqCst) < goal {
            let log = || ground.lock().unwrap().appliance.log_text();
            assert!(
                since.elapsed() < Duration::from_mins(1),
                "nobody is served:\n{}",
                log()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(chance.below(BETWEEN.1)));
    }
}

/// What was killed how often.
#[derive(Debug, Default)]
struct Killed {
    servers: u32,
    signers: u32,
    databases: u32,
    /// The longest that a start took until everything listened.
    longest_start: Duration,
}

/// Does something, and remembers what it was told.
fn work(ground: &Mutex<Ground>, heard: &mut Heard, round: &Round) {
    let mut chance = Chance::new();
    let mut client = Client::patient(&ground.lock().unwrap(), heard);
    let issuer = loop {
        if let Some(issuer) = client.get("issuers/issuing") {
            break issuer;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let certificate = Certificate::parse(issuer["certificate_pem"].as_str().unwrap().as_bytes()).unwrap();
    let id = issuer["id"].as_str().unwrap();
    while !round.is_over.load(Ordering::SeqCst) {
        let known: Vec<(String, Stand)> = client
            .heard
            .certificates
            .iter()
            .map(|(serial, (_, stand))| (serial.clone(), *stand))
            .collect();
        let any = usize::try_from(chance.below(known.len().max(1) as u64)).unwrap();
        let done = match (chance.below(DEEDS), known.get(any)) {
            (0, Some((serial, Stand::Good))) => client.renew(serial).map(drop),
            (1, Some((serial, Stand::Good))) => client.revoke(serial, "superseded"),
            (2.., Some((serial, stand))) if chance.below(2) == 0 => {
                ask_again(&client, (id, &certificate), serial, *stand)
            }
            _ => client.issue("issuing").map(drop),
        };
        match done {
            Some(()) => drop(round.done.fetch_add(1, Ordering::SeqCst)),
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// Whoever answers says what was acknowledged.
fn ask_again(client: &Client<'_>, issuer: (&str, &Certificate), serial: &str, stand: Stand) -> Option<()> {
    let serial: Serial = serial.parse().unwrap();
    let (status, der) = client.fetch(&format!("ocsp/{}/{serial}", issuer.0))?;
    // While the signing process is away, it says tryLater.
    if status != 200 || !matches!(Response::parse(&der), Ok(Response::Signed(_))) {
        return None;
    }
    let said = verdict::status_in(&der, issuer.1, serial);
    let is_true = match stand {
        Stand::Good => said == CertStatus::Good,
        Stand::Revoked => matches!(said, CertStatus::Revoked { .. }),
        Stand::Either => said != CertStatus::Unknown,
    };
    assert!(is_true, "{serial} is {stand:?}, and OCSP says {said:?}");
    Some(())
}

/// Looks at the CRL again and again: its number never falls.
fn watch_crl(ground: &Mutex<Ground>, round: &Round) {
    let mut heard = Heard::default();
    let client = Client::patient(&ground.lock().unwrap(), &mut heard);
    let mut last = 0;
    while !round.is_over.load(Ordering::SeqCst) {
        if let Some((200, der)) = client.fetch("crl/issuing") {
            let number = Crl::parse(&der).unwrap().number().unwrap();
            assert!(number >= last, "CRL {number} after {last}");
            last = number;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Kills the server so many times, and others beside it; how that went, and what the killed ones left.
fn kill_again_and_again(ground: &Mutex<Ground>, round: &Round, times: u32) -> (Killed, Left) {
    let (mut chance, mut killed) = (Chance::new(), Killed::default());
    let mut left = Left::empty();
    while killed.servers < times {
        round.wait(&mut chance, ground);
        let mut ground = ground.lock().unwrap();
        match chance.below(OTHERS) {
            0 if ground.is_on_server() => {
                ground.kill_database();
                killed.databases += 1;
                continue;
            }
            1..3 => {
                // It may be away already, which the server has not noticed.
                if let Some(signer) = ground.appliance.find_signerd() {
                    signal(signer, "KILL");
                    killed.signers += 1;
                    continue;
                }
            }
            _ => {}
        }
        ground.kill();
        killed.servers += 1;
        left = Left::by(&ground).after(&left);
        let since = Instant::now();
        ground.serve_unwatched();
        killed.longest_start = killed.longest_start.max(since.elapsed());
    }
    (killed, left)
}

/// One server with its clients; what was killed, and how many certificates were handed out.
fn one_server(ground: Ground, times: u32) -> (Killed, usize) {
    let (_, before) = verdict::tally(&ground);
    let ground = Mutex::new(ground);
    ground.lock().unwrap().serve_unwatched();
    let round = Round::default();
    let mut heard: Vec<Heard> = vec![Heard::default(); CLIENTS];
    let (killed, before_last) = std::thread::scope(|scope| {
        for heard in &mut heard {
            scope.spawn(|| work(&ground, heard, &round));
        }
        scope.spawn(|| watch_crl(&ground, &round));
        let outcome = kill_again_and_again(&ground, &round, times.saturating_sub(1));
        round.is_over.store(true, Ordering::SeqCst);
        outcome
    });
    let mut ground = ground.into_inner().unwrap();
    let mut all = Heard::default();
    for heard in heard {
        all.certificates.extend(heard.certificates);
    }
    ground.kill();
    let left = Left::by(&ground);
    ground.serve();
    assert!(ground.settle());
    verdict::check(&ground, &mut all, &left);
    let accounted = verdict::account_for_signatures(&ground, &left.after(&before_last));
    assert!(
        accounted >= all.certificates.len(),
        "{accounted} digests are in the book"
    );
    let (made, known) = verdict::tally(&ground);
    assert!(
        made <= known - before,
        "{made} were signed, of {} anything is known",
        known - before
    );
    ground.kill();
    let killed = Killed {
        servers: killed.servers + 1,
        ..killed
    };
    (killed, all.certificates.len())
}

#[test]
fn e2e_crash_a_thousand_kills() {
    let times = std::env::var("CHANCERY_CRASH_KILLS").map_or(KILLS, |times| times.parse().unwrap());
    let since = Instant::now();
    let server = || Some(Arc::new(RwLock::new(Postgres::start())));
    let places = [
        (None, Keys::Software),
        (server(), Keys::Software),
        (None, Keys::SoftHsm),
        (server(), Keys::SoftHsm),
    ];
    let share = times.div_ceil(u32::try_from(places.len()).unwrap());
    let told: Vec<(Killed, usize)> = std::thread::scope(|scope| {
        let one = |(server, keys): &(Option<super::ground::Server>, Keys)| {
            one_server(Ground::fresh(server.as_ref(), *keys), share)
        };
        let under_way: Vec<_> = places
            .iter()
            .map(|place| scope.spawn(move || one(place)))
            .collect();
        under_way.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let sum = |count: fn(&Killed) -> u32| told.iter().map(|(killed, _)| count(killed)).sum::<u32>();
    let (servers, signers) = (sum(|killed| killed.servers), sum(|killed| killed.signers));
    let databases = sum(|killed| killed.databases);
    let longest = told.iter().map(|(killed, _)| killed.longest_start).max().unwrap();
    let certificates: usize = told.iter().map(|(_, certificates)| certificates).sum();
    eprintln!(
        "{servers} servers were killed, and beside them {signers} signing processes and {databases} databases, in {:.0?}; \
         {certificates} certificates were handed out; the longest start took {longest:.1?}",
        since.elapsed()
    );
    assert!(servers >= times && signers > 0 && databases > 0);
    assert!(certificates > usize::try_from(times).unwrap() / 2);
}
