//! `kill -9` while CRLs are made: what is published afterwards is whole, has every revocation that was answered, and a number
//! above every one that was ever signed.
//!
//! The process that is killed is this test binary, started once more: the child sees itself by a variable of its
//! environment.
#![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

#[path = "support/request.rs"]
mod request;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ca::{Authority, CertRef, Clock, CreateRoot, IssueRequest, Principal, RevokeRequest, Settings, Signer};
use pki::{Crl, KeyAlgorithm, RevocationReason, Serial};
use store::{Store, StoreConfig};
use token::{KeyRing, Keys, Software, SoftwareConfig};

const CHILD: &str = "CHANCERY_CRASH_CRL_CHILD";
const TEST: &str = "killed_while_a_crl_is_made_its_number_rises_and_it_is_whole";
const ROUNDS: u64 = 8;

#[test]
fn killed_while_a_crl_is_made_its_number_rises_and_it_is_whole() {
    match std::env::var_os(CHILD) {
        Some(folder) => runtime().block_on(publish_until_killed(Path::new(&folder))),
        None => kill_and_look(),
    }
}

/// The child: revokes and publishes, and tells of both.
async fn publish_until_killed(folder: &Path) {
    let authority = open(folder).await;
    if authority.issuers().is_empty() {
        let root = CreateRoot {
            name: "root".into(),
            subject: "CN=Crash Root".into(),
            key_algorithm: KeyAlgorithm::P256,
            signature_algorithm: None,
            token: "software".into(),
            validity: None,
            profile: None,
            crl: ca::CrlPlan::default(),
        };
        authority.create_root(&admin(), root).await.unwrap();
    }
    let revoking = authority.clone();
    tokio::spawn(async move {
        let holder = request::Holder::new();
        loop {
            let order = IssueRequest {
                csr: request::csr(&holder, "", &["dns:host.example"]),
                profile: "tls-server".into(),
                ..IssueRequest::default()
            };
            let issued = revoking.issue(&admin(), order).await.unwrap();
            let request = RevokeRequest {
                certificate: CertRef::Id(issued.id),
                reason: RevocationReason::Superseded,
                invalidity_date: None,
            };
            revoking.revoke(&admin(), request).await.unwrap();
            tell(&format!("revoked {}", issued.serial));
        }
    });
    loop {
        let crl = authority.publish_crl(&admin(), "root").await.unwrap();
        tell(&format!("published {}", crl.number));
    }
}

/// One write, so that a line is whole or not there.
fn tell(line: &str) {
    std::io::stdout()
        .write_all(format!("{line}\n").as_bytes())
        .unwrap();
    std::io::stdout().flush().unwrap();
}

/// The parent.
fn kill_and_look() {
    let folder = tempfile::tempdir().unwrap();
    let (mut revoked, mut highest) = (Vec::new(), 0);
    for round in 0..ROUNDS {
        for line in run_and_kill(folder.path(), 30 + 37 * round) {
            if let Some((_, serial)) = line.split_once("revoked ") {
                revoked.push(serial.parse::<Serial>().unwrap());
            } else if let Some((_, number)) = line.split_once("published ") {
                highest = highest.max(number.parse().unwrap());
            }
        }
        highest = highest.max(highest_file(folder.path()));
        highest = look(folder.path(), &revoked, highest);
    }
    assert!(revoked.len() > 10, "only {} revocations", revoked.len());
}

fn run_and_kill(folder: &Path, millis: u64) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture"])
        .env(CHILD, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut told, mut end) = (Vec::new(), None);
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let Ok(line) = line else { break };
        if line.contains("published ") {
            let end = *end.get_or_insert_with(|| Instant::now() + Duration::from_millis(millis));
            if Instant::now() >= end {
                // SIGKILL; what was written before stays in the pipe and is read to its end.
                child.kill().unwrap();
            }
        }
        told.push(line);
    }
    child.wait().unwrap();
    told
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

/// Opens the store as the next start does; gives the number that it publishes.
fn look(folder: &Path, revoked: &[Serial], highest: u64) -> u64 {
    runtime().block_on(async {
        let authority = open(folder).await;
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
        authority.publish_due_crls().await.unwrap();
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
        number
    })
}

async fn open(folder: &Path) -> Authority {
    std::fs::create_dir_all(folder.join("keys")).unwrap();
    let config = SoftwareConfig {
        directory: Some(folder.join("keys")),
        passphrase_file: None,
    };
    let keys: Arc<dyn Keys> = Arc::new(Software::open(&config).unwrap());
    let store = Store::open(&StoreConfig::new(folder.join("store.db"))).unwrap();
    let signer = Signer::in_process(Arc::new(KeyRing::new(vec![keys], None)));
    let settings = Settings::new("http://pki.example");
    Authority::open(store, signer, Clock::system(), settings)
        .await
        .unwrap()
}

fn admin() -> Principal {
    Principal::local("crash")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().unwrap()
}
