//! What a CRL costs: time and memory of a full list, of one more revocation, and of `revoke` itself, beside what the same
//! bytes cost to hash, write and sync in the same run.
//!
//! `cargo run --release -p ca --example crl_cost -- 1000000 [FOLDER]`; the last line is JSON. The folder (a temporary one
//! when it is left out) should be on the disk that is to be measured.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that cannot be made stops"
)]

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ca::{Authority, CertRef, Clock, CreateRoot, IssueRequest, Principal, RevokeRequest, Settings, Signer};
use pki::{DigestAlgorithm, KeyAlgorithm, RevocationReason, Serial};
use store::revocations::RevocationRow;
use store::{Store, StoreConfig};
use token::KeyRing;

#[path = "../tests/support/request.rs"]
mod request;

const ROUNDS: usize = 5;
const REVOCATIONS: u32 = 200;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let entries: u32 = arguments
        .next()
        .map_or(1_000_000, |number| number.parse().unwrap());
    let temporary = tempfile::tempdir().unwrap();
    let folder = arguments
        .next()
        .map_or_else(|| temporary.path().to_owned(), std::path::PathBuf::from);
    tokio::runtime::Runtime::new()
        .unwrap()
        .block_on(measure(entries, &folder));
}

async fn measure(entries: u32, folder: &Path) {
    let ring = Arc::new(KeyRing::in_memory());
    let authority = open(folder, &ring).await;
    let root = CreateRoot {
        name: "root".into(),
        subject: "CN=Cost Root".into(),
        key_algorithm: KeyAlgorithm::P256,
        signature_algorithm: None,
        token: "software".into(),
        validity: None,
        profile: None,
        crl: ca::CrlPlan::default(),
    };
    let issuer = authority.create_root(&admin(), root).await.unwrap().id;
    drop(authority);
    fill(folder, issuer, entries).await;
    let started = Instant::now();
    let authority = open(folder, &ring).await;
    println!("{entries} revocations taken up in {:?}", started.elapsed());
    authority.publish_crl(&admin(), "root").await.unwrap();

    let resting = resident("VmRSS:");
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let mut full = Vec::new();
    for _ in 0..ROUNDS {
        full.push(timed(authority.publish_crl(&admin(), "root")).await);
    }
    let above = resident("VmHWM:").saturating_sub(resting);
    let crl = authority.current_crl(issuer).unwrap().der().unwrap();
    let (hash, write): (Vec<_>, Vec<_>) = (0..ROUNDS).map(|_| floor(&crl, folder)).unzip();
    let (hash, write) = (median(hash), median(write));
    let (mut more, mut revoke) = (Vec::new(), Vec::new());
    let holder = request::Holder::new();
    for round in 0..ROUNDS {
        for _ in 0..REVOCATIONS {
            let request = to_revoke(&authority, &holder).await;
            revoke.push(timed(authority.revoke(&admin(), request)).await);
        }
        let request = to_revoke(&authority, &holder).await;
        let started = Instant::now();
        authority.revoke(&admin(), request).await.unwrap();
        authority.publish_due_crls().await.unwrap();
        more.push(started.elapsed());
        assert_eq!(
            authority.current_crl(issuer).unwrap().entries,
            entries as usize + (round + 1) * (REVOCATIONS as usize + 1)
        );
    }
    let (full, more, revoke) = (median(full), median(more), median(revoke));
    let base = hash + write;
    println!(
        "CRL of {} octets: hash {hash:?}, write and sync {write:?}",
        crl.len()
    );
    println!(
        "full list {full:?} = {:.2} x (hash + write + sync)",
        ratio(full, base)
    );
    println!(
        "one more revocation to the signed list {more:?} = {:.2} x",
        ratio(more, base)
    );
    println!("one call of revoke {revoke:?}; {above} KiB above the resting {resting} KiB");
    println!(
        "{{\"entries\":{entries},\"octets\":{},\"floor_us\":{},\"full_us\":{},\"one_more_us\":{},\"revoke_us\":{},\"above_resting_kib\":{above}}}",
        crl.len(),
        base.as_micros(),
        full.as_micros(),
        more.as_micros(),
        revoke.as_micros()
    );
}

async fn open(folder: &Path, ring: &Arc<KeyRing>) -> Authority {
    let store = Store::open(&StoreConfig::new(folder.join("store.db"))).unwrap();
    let signer = Signer::in_process(Arc::clone(ring));
    let settings = Settings::new("http://pki.example");
    Authority::open(store, signer, Clock::system(), settings)
        .await
        .unwrap()
}

fn admin() -> Principal {
    Principal::local("crl_cost")
}

/// Writes revocations past the use cases: only how many there are matters here.
async fn fill(folder: &Path, issuer_id: uuid::Uuid, entries: u32) {
    let store = Store::open(&StoreConfig::new(folder.join("store.db"))).unwrap();
    let revoked_at = Clock::system().now().as_millisecond() - 1000;
    let mut serials: Vec<[u8; 16]> = (0..entries)
        .map(|_| {
            let mut random = [0; 16];
            aws_lc_rs::rand::fill(&mut random).unwrap();
            random
        })
        .collect();
    serials.sort_unstable();
    for chunk in serials.chunks(50_000) {
        let chunk = chunk.to_vec();
        let write = store.write(move |tx| {
            for random in chunk.iter().copied() {
                let reason = [0, 1, 4, 5].get(usize::from(random[9] % 4)).copied();
                let row = RevocationRow {
                    issuer_id,
                    serial: Serial::from_random(random).as_bytes().to_vec(),
                    revoked_at,
                    reason: reason.unwrap_or(0),
                    invalidity_date: None,
                    not_after: i64::MAX,
                    is_orphan: true,
                };
                store::revocations::put(tx, &row)?;
            }
            Ok(())
        });
        write.await.unwrap();
    }
}

async fn to_revoke(authority: &Authority, holder: &request::Holder) -> RevokeRequest {
    let order = IssueRequest {
        csr: request::csr(holder, "", &["dns:host.example"]),
        profile: "tls-server".into(),
        ..IssueRequest::default()
    };
    let issued = authority.issue(&admin(), order).await.unwrap();
    RevokeRequest {
        certificate: CertRef::Id(issued.id),
        reason: RevocationReason::Superseded,
        invalidity_date: None,
    }
}

async fn timed<T, E: std::fmt::Debug>(work: impl Future<Output = Result<T, E>>) -> Duration {
    let started = Instant::now();
    work.await.unwrap();
    started.elapsed()
}

/// What the bytes cost anybody: to hash them, and to write them to a new file and sync it.
fn floor(der: &[u8], folder: &Path) -> (Duration, Duration) {
    let started = Instant::now();
    DigestAlgorithm::Sha256.digest(der);
    let hash = started.elapsed();
    let path = folder.join("floor");
    let started = Instant::now();
    let mut file = File::create(&path).unwrap();
    der.chunks(64 * 1024)
        .for_each(|piece| file.write_all(piece).unwrap());
    file.sync_all().unwrap();
    let write = started.elapsed();
    std::fs::remove_file(path).unwrap();
    (hash, write)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn ratio(time: Duration, base: Duration) -> f64 {
    time.as_secs_f64() / base.as_secs_f64()
}

/// A line of /proc/self/status, in KiB.
fn resident(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
