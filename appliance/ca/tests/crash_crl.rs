//! `kill -9` while CRLs are made and OCSP answers signed ahead: what is published afterwards is whole, has every revocation
//! that was answered, and a number above every one that was ever signed; what is kept of the answers holds and says what
//! the store says.
//!
//! The process that is killed is this test binary, started once more: the child sees itself by a variable of its
//! environment.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what broke by panicking"
)]

#[path = "support/killed.rs"]
mod killed;
#[path = "support/request.rs"]
mod request;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ca::{Authority, CertRef, CertificateStatus, OcspAnswerKind, RevokeRequest};
use ocsp::{CertId, CertStatus, Expectation, HashAlgorithm, Response};
use pki::{Crl, RevocationReason, Serial};

use killed::{admin, runtime, tell};

const CHILD: &str = "CHANCERY_CRASH_CRL_CHILD";
const TEST: &str = "killed_while_lists_and_answers_are_made_both_are_whole_and_true";
const ROUNDS: u64 = 8;
/// Certificates of one revoking task between two revocations.
const BETWEEN: usize = 3;

#[test]
fn killed_while_lists_and_answers_are_made_both_are_whole_and_true() {
    match std::env::var_os(CHILD) {
        Some(folder) => runtime().block_on(work_until_killed(Path::new(&folder))),
        None => kill_and_look(),
    }
}

/// The child: issues and revokes, signs ahead and publishes, and tells of all of it.
async fn work_until_killed(folder: &Path) {
    let authority = killed::open(folder, Arc::new(killed::keys(folder))).await;
    for _ in 0..2 {
        tokio::spawn(revoke_for_ever(authority.clone()));
    }
    let signing = authority.clone();
    tokio::spawn(async move {
        loop {
            let done = signing.presign_ocsp(&admin(), "root").await.unwrap();
            tell(&format!("ahead {}", done.signed));
            // What there is to sign has to come about first.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    loop {
        let crl = authority.publish_crl(&admin(), "root").await.unwrap();
        tell(&format!("published {}", crl.number));
    }
}

async fn revoke_for_ever(authority: Authority) {
    let holder = request::Holder::new();
    loop {
        let mut last = None;
        for _ in 0..BETWEEN {
            let issued = authority
                .issue(&admin(), killed::order(&holder, "host.example"))
                .await
                .unwrap();
            tell(&format!("issued {}", issued.serial));
            last = Some(issued);
        }
        let last = last.unwrap();
        // Its answer is signed ahead or being signed when it is revoked.
        let request = RevokeRequest {
            certificate: CertRef::Id(last.id),
            reason: RevocationReason::Superseded,
            invalidity_date: None,
        };
        authority.revoke(&admin(), request).await.unwrap();
        tell(&format!("revoked {}", last.serial));
    }
}

/// The parent.
fn kill_and_look() {
    let folder = tempfile::tempdir().unwrap();
    // Of this process, which is not killed.
    store_bed::config(folder.path().join("store.db"));
    let (mut known, mut revoked, mut highest, mut kept, mut midway) = (Vec::new(), Vec::new(), 0, 0, 0);
    for round in 0..ROUNDS {
        let told = killed::run_and_kill(TEST, CHILD, folder.path(), "published ", 150 + 61 * round);
        known.extend(killed::told(&told, "issued ").map(|serial| serial.parse::<Serial>().unwrap()));
        revoked.extend(killed::told(&told, "revoked ").map(|serial| serial.parse::<Serial>().unwrap()));
        let numbers = killed::told(&told, "published ").map(|number| number.parse().unwrap());
        highest = numbers
            .chain([highest, highest_file(folder.path())])
            .max()
            .unwrap();
        let found = look(folder.path(), &revoked, highest);
        highest = found.number;
        midway += usize::from(found.was_midway);
        kept += ask(folder.path(), &known, &revoked);
    }
    assert!(revoked.len() > 10, "only {} revocations", revoked.len());
    assert!(kept > 50, "only {kept} answers were kept over a kill");
    assert!(
        midway > 1,
        "only {midway} of {ROUNDS} kills came while a list was made"
    );
}

/// The highest number among the files, whole or not: something may have been signed under it.
fn highest_file(folder: &Path) -> u64 {
    let names = std::fs::read_dir(folder.join("crls")).unwrap();
    let numbers = names.filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let (number, _) = name.rsplit_once('-')?.1.split_once('.')?;
        number.parse().ok()
    });
    numbers.max().unwrap_or(0)
}

/// What the next start finds.
struct Found {
    /// The number that it publishes.
    number: u64,
    /// A number was taken for a list that was never recorded.
    was_midway: bool,
}

/// Opens the store as the next start does.
fn look(folder: &Path, revoked: &[Serial], highest: u64) -> Found {
    runtime().block_on(async {
        let authority = killed::open(folder, Arc::new(killed::keys(folder))).await;
        let issuer = authority.issuer("root").unwrap().id;
        let read = || Crl::parse(&authority.current_crl(issuer).unwrap().der().unwrap()).unwrap();
        let key = authority.issuer("root").unwrap();
        let key = key.certificate.as_ref().unwrap().public_key().clone();
        let before = read();
        assert_eq!(
            before.verify_signed_by(&key),
            Ok(()),
            "what is published is whole"
        );
        let next = authority.publish_crl(&admin(), "root").await.unwrap().number;
        let was_midway = before.number().is_some_and(|number| next > number + 1);
        assert!(
            revoked.iter().all(|serial| read().find(*serial).is_some()),
            "every revocation is listed"
        );
        authority.publish_crl(&admin(), "root").await.unwrap();
        let number = read().number().unwrap();
        assert!(
            number > highest && Some(number) > before.number(),
            "{number} after {highest}"
        );
        authority.drain().await;
        let files = std::fs::read_dir(folder.join("crls")).unwrap().count();
        assert_eq!(files, 1, "nothing is left over");
        Found { number, was_midway }
    })
}

/// Asks about everything that was told, as a relying party that believes nothing; gives how many answers were kept.
fn ask(folder: &Path, known: &[Serial], revoked: &[Serial]) -> usize {
    runtime().block_on(async {
        let authority = killed::open(folder, Arc::new(killed::keys(folder))).await;
        let root = authority.issuer("root").unwrap();
        let certificate = root.certificate.clone().unwrap();
        for serial in known {
            let answer = authority.answer_ocsp_serial(root.id, *serial).await;
            let Ok(Response::Signed(signed)) = Response::parse(&answer.der) else {
                panic!("{serial}: {:?}", answer.kind)
            };
            let id = CertId::for_issuer(
                HashAlgorithm::Sha1,
                certificate.subject().der(),
                certificate.public_key(),
                *serial,
            );
            let expected = Expectation {
                issuer: &certificate,
                cert_ids: &[id],
                nonce: None,
                at: authority.clock().now(),
                skew: Duration::ZERO,
            };
            let says = signed.verify(&expected).unwrap().first().unwrap().status;
            let stands = authority
                .certificate(&admin(), CertRef::Serial(*serial))
                .await
                .unwrap();
            let is_revoked = matches!(stands.status, CertificateStatus::Revoked { .. });
            assert_eq!(matches!(says, CertStatus::Revoked { .. }), is_revoked, "{serial}");
            assert_eq!(answer.kind == OcspAnswerKind::Revoked, is_revoked, "{serial}");
            assert!(is_revoked || !revoked.contains(serial), "{serial} was revoked");
        }
        let kept = hits(&authority.metrics_text());
        authority.drain().await;
        kept
    })
}

fn hits(metrics: &str) -> usize {
    let line = "chancery_ocsp_cache_total{outcome=\"hit\"} ";
    let count = metrics.lines().find_map(|known| known.strip_prefix(line));
    count.unwrap().parse().unwrap()
}
