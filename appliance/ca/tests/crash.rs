//! `kill -9` at random moments of a running issuance loop: what was handed out is in the store, and what was signed without
//! being recorded is revoked at the next start.
//!
//! The process that is killed is this test binary, started once more: the child sees itself by a variable of its
//! environment. Its keys write down the digest of everything they sign before they sign it, so that the parent knows what
//! may have been signed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

#[path = "support/killed.rs"]
mod killed;
#[path = "support/request.rs"]
mod request;

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use ca::{Authority, CertRef, OcspAnswerKind, Principal};
use pki::{DigestAlgorithm, Serial};
use store::Store;
use token::{BackendStatus, Error, Input, KeyKind, KeyRecord, KeyRef, Keys, Scheme, Software};

use killed::{admin, runtime};

const CHILD: &str = "CHANCERY_CRASH_CHILD";
const TEST: &str = "killed_at_any_moment_nothing_is_lost_and_nothing_is_unaccounted_for";
const ROUNDS: u64 = 8;

/// Software keys on disk that write down what they are asked to sign.
struct Witness {
    keys: Software,
    log: PathBuf,
    is_watching: AtomicBool,
}

impl Keys for Witness {
    fn name(&self) -> &'static str {
        "software"
    }

    fn width(&self) -> usize {
        self.keys.width()
    }

    fn list(&self) -> Vec<KeyRecord> {
        self.keys.list()
    }

    fn kind(&self, key: &KeyRef) -> Option<KeyKind> {
        self.keys.kind(key)
    }

    fn find(&self, key: &KeyRef) -> Option<KeyRecord> {
        self.keys.find(key)
    }

    fn generate(&self, label: &str, kind: KeyKind) -> Result<KeyRecord, Error> {
        self.keys.generate(label, kind)
    }

    fn sign(
        &self,
        key: &KeyRef,
        scheme: Scheme,
        input: &Input,
        until: Option<Instant>,
    ) -> Result<Vec<u8>, Error> {
        if self.is_watching.load(Ordering::SeqCst) {
            let Input::Digest(digest) = input else {
                panic!("ECDSA signs a digest")
            };
            let line = format!("{}\n", hexadecimal(digest.as_bytes()));
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(&self.log)
                .unwrap()
                .write_all(line.as_bytes())
                .unwrap();
        }
        self.keys.sign(key, scheme, input, until)
    }

    fn status(&self) -> BackendStatus {
        self.keys.status()
    }

    fn tend(&self) -> Result<(), Error> {
        Ok(())
    }
}

#[test]
fn killed_at_any_moment_nothing_is_lost_and_nothing_is_unaccounted_for() {
    match std::env::var_os(CHILD) {
        Some(folder) => issue_until_killed(Path::new(&folder)),
        None => kill_and_look(),
    }
}

/// The child: issues with several tasks at once, and tells of every certificate that it was handed.
fn issue_until_killed(folder: &Path) {
    runtime().block_on(async {
        let witness = witness(folder);
        let authority = killed::open(folder, Arc::clone(&witness) as Arc<dyn Keys>).await;
        witness.is_watching.store(true, Ordering::SeqCst);
        let tasks: Vec<_> = (0..8)
            .map(|task| tokio::spawn(issue_for_ever(authority.clone(), task)))
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

async fn issue_for_ever(authority: Authority, task: usize) {
    let holder = request::Holder::new();
    loop {
        let order = killed::order(&holder, &format!("t{task}.example"));
        let issued = authority.issue(&admin(), order).await.unwrap();
        killed::tell(&format!("handed-out {}", issued.serial));
    }
}

/// The parent.
fn kill_and_look() {
    let folder = tempfile::tempdir().unwrap();
    // Of this process, which is not killed.
    store_bed::config(folder.path().join("store.db"));
    let (mut handed_out, mut orphans) = (Vec::new(), 0);
    for round in 0..ROUNDS {
        let told = killed::run_and_kill(TEST, CHILD, folder.path(), "handed-out ", random_millis(round));
        let serials = killed::told(&told, "handed-out ").map(|serial| serial.parse::<Serial>().unwrap());
        handed_out.extend(serials);
        let intents = intents_left(folder.path());
        orphans += look(folder.path(), &handed_out, &intents);
    }
    assert!(
        handed_out.len() > 20,
        "only {} certificates were handed out",
        handed_out.len()
    );
    // Eight tasks at work when the process dies: all but never is there nothing between intent and certificate.
    assert!(orphans > 0, "no kill fell between an intent and its certificate");
}

/// TBS hash and serial of every intent as the dead process left it.
fn intents_left(folder: &Path) -> Vec<(String, Serial)> {
    let store = Store::open_read_only(&store_bed::config(folder.join("store.db"))).unwrap();
    let intents = store.read_here(store::intents::all).unwrap();
    let pair = |intent: store::intents::IntentRow| {
        (
            hexadecimal(&intent.tbs_hash),
            Serial::from_unsigned(&intent.serial).unwrap(),
        )
    };
    intents.into_iter().map(pair).collect()
}

/// Opens the store as the next start does, and holds it against what is known. Gives the number of orphans.
fn look(folder: &Path, handed_out: &[Serial], intents: &[(String, Serial)]) -> usize {
    runtime().block_on(async {
        let authority = killed::open(folder, witness(folder)).await;
        let admin = Principal::local("look");
        let issuer = authority.issuer("root").unwrap().id;
        for serial in handed_out {
            authority
                .certificate(&admin, CertRef::Serial(*serial))
                .await
                .expect("what was handed out is recorded");
            assert_eq!(
                authority.answer_ocsp_serial(issuer, *serial).await.kind,
                OcspAnswerKind::Good
            );
        }
        let reported: HashSet<Serial> = authority
            .recovered()
            .orphans
            .iter()
            .map(|orphan| orphan.serial)
            .collect();
        let left: HashSet<Serial> = intents.iter().map(|(_, serial)| *serial).collect();
        assert_eq!(reported, left, "every intent without a certificate is reported");
        for serial in &left {
            assert_eq!(
                authority.answer_ocsp_serial(issuer, *serial).await.kind,
                OcspAnswerKind::Revoked
            );
        }
        authority.publish_due_crls().await.unwrap();
        let crl = pki::Crl::parse(&authority.current_crl(issuer).unwrap().der().unwrap()).unwrap();
        assert!(
            left.iter().all(|serial| crl.find(*serial).is_some()),
            "every orphan is on the CRL"
        );
        account_for_signatures(&authority, folder, &admin, intents).await;
        assert!(matches!(
            authority.audit_verify(&admin).await.unwrap(),
            ca::AuditVerdict::Sound { .. }
        ));
        left.len()
    })
}

/// Everything that this child's keys were asked to sign is a certificate in the store, or was an intent.
async fn account_for_signatures(
    authority: &Authority,
    folder: &Path,
    admin: &Principal,
    intents: &[(String, Serial)],
) {
    let mut known: HashSet<String> = intents.iter().map(|(hash, _)| hash.clone()).collect();
    let mut cursor = None;
    loop {
        let filter = ca::Filter {
            limit: Some(1000),
            cursor,
            ..ca::Filter::default()
        };
        let page = authority.certificates(admin, filter).await.unwrap();
        known.extend(
            page.items
                .iter()
                .map(|item| hexadecimal(&DigestAlgorithm::Sha256.digest(tbs_of(&item.der)))),
        );
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let log = folder.join("signed.log");
    let signed = std::fs::read_to_string(&log).unwrap();
    assert!(signed.lines().count() > 0);
    for digest in signed.lines() {
        assert!(
            known.contains(digest),
            "something was signed that nothing accounts for: {digest}"
        );
    }
    // The orphans of this round are known by their serials from now on.
    std::fs::remove_file(log).unwrap();
}

/// The first element inside the certificate's SEQUENCE.
fn tbs_of(der: &[u8]) -> &[u8] {
    let (_, contents, _) = element(der);
    let (header, inner, _) = element(contents);
    &contents[..header + inner.len()]
}

/// Length of the header, contents, and what follows.
fn element(der: &[u8]) -> (usize, &[u8], &[u8]) {
    let (header, length) = match der[1] {
        short @ 0..0x80 => (2, usize::from(short)),
        long => {
            let octets = usize::from(long & 0x7f);
            (
                2 + octets,
                der[2..2 + octets]
                    .iter()
                    .fold(0, |length, octet| (length << 8) | usize::from(*octet)),
            )
        }
    };
    (header, &der[header..header + length], &der[header + length..])
}

fn witness(folder: &Path) -> Arc<Witness> {
    let (keys, log) = (killed::keys(folder), folder.join("signed.log"));
    Arc::new(Witness {
        keys,
        log,
        is_watching: AtomicBool::new(false),
    })
}

/// Another moment each time.
fn random_millis(round: u64) -> u64 {
    let mut octets = [0; 2];
    aws_lc_rs::rand::fill(&mut octets).unwrap();
    20 + round * 10 + u64::from(u16::from_be_bytes(octets)) % 150
}

fn hexadecimal(octets: &[u8]) -> String {
    octets
        .iter()
        .fold(String::new(), |text, octet| text + &format!("{octet:02x}"))
}
