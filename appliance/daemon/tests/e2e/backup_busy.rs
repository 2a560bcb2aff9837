//! Backups beside a server at which clients issue and revoke all the time: what was acknowledged before a backup began is in it, the
//! backup is sound, and what is restored of it serves.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::api::Api;
use crate::backup::{backup, disaster, issue, key, ocsp, restore, restored, taken_at};
use crate::harness::{Appliance, Keys};

/// Clients at the same time.
const CLIENTS: usize = 3;
/// Backups that are made, one after the other.
const BACKUPS: usize = 3;
/// Certificates that are handed out before each of them.
const BETWEEN: usize = 25;
/// Serials that a relying party asks for, of each kind.
const ASKED: usize = 6;

/// What the server has said yes to.
#[derive(Clone, Debug, Default)]
struct Acknowledged {
    issued: BTreeSet<String>,
    revoked: BTreeSet<String>,
    /// Whose revocation was asked for, answered or not.
    doomed: BTreeSet<String>,
}

/// The clients.
struct Busy {
    is_over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
    acknowledged: Arc<Mutex<Acknowledged>>,
}

impl Busy {
    fn start(appliance: &Appliance) -> Self {
        let csr = appliance.csr("busy", "/CN=busy.test", Some("DNS:busy.test"));
        let csr = std::fs::read_to_string(csr).unwrap();
        let (is_over, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let client = |_| {
            // A clone would share its connections, which end with the thread that opened them.
            let (api, csr) = (Api::new(appliance), csr.clone());
            let (is_over, acknowledged) = (Arc::clone(&is_over), Arc::clone(&acknowledged));
            std::thread::spawn(move || work(&api, &csr, &is_over, &acknowledged))
        };
        let clients = (0..CLIENTS).map(client).collect();
        Self {
            is_over,
            clients,
            acknowledged,
        }
    }

    fn so_far(&self) -> Acknowledged {
        self.acknowledged.lock().unwrap().clone()
    }

    fn wait_for_more(&self, appliance: &Appliance) {
        let (since, before) = (Instant::now(), self.so_far().issued.len());
        while self.so_far().issued.len() < before + BETWEEN {
            let is_patient = since.elapsed() < Duration::from_mins(2);
            assert!(is_patient, "nobody is served:\n{}", appliance.log_text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn stop(self) {
        self.is_over.store(true, Ordering::SeqCst);
        for client in self.clients {
            client.join().unwrap();
        }
    }
}

/// Issues, and revokes every third certificate, until it is told to stop. Nothing may fail.
fn work(api: &Api, csr: &str, is_over: &AtomicBool, acknowledged: &Mutex<Acknowledged>) {
    let order = json!({ "csr_pem": csr, "profile": "tls-server", "issuer_id": "issuing" });
    let mut count = 0_u64;
    while !is_over.load(Ordering::SeqCst) {
        let (status, issued) = api.post("certificates", &order);
        assert_eq!(status, 201, "{issued}");
        let serial = issued["serial"].as_str().unwrap().to_owned();
        acknowledged.lock().unwrap().issued.insert(serial.clone());
        count += 1;
        if count.is_multiple_of(3) {
            acknowledged.lock().unwrap().doomed.insert(serial.clone());
            let reason = json!({ "reason": "superseded" });
            let (status, revoked) = api.post(&format!("certificates/{serial}/revoke"), &reason);
            assert_eq!(status, 200, "{revoked}");
            acknowledged.lock().unwrap().revoked.insert(serial);
        }
    }
}

#[test]
fn e2e_backup_softhsm_beside_a_busy_server_has_all_that_was_acknowledged() {
    let mut appliance = Appliance::start(Keys::SoftHsm);
    let (key, recipient) = key(&appliance, "key");
    let busy = Busy::start(&appliance);
    let mut made = Vec::new();
    for number in 0..BACKUPS {
        busy.wait_for_more(&appliance);
        let before = busy.so_far();
        let file = backup(&appliance, &recipient, &format!("{number}.age"));
        let meanwhile = busy.so_far().issued.len() - before.issued.len();
        assert!(meanwhile > 0, "nobody was served beside the backup");
        let words = ["backup", "verify", file.to_str().unwrap(), "--identity"];
        let verified = appliance.json(&[&words[..], &[key.to_str().unwrap()]].concat());
        assert_eq!(verified["is_sound"], true, "{verified}");
        made.push((before, file));
    }
    let asked_for = busy.so_far().doomed;
    busy.stop();
    let (before, file) = made.pop().unwrap();
    assert!(!before.revoked.is_empty());
    let at = taken_at(&appliance, &file, &key);
    disaster(&mut appliance);
    restored(&restore(
        &appliance,
        &file,
        &key,
        &["--accept-lost-revocations", &at],
    ));

    appliance.serve();
    appliance.check_store().unwrap();
    assert_eq!(appliance.json(&["audit", "verify"])["sound"], true);
    let api = Api::new(&appliance);
    for serial in &before.issued {
        let (status, found) = api.get(&format!("certificates/{serial}"));
        assert_eq!(
            status, 200,
            "{serial} was handed out and is not in the backup: {found}"
        );
        let is_revoked = found["status"] == "revoked";
        assert!(
            is_revoked || !before.revoked.contains(serial),
            "{serial} was revoked: {found}"
        );
        assert!(
            !is_revoked || asked_for.contains(serial),
            "nobody revoked {serial}: {found}"
        );
    }
    let revoked = before.revoked.iter().map(|serial| (serial, "revoked"));
    let good = before
        .issued
        .difference(&asked_for)
        .map(|serial| (serial, "good"));
    for (serial, expected) in revoked.take(ASKED).chain(good.take(ASKED)) {
        assert_eq!(ocsp(&appliance, serial), expected, "{serial}");
    }
    let (_, again) = issue(&appliance, "again");
    assert_eq!(ocsp(&appliance, &again), "good");
}
