//! `chancery ceremony`: with tokens, before foreign judges, killed on its way, and in rehearsal.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use serde_json::Value;

use crate::harness::{Appliance, Keys, judge, text};

const ROOT: &str = "[[steps]]\ndo = \"root\"\nname = \"offline-root\"\nsubject = \"CN=Ceremony Root,O=Example\"\n\
    key_algorithm = \"ec-p256\"\ntoken = \"TOKEN\"\nvalidity = \"20y\"\n";
const CRL: &str = "[[steps]]\ndo = \"crl\"\nissuer = \"offline-root\"\nvalidity = \"180d\"\n";

/// A machine for ceremonies, with two approvers that have key files.
struct Hall {
    machine: Appliance,
    sections: String,
    keys: Vec<PathBuf>,
}

impl Hall {
    fn new(kind: &str) -> Self {
        let machine = Appliance::empty();
        let made = machine.init_command(&["--offline", kind]).output().unwrap();
        assert!(made.status.success(), "{}", text(&made));
        assert!(!machine.state().join("admin.token").exists());
        let mut hall = Self {
            machine,
            sections: String::new(),
            keys: Vec::new(),
        };
        for name in ["alice", "bob"] {
            let dir = hall.machine.file(name);
            let told = hall
                .machine
                .json(&["ceremony", "keygen", name, "--dir", path(&dir)]);
            hall.sections += told["plan_toml"].as_str().unwrap();
            hall.keys.push(PathBuf::from(told["place"].as_str().unwrap()));
        }
        hall
    }

    fn plan(&self, name: &str, base_url: &str, steps: &str) -> PathBuf {
        let head = format!("version = 1\ntitle = \"Test\"\nbase_url = \"{base_url}\"\nthreshold = 2\n");
        self.machine
            .write(name, &format!("{head}{}{steps}", self.sections))
    }

    /// Runs and approves to the end; gives the folder of the ceremony.
    fn finish(&self, plan: &Path) -> PathBuf {
        loop {
            let ran = self
                .machine
                .run(&["ceremony", "run", path(plan), "--operator", "olga"]);
            match ran.status.code() {
                Some(0) => return plan.with_extension("ceremony"),
                Some(4) => {
                    for key in &self.keys {
                        self.machine
                            .ok(&["ceremony", "approve", path(plan), "--key", path(key)]);
                    }
                }
                _ => panic!("{}", text(&ran)),
            }
        }
    }

    fn verify(&self, folder: &Path) -> Value {
        let transcript = folder.join("transcript.jsonl");
        let told = self.machine.json(&["ceremony", "verify", path(&transcript)]);
        assert_eq!(told["sound"], true);
        told
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Every file below a folder, with its contents.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap().path();
        if entry.is_dir() {
            found.extend(files(&entry));
        } else {
            found.insert(entry.clone(), std::fs::read(&entry).unwrap());
        }
    }
    found
}

/// A third approver, with a key in a token of its own: the words that name it, and the section of the plan.
fn carol(machine: &Appliance) -> (Vec<String>, String) {
    for name in ["carols-pin", "carols-so-pin"] {
        judge("chmod", &["600", path(&machine.write(name, "12345678\n"))]);
    }
    let (pin, so_pin) = (machine.file("carols-pin"), machine.file("carols-so-pin"));
    let module = machine.json(&["token", "list"])[0]["module"]
        .as_str()
        .unwrap()
        .to_owned();
    let token = ["--module", &module, "--label", "carol", "--pin-file", path(&pin)];
    machine.ok(&[
        &["token", "init", "--so-pin-file", path(&so_pin)],
        token.as_slice(),
    ]
    .concat());
    let made = machine.json(&[&["ceremony", "keygen", "carol"], token.as_slice()].concat());
    let section = made["plan_toml"].as_str().unwrap().to_owned();
    (token.map(str::to_owned).to_vec(), section)
}

/// A rehearsal leaves token and store as they are, and nothing behind.
fn rehearse(machine: &Appliance, plan: &Path) {
    let before = [files(&machine.file("tokens")), files(&machine.state())];
    let rehearsed = machine.ok(&["ceremony", "run", path(plan), "--dry-run"]);
    assert!(
        rehearsed.contains("REHEARSAL") && rehearsed.contains("went through"),
        "{rehearsed}"
    );
    let mut after = [files(&machine.file("tokens")), files(&machine.state())];
    // What SQLite has beside a file that somebody reads; there is nothing in the log.
    let log = after[1].remove(&machine.state().join("chancery.db-wal"));
    assert!(log.is_none_or(|log| log.is_empty()));
    after[1].remove(&machine.state().join("chancery.db-shm"));
    for (after, before) in after.iter().zip(&before) {
        let differs = |name: &&PathBuf| after.get(*name) != before.get(*name);
        let changed: Vec<&PathBuf> = after.keys().chain(before.keys()).filter(differs).collect();
        assert_eq!(changed, Vec::<&PathBuf>::new());
    }
    assert!(!plan.with_extension("ceremony").exists());
}

#[test]
fn e2e_ceremony_softhsm() {
    let hall = Hall::new("--init-token");
    let machine = &hall.machine;
    let (token, section) = carol(machine);
    let token: Vec<&str> = token.iter().map(String::as_str).collect();
    let steps = section + &ROOT.replace("TOKEN", "hsm") + CRL;
    let plan = hall.plan("plan.toml", "http://pki.example", &steps);
    let checked = machine.json(&["ceremony", "check", path(&plan)]);
    assert_eq!(checked["approvers"].as_array().unwrap().len(), 3);
    rehearse(machine, &plan);

    let waits = machine.run(&["ceremony", "run", path(&plan)]);
    assert_eq!(waits.status.code(), Some(4), "{}", text(&waits));
    assert!(
        text(&waits).contains("2 more of alice, bob, carol"),
        "{}",
        text(&waits)
    );
    let none = machine.json(&["token", "list", "--keys"]);
    assert_eq!(
        none.as_array().unwrap().len(),
        0,
        "nothing is made before it is approved"
    );
    for step in ["1", "2"] {
        let by_token = [
            &["ceremony", "approve", path(&plan), "--step", step],
            token.as_slice(),
        ]
        .concat();
        assert!(machine.ok(&by_token).contains("carol"));
        machine.ok(&["ceremony", "approve", path(&plan), "--key", path(&hall.keys[1])]);
        let status = machine.json(&["ceremony", "status", path(&plan)]);
        assert_eq!(status["approved"], serde_json::json!(["bob", "carol"]));
        machine.run(&["ceremony", "run", path(&plan), "--operator", "olga"]);
    }
    let folder = plan.with_extension("ceremony");
    let told = hall.verify(&folder);
    assert_eq!((&told["finished"], &told["done"]), (&true.into(), &2.into()));
    let keys = machine.json(&["token", "list", "--keys"]);
    let [key] = keys.as_array().unwrap().as_slice() else {
        panic!("one key: {keys}")
    };
    assert_eq!(key["fingerprint"], told["steps"][0]["outputs"][0]["key"]);
    assert_eq!(
        (&key["sensitive"], &key["extractable"]),
        (&true.into(), &false.into())
    );
    let (root, crl) = (
        folder.join("out/01-offline-root.pem"),
        folder.join("out/02-offline-root.crl.pem"),
    );
    judge("openssl", &["verify", "-CAfile", path(&root), path(&root)]);
    let said = judge(
        "openssl",
        &["crl", "-in", path(&crl), "-CAfile", path(&root), "-noout"],
    );
    assert!(said.contains("verify OK"), "{said}");
}

#[test]
fn what_is_wrong_with_a_plan_or_a_transcript_is_told() {
    let hall = Hall::new("--software");
    let machine = &hall.machine;
    let broken = machine.write("broken.toml", "version = 1\nthreshold = 0\ncolour = 1\n");
    let refused = machine.run(&["ceremony", "check", path(&broken)]);
    let said = text(&refused);
    assert!(!refused.status.success(), "{said}");
    assert!(
        said.contains("title: is missing") && said.contains("colour: there is no"),
        "{said}"
    );
    let plan = hall.plan(
        "plan.toml",
        "http://pki.example",
        &ROOT.replace("TOKEN", "software"),
    );
    let sound = hall.finish(&plan).join("transcript.jsonl");
    let whole = std::fs::read_to_string(&sound).unwrap();
    let forged = machine.write("forged.jsonl", &whole.replace("olga", "olaf"));
    let refused = machine.run(&["ceremony", "verify", path(&forged)]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    assert!(
        text(&refused).contains("does not follow from the record before it"),
        "{}",
        text(&refused)
    );
    let other = hall.plan("other.toml", "http://pki.example", CRL);
    let refused = machine.run(&["ceremony", "verify", path(&sound), "--plan", path(&other)]);
    assert!(
        !refused.status.success() && text(&refused).contains("of another plan"),
        "{}",
        text(&refused)
    );
}

/// The approvals of the first step, by openssl alone.
fn approvals_hold(hall: &Hall, made: &Path) {
    for (name, key) in ["alice", "bob"].iter().zip(&hall.keys) {
        let approval = std::fs::read(made.join(format!("approvals/step-1-{name}.json"))).unwrap();
        let approval: Value = serde_json::from_slice(&approval).unwrap();
        let message = format!(
            "chancery-ceremony-approval-1:{}\n",
            approval["step_hash"].as_str().unwrap()
        );
        let signature = base64::engine::general_purpose::STANDARD
            .decode(approval["signature"].as_str().unwrap())
            .unwrap();
        let (message, signed) = (
            hall.machine.write("message", &message),
            hall.machine.file("signature"),
        );
        std::fs::write(&signed, signature).unwrap();
        let public = hall.machine.file("public.pem");
        judge(
            "openssl",
            &["pkey", "-in", path(key), "-pubout", "-out", path(&public)],
        );
        let words = [
            "dgst",
            "-sha256",
            "-verify",
            path(&public),
            "-signature",
            path(&signed),
            path(&message),
        ];
        assert!(judge("openssl", &words).contains("Verified OK"));
    }
}

/// Fetches the CRL from the address in the certificate; its PEM file.
fn fetch(online: &Appliance, url: &str) -> PathBuf {
    let (fetched, pem) = (online.file("fetched.crl"), online.file("fetched.pem"));
    judge("curl", &["-sf", url, "-o", path(&fetched)]);
    judge(
        "openssl",
        &["crl", "-inform", "der", "-in", path(&fetched), "-out", path(&pem)],
    );
    pem
}

/// A leaf of the new CA, before openssl and GnuTLS.
fn a_leaf_holds(online: &Appliance, root: &Path, own: &Path, crl: &Path) {
    let csr = online.csr("pump", "/CN=pump-7", None);
    let issued = online.json(&[
        "cert",
        "issue",
        "--ca",
        "devices",
        "--profile",
        "device",
        path(&csr),
    ]);
    let leaf = online.write("pump.pem", issued["certificate_pem"].as_str().unwrap());
    judge(
        "openssl",
        &[
            "verify",
            "-CAfile",
            path(root),
            "-untrusted",
            path(own),
            path(&leaf),
        ],
    );
    let whole = [leaf.as_path(), own]
        .map(|file| std::fs::read_to_string(file).unwrap())
        .concat();
    let whole = online.write("whole.pem", &whole);
    judge(
        "certtool",
        &[
            "--verify",
            "--load-ca-certificate",
            path(root),
            "--infile",
            path(&whole),
        ],
    );
    judge(
        "certtool",
        &[
            "--verify-crl",
            "--load-ca-certificate",
            path(root),
            "--infile",
            path(crl),
        ],
    );
}

/// An offline root, an online issuing CA, and judges of other houses over certificates, CRL and approvals.
#[test]
fn e2e_ceremony_openssl() {
    let mut online = Appliance::init(Keys::Software);
    online.serve();
    let hall = Hall::new("--software");
    let plan = hall.plan(
        "root.toml",
        &online.public_url(),
        &(ROOT.replace("TOKEN", "software") + CRL),
    );
    let made = hall.finish(&plan);
    let told = hall.verify(&made);
    let id = told["steps"][0]["outputs"][0]["ca"]["id"].as_str().unwrap();
    let (root, crl) = (
        made.join("out/01-offline-root.pem"),
        made.join("out/02-offline-root.crl.pem"),
    );
    approvals_hold(&hall, &made);

    online.ok(&["ca", "import-offline", "offline-root", path(&root), "--id", id]);
    let published = online.json(&["ca", "import-crl", "offline-root", path(&crl)]);
    assert_eq!(published["number"], 1);
    assert_eq!(online.json(&["ca", "show", "offline-root"])["state"], "offline");
    let subject = ["--subject", "CN=Devices,O=Example", "--token", "software"];
    online.ok(&[&["ca", "subordinate", "devices"], subject.as_slice()].concat());
    hall.machine
        .write("devices.csr", &online.ok(&["ca", "csr", "devices"]));
    let step = "[[steps]]\ndo = \"intermediate\"\nname = \"devices\"\nissuer = \"offline-root\"\n\
        subject = \"CN=Devices,O=Example\"\ncsr = \"devices.csr\"\n";
    let devices = hall.finish(&hall.plan("devices.toml", &online.public_url(), step));
    online.ok(&[
        "ca",
        "import",
        "devices",
        path(&devices.join("out/01-devices.chain.pem")),
    ]);
    let own = devices.join("out/01-devices.pem");
    let said = judge("openssl", &["x509", "-in", path(&own), "-noout", "-text"]);
    let url = said
        .lines()
        .find_map(|line| line.trim().strip_prefix("URI:"))
        .unwrap();
    assert!(url.contains(id) && !said.contains("OCSP"), "{said}");
    let pem = fetch(&online, url);
    let checked = [
        "verify",
        "-crl_check",
        "-CRLfile",
        path(&pem),
        "-CAfile",
        path(&root),
        path(&own),
    ];
    assert!(judge("openssl", &checked).contains("OK"));
    a_leaf_holds(&online, &root, &own, &pem);

    // Revoked by the next plan.
    let serial = hall.verify(&devices)["steps"][0]["outputs"][0]["serial"]
        .as_str()
        .unwrap()
        .to_owned();
    let revoke = format!("{CRL}[[steps.revoke]]\nserial = \"{serial}\"\nreason = \"cACompromise\"\n");
    let plan = hall.plan("revoke.toml", &online.public_url(), &revoke);
    let rehearsed = hall.machine.ok(&["ceremony", "run", path(&plan), "--dry-run"]);
    assert!(rehearsed.contains("went through"), "{rehearsed}");
    let revoked = hall.finish(&plan);
    online.ok(&[
        "ca",
        "import-crl",
        "offline-root",
        path(&revoked.join("out/01-offline-root.crl.pem")),
    ]);
    let stale = online.run(&["ca", "import-crl", "offline-root", path(&crl)]);
    assert!(text(&stale).contains("number 2 is published"), "{}", text(&stale));
    fetch(&online, url);
    let refused = Command::new("openssl").args(checked).output().unwrap();
    assert!(
        text(&refused).contains("certificate revoked"),
        "{}",
        text(&refused)
    );
}

/// Killed at any moment and run again: every step once, nothing signed that the transcript does not know.
#[test]
fn killed_between_and_within_its_steps_a_ceremony_ends_as_if_it_had_not_been() {
    let hall = Hall::new("--software");
    let roll = "[[steps]]\ndo = \"rollover\"\nissuer = \"offline-root\"\n";
    let steps = ROOT.replace("TOKEN", "software") + CRL + roll + CRL + roll + CRL;
    let plan = hall.plan("plan.toml", "http://pki.example", &steps);
    let config = hall.machine.config();
    let words = ["--config", path(&config), "ceremony", "run", path(&plan)];
    let mut killed = 0;
    for round in 0_u64.. {
        let mut child = hall
            .machine
            .command(&words)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Each round comes a little further, and every third to its end.
        if round % 3 != 2 {
            std::thread::sleep(Duration::from_millis(15 + round * 7 % 120));
            killed += usize::from(child.try_wait().unwrap().is_none());
            let _ = child.kill();
        }
        let ended = child.wait().unwrap();
        if ended.success() {
            break;
        }
        if ended.code() == Some(4) {
            for key in &hall.keys {
                hall.machine
                    .ok(&["ceremony", "approve", path(&plan), "--key", path(key)]);
            }
        }
        assert!(round < 200, "it comes to no end");
    }
    assert!(killed > 4, "killed {killed} times");
    let told = hall.verify(&plan.with_extension("ceremony"));
    assert_eq!(told["finished"], true);
    let mut known: Vec<String> = told["abandoned"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one.as_str().unwrap().to_owned())
        .collect();
    for step in told["steps"].as_array().unwrap() {
        let serials = step["outputs"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|one| one["serial"].as_str());
        known.extend(serials.map(str::to_owned));
    }
    let store = hall.machine.store();
    let filter = ::store::certificates::Filter {
        limit: 100,
        ..::store::certificates::Filter::default()
    };
    let stored = store
        .read_here(move |reader| ::store::certificates::list(reader, &filter))
        .unwrap();
    let mut signed: Vec<String> = stored
        .iter()
        .map(|row| pki::Serial::from_unsigned(&row.serial).unwrap().to_string())
        .collect();
    signed.sort();
    known.sort();
    assert_eq!(signed, known);
}
