//! The runner and the jobs, over a real authority with software keys.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what broke by panicking"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ca::{Authority, CertRef, Clock, CreateRoot, Principal, RevokeRequest, Settings, Signer};
use jobs::{Context, Hooks, JOBS, Job};
use pki::KeyAlgorithm;
use pki::crl::RevocationReason;
use token::KeyRing;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

async fn authority(folder: &tempfile::TempDir, clock: &Clock) -> Authority {
    let store = store_bed::open(folder.path().join("store.db"));
    let signer = Signer::in_process(Arc::new(KeyRing::in_memory()));
    let authority = Authority::open(store, signer, clock.clone(), Settings::new("http://pki.example"))
        .await
        .unwrap();
    let root = CreateRoot {
        name: "root".into(),
        subject: "CN=Root".into(),
        key_algorithm: KeyAlgorithm::P256,
        signature_algorithm: None,
        token: "software".into(),
        validity: None,
        profile: None,
        crl: ca::CrlPlan::default(),
    };
    authority.create_root(&admin(), root).await.unwrap();
    authority
}

fn admin() -> Principal {
    Principal::local("test")
}

fn clock() -> Clock {
    Clock::fixed("2030-01-01T12:00:00Z".parse().unwrap())
}

async fn wait_until(what: &str, is_true: impl Fn() -> bool) {
    let waiting = async {
        while !is_true() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .unwrap_or_else(|_| panic!("{what} never happened"));
}

#[tokio::test]
async fn a_revocation_is_on_the_crl_within_seconds() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let authority = authority(&folder, &clock).await;
    let tls = authority
        .tls_certificate(&["host.example".into()], None)
        .await
        .unwrap();
    let serial = pki::Certificate::from_der(&tls.certificate_der).unwrap().serial();
    let cancel = CancellationToken::new();
    let running = tokio::spawn(jobs::run(authority.clone(), Hooks::default(), cancel.clone()));
    let request = RevokeRequest {
        certificate: CertRef::Serial(serial),
        reason: RevocationReason::KeyCompromise,
        invalidity_date: None,
    };
    authority.revoke(&admin(), request).await.unwrap();
    let id = authority.issuer("root").unwrap().id;
    wait_until("the CRL", || {
        authority.current_crl(id).is_some_and(|crl| crl.entries == 1)
    })
    .await;
    cancel.cancel();
    tokio::time::timeout(Duration::from_secs(10), running)
        .await
        .expect("the runner stops")
        .unwrap();
}

#[tokio::test]
async fn many_revocations_make_one_crl_within_two_seconds() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let authority = authority(&folder, &clock).await;
    let id = authority.issuer("root").unwrap().id;
    let mut serials = Vec::new();
    for number in 0..20 {
        let name = format!("host-{number}.example");
        let tls = authority
            .tls_certificate(&[name.as_str().into()], None)
            .await
            .unwrap();
        serials.push(pki::Certificate::from_der(&tls.certificate_der).unwrap().serial());
    }
    let before = authority.current_crl(id).unwrap().number;
    let cancel = CancellationToken::new();
    let running = tokio::spawn(jobs::run(authority.clone(), Hooks::default(), cancel.clone()));
    let started = std::time::Instant::now();
    for serial in serials {
        let request = RevokeRequest {
            certificate: CertRef::Serial(serial),
            reason: RevocationReason::Superseded,
            invalidity_date: None,
        };
        authority.revoke(&admin(), request).await.unwrap();
    }
    let last = started.elapsed();
    wait_until("the CRL", || {
        authority.current_crl(id).is_some_and(|crl| crl.entries == 20)
    })
    .await;
    assert!(started.elapsed() < last + Duration::from_secs(2));
    // The job may have looked once while they were being revoked.
    assert!(authority.current_crl(id).unwrap().number <= before + 2);
    cancel.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn at_the_start_everything_due_is_done() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let authority = authority(&folder, &clock).await;
    let id = authority.issuer("root").unwrap().id;
    let before = authority.responder(&admin(), id).unwrap().unwrap();
    clock.advance(jiff::SignedDuration::from_hours(8 * 24));
    let renewals = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&renewals);
    let hook: jobs::Hook = Arc::new(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Ok(()) })
    });
    let cancel = CancellationToken::new();
    let hooks = Hooks {
        audit_exports: Vec::new(),
        audit_witnesses: Vec::new(),
        tls_renewal: Some(hook),
    };
    let running = tokio::spawn(jobs::run(authority.clone(), hooks, cancel.clone()));
    wait_until("the scheduled CRL", || {
        authority.current_crl(id).is_some_and(|crl| crl.number == 2)
    })
    .await;
    let renewed = || {
        let now = authority.responder(&admin(), id).unwrap().unwrap();
        now.not_after > before.not_after
    };
    wait_until("the new responder", renewed).await;
    wait_until("the look at the TLS certificate", || {
        renewals.load(Ordering::SeqCst) == 1
    })
    .await;
    cancel.cancel();
    running.await.unwrap();
}

static RUNS: AtomicUsize = AtomicUsize::new(0);
static NUDGE: std::sync::OnceLock<Arc<Notify>> = std::sync::OnceLock::new();

/// Panics the first time, fails the second time, and succeeds from then on.
const SHAKY: Job = Job {
    name: "shaky",
    every: Duration::from_millis(20),
    nudge: Some(|_| Arc::clone(NUDGE.get_or_init(Arc::default))),
    settle: Duration::from_millis(1),
    run: |_| {
        Box::pin(async {
            match RUNS.fetch_add(1, Ordering::SeqCst) {
                0 => panic!("simulated"),
                1 => Err("simulated".to_owned()),
                _ => Ok(()),
            }
        })
    },
};

#[tokio::test]
async fn a_panic_ends_one_run_and_nothing_else() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let context = Context {
        authority: authority(&folder, &clock).await,
        hooks: Hooks::default(),
    };
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let running = tokio::spawn(async move { jobs::run_table(&[SHAKY], context, stop).await });
    wait_until("the fourth run", || RUNS.load(Ordering::SeqCst) >= 4).await;
    cancel.cancel();
    running.await.unwrap();
}

#[test]
fn names_are_the_files_names_and_intervals_are_sane() {
    for job in JOBS {
        let file = format!("{}/src/{}.rs", env!("CARGO_MANIFEST_DIR"), job.name);
        assert!(std::path::Path::new(&file).exists(), "{file}");
        assert!(
            job.every >= Duration::from_secs(1) && job.every <= Duration::from_hours(1),
            "{}",
            job.name
        );
    }
}
