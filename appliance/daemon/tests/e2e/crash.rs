//! Processes killed while certificates are issued and answers signed ahead: nothing handed out is lost, nothing signed is
//! unaccounted for, and what is kept says what the store says.

#[path = "crash/bridge.rs"]
mod bridge;
#[path = "crash/client.rs"]
mod client;
#[path = "crash/courier.rs"]
mod courier;
#[path = "crash/ground.rs"]
mod ground;
#[path = "crash/kills.rs"]
mod kills;
#[path = "crash/points.rs"]
mod points;
#[path = "crash/use_case.rs"]
mod use_case;
#[path = "crash/verdict.rs"]
mod verdict;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::api::Api;
use crate::harness::{Appliance, Keys, judge, signal};

/// How often a process is killed.
const ROUNDS: u32 = 5;

/// Clients that issue as fast as they are answered, until they are told to stop.
struct Load {
    is_over: Arc<AtomicBool>,
    workers: Vec<std::thread::JoinHandle<()>>,
    serials: Arc<Mutex<BTreeSet<String>>>,
}

impl Load {
    fn start(appliance: &Appliance) -> Self {
        let csr =
            std::fs::read_to_string(appliance.csr("loop", "/CN=loop.test", Some("DNS:loop.test"))).unwrap();
        let body = json!({ "csr_pem": csr, "profile": "tls-server", "issuer_id": "issuing" });
        let (is_over, serials) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let api = Api::new(appliance);
        let workers = (0..3)
            .map(|_| {
                let (api, body) = (api.clone(), body.clone());
                let (is_over, serials) = (Arc::clone(&is_over), Arc::clone(&serials));
                std::thread::spawn(move || issue_until(&api, &body, &is_over, &serials))
            })
            .collect();
        Self {
            is_over,
            workers,
            serials,
        }
    }

    /// Waits until so many more certificates were handed out.
    fn wait_for_more(&self, more: usize, log: impl Fn() -> String) {
        let since = Instant::now();
        let before = self.serials.lock().unwrap().len();
        while self.serials.lock().unwrap().len() < before + more {
            assert!(
                since.elapsed() < Duration::from_mins(1),
                "it does not issue any more:\n{}",
                log()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn stop(self) -> BTreeSet<String> {
        self.is_over.store(true, Ordering::SeqCst);
        for worker in self.workers {
            worker.join().unwrap();
        }
        Arc::into_inner(self.serials).unwrap().into_inner().unwrap()
    }
}

/// Issues the same order until it is told to stop.
fn issue_until(api: &Api, body: &Value, is_over: &AtomicBool, serials: &Mutex<BTreeSet<String>>) {
    while !is_over.load(Ordering::SeqCst) {
        match api.try_post("certificates", body.to_string().as_bytes()) {
            Some((201, issued)) => {
                let serial = issued["serial"].as_str().unwrap().to_owned();
                serials.lock().unwrap().insert(serial);
            }
            _ => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// Every serial that was handed out is known; after a new start no intent is open, so that everything that may have been
/// signed has a certificate or is revoked; and the audit log is sound.
fn check(appliance: &mut Appliance, handed_out: &BTreeSet<String>) {
    appliance.signal("TERM");
    assert!(appliance.wait().success(), "{}", appliance.log_text());
    appliance.serve();
    assert_eq!(appliance.json(&["audit", "verify"])["sound"], true);
    account_for_signatures(appliance, handed_out.len());
    let store = appliance.store();
    assert_eq!(store.read_here(store::intents::all).unwrap().len(), 0);
    for serial in handed_out {
        let octets = serial.parse::<pki::Serial>().unwrap();
        let rows = store.read_here(|reader| store::certificates::with_serial(reader, octets.as_bytes()));
        assert_eq!(
            rows.unwrap().len(),
            1,
            "{serial} was handed out and is not in the store"
        );
    }
}

/// The signing process keeps its own book of what it signed. No certificate can exist beyond those that the server knows
/// or has revoked as orphans.
fn account_for_signatures(appliance: &Appliance, handed_out: usize) {
    let book = std::fs::read_to_string(appliance.state().join("signerd-audit.log")).unwrap();
    let signed: u64 = book
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["priority"] == "issuance")
        .flat_map(|line| line["signatures"].as_array().unwrap().clone())
        .map(|tally| tally["made"].as_u64().unwrap())
        .sum();
    let store = appliance.store();
    let filter = store::certificates::Filter {
        profile: Some("tls-server".to_owned()),
        limit: 100_000,
        ..store::certificates::Filter::default()
    };
    // One of them is the server's own, which `init` had signed.
    let known = store
        .read_here(|reader| store::certificates::list(reader, &filter))
        .unwrap()
        .len()
        - 1;
    let mut orphans = 0;
    let count = |row: store::revocations::RevocationRow| {
        orphans += usize::from(row.is_orphan);
        Ok(())
    };
    store
        .read_here(|reader| store::revocations::for_each(reader, count))
        .unwrap();
    assert!(signed >= u64::try_from(handed_out).unwrap());
    assert!(
        signed <= u64::try_from(known + orphans).unwrap(),
        "{signed} were signed, {known} are known, {orphans} are orphans"
    );
}

#[test]
fn e2e_crash_signerd() {
    let mut appliance = Appliance::start(Keys::SoftHsm);
    let load = Load::start(&appliance);
    for _ in 0..ROUNDS {
        load.wait_for_more(10, || appliance.log_text());
        signal(appliance.signerd_pid(), "KILL");
    }
    // It comes back by itself: nobody but the server starts it.
    load.wait_for_more(10, || appliance.log_text());
    let handed_out = load.stop();
    check(&mut appliance, &handed_out);
}

#[test]
fn e2e_crash_chancery() {
    let mut appliance = Appliance::start(Keys::SoftHsm);
    let load = Load::start(&appliance);
    for _ in 0..ROUNDS {
        load.wait_for_more(10, || appliance.log_text());
        appliance.signal("KILL");
        appliance.wait();
        appliance.serve();
    }
    load.wait_for_more(10, || appliance.log_text());
    let handed_out = load.stop();
    check(&mut appliance, &handed_out);
}

/// The server is killed while it signs ahead for a whole CA and publishes what was revoked meanwhile.
#[test]
fn e2e_crash_presigning() {
    let mut appliance = Appliance::empty();
    // Slow enough that the end comes before signing is done.
    let words = ["--init-token", "--issuing-algorithm", "rsa-3072"];
    assert!(appliance.init_command(&words).output().unwrap().status.success());
    appliance.serve();
    let (mut issued, mut revoked) = (BTreeSet::new(), BTreeSet::new());
    let (mut number, mut cut_off) = (0, 0);
    for _ in 0..3 {
        let load = Load::start(&appliance);
        load.wait_for_more(150, || appliance.log_text());
        let more = load.stop();
        let api = Api::new(&appliance);
        let revoke = |serial: &str| {
            let body = json!({ "reason": "superseded" });
            let answer = api.post(&format!("certificates/{serial}/revoke"), &body);
            assert_eq!(answer.0, 200, "{}", answer.1);
        };
        let dead: Vec<String> = more.iter().take(2).cloned().collect();
        revoke(&dead[0]);
        let config = appliance.config();
        let config = config.to_str().unwrap();
        let mut signing = appliance.command(&["--config", config, "ca", "presign-ocsp", "issuing"]);
        let signing = std::thread::spawn(move || signing.output().unwrap());
        appliance.wait_for_metric(r#"chancery_signer_seconds_count{purpose="ocsp_presign"}"#, 5);
        revoke(&dead[1]);
        revoked.extend(dead);
        appliance.signal("KILL");
        appliance.wait();
        cut_off += usize::from(!signing.join().unwrap().status.success());
        issued.extend(more);
        appliance.serve();
        let now = published(&appliance);
        assert!(now > number, "{now} after {number}");
        number = now;
        for serial in revoked.iter().chain(issued.iter().step_by(9)) {
            let status = if revoked.contains(serial) {
                "revoked"
            } else {
                "good"
            };
            let said = openssl_ocsp(&appliance, serial);
            assert!(said.contains("Response verify OK"), "{said}");
            assert!(said.contains(&format!("{serial}: {status}")), "{status}: {said}");
        }
    }
    assert!(cut_off > 0, "no kill fell into signing ahead");
}

/// What `openssl ocsp` says of an answer that may have been kept.
fn openssl_ocsp(appliance: &Appliance, serial: &str) -> String {
    let url = format!("{}/.well-known/pki/ocsp/issuing", appliance.public_url());
    let (issuing, root) = (appliance.file("issuing-ca.pem"), appliance.file("root-ca.pem"));
    if !issuing.exists() {
        appliance.ca("issuing");
        appliance.ca("root");
    }
    let (issuing, root, serial) = (
        issuing.to_str().unwrap(),
        root.to_str().unwrap(),
        format!("0x{serial}"),
    );
    let words = [
        "ocsp",
        "-issuer",
        issuing,
        "-serial",
        &serial,
        "-url",
        &url,
        "-no_nonce",
    ];
    judge(
        "openssl",
        &[words.as_slice(), &["-CAfile", root, "-verify_other", issuing]].concat(),
    )
}

/// Has a CRL published; its number.
fn published(appliance: &Appliance) -> u64 {
    let (status, told) = Api::new(appliance).post("issuers/issuing/crl", &json!({}));
    assert_eq!(status, 200, "{told}");
    told["number"].as_u64().unwrap()
}
