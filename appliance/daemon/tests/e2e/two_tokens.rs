//! The keys of the CAs in two SoftHSM2 tokens, and one of them lost while orders come in: none of them fails.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::api::Api;
use crate::harness::{Appliance, text};

/// Clients that order as fast as they are answered.
const CLIENTS: usize = 4;
/// How long a token is lost at least.
const LASTS: Duration = Duration::from_millis(1500);
/// Orders that are to be served meanwhile, whatever the machine does beside.
const MEANWHILE: usize = 20;
/// Ways to lose a token, each in the words of `pkcs11/faulty-module`.
const LOSSES: &[&str] = &[
    "* token=left removed",
    "C_Sign token=left code=CKR_DEVICE_ERROR",
    "C_SignInit token=left code=CKR_SESSION_HANDLE_INVALID",
    "* token=left hang",
];

/// An order that was answered.
struct Answered {
    begun: Instant,
    took: Duration,
    status: u16,
    told: Value,
}

struct Load {
    is_over: Arc<AtomicBool>,
    answered: Arc<Mutex<Vec<Answered>>>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(appliance: &Appliance, order: &Value) -> Self {
        let (is_over, answered) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Vec<_>>>::default());
        let client = |_| {
            let (api, order) = (Api::new(appliance), order.clone());
            let (is_over, answered) = (Arc::clone(&is_over), Arc::clone(&answered));
            std::thread::spawn(move || {
                while !is_over.load(Ordering::SeqCst) {
                    let begun = Instant::now();
                    let (status, told) = api.post("certificates", &order);
                    let took = begun.elapsed();
                    answered.lock().unwrap().push(Answered {
                        begun,
                        took,
                        status,
                        told,
                    });
                }
            })
        };
        Self {
            clients: (0..CLIENTS).map(client).collect(),
            is_over,
            answered,
        }
    }

    /// How many were ordered after a moment and answered.
    fn since(&self, moment: Instant) -> usize {
        let answered = self.answered.lock().unwrap();
        answered.iter().filter(|one| one.begun >= moment).count()
    }

    fn wait_for(&self, count: usize, since: Instant, log: impl Fn() -> String) {
        while self.since(since) < count {
            assert!(since.elapsed() < Duration::from_mins(1), "{}", log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn end(self) -> Vec<Answered> {
        self.is_over.store(true, Ordering::SeqCst);
        for client in self.clients {
            client.join().unwrap();
        }
        std::mem::take(&mut self.answered.lock().unwrap())
    }
}

/// A second token with everything that is in the first, as a vendor's tool restores one from a backup: under another label, with
/// another serial number.
fn twin(tokens: &Path, label: &str, other: &str) {
    let mut there = fs::read_dir(tokens).unwrap();
    let first = there.next().unwrap().unwrap().path();
    assert!(there.next().is_none(), "one token");
    let second = tokens.join("00000000-0000-0000-0000-00005ea1ab1e");
    fs::create_dir(&second).unwrap();
    for file in fs::read_dir(&first).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), second.join(file.file_name())).unwrap();
    }
    // The label is filled up with blanks (PKCS#11 2.40 §3.2), and the serial number is the end of the folder's name, in hexadecimal.
    let padded = |label: &str| format!("{label:32}").into_bytes();
    let serial = first.file_name().unwrap().to_str().unwrap().replace('-', "");
    let (serial, new_serial) = (serial.as_bytes()[16..].to_vec(), b"000000005ea1ab1e".to_vec());
    let object = second.join("token.object");
    let mut octets = fs::read(&object).unwrap();
    for (old, new) in [(padded(label), padded(other)), (serial, new_serial)] {
        let places: Vec<usize> = (0..=octets.len() - old.len())
            .filter(|&at| octets[at..].starts_with(&old))
            .collect();
        let [at] = places[..] else {
            panic!("{places:?} in {}", object.display())
        };
        octets[at..at + old.len()].copy_from_slice(&new);
    }
    fs::write(object, octets).unwrap();
}

fn two_tokens() -> Appliance {
    let mut appliance = Appliance::empty();
    let module =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/faulty/release/libfaulty_pkcs11.so");
    assert!(
        module.exists(),
        "{} is missing; run `cargo xtask test`, which builds it",
        module.display()
    );
    let words = [
        "--init-token",
        "--token-label",
        "left",
        "--module",
        module.to_str().unwrap(),
    ];
    let made = appliance.init_command(&words).output().unwrap();
    assert!(made.status.success(), "{}", text(&made));
    twin(&appliance.file("tokens"), "left", "right");
    let file = appliance.state().join("signerd.toml");
    let mut config: token::Config = toml::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let [left] = &config.tokens[..] else {
        panic!("one token: {config:?}")
    };
    assert_eq!(left.label.as_deref(), Some("left"));
    let right = token::TokenConfig {
        name: "spare".to_owned(),
        label: Some("right".to_owned()),
        ..left.clone()
    };
    config.tokens.push(right);
    fs::write(&file, toml::to_string(&config).unwrap()).unwrap();
    appliance.serve();
    appliance
}

#[test]
fn e2e_two_tokens_losing_one_costs_no_order() {
    let appliance = two_tokens();
    let fails = |faults: &str| {
        let fresh = appliance.write("faults.new", faults);
        fs::rename(fresh, appliance.file("faults")).unwrap();
    };
    let made = |token: &str| format!(r#"chancery_token_signatures_total{{outcome="made",token="{token}"}}"#);
    let count = |metric: &str| {
        let told = appliance.metrics();
        let line = told.lines().find_map(|line| line.strip_prefix(metric));
        line.map_or(0, |value| value.trim().parse().unwrap())
    };
    let csr = fs::read_to_string(appliance.csr("l", "/CN=l.test", Some("DNS:l.test"))).unwrap();
    let order = json!({ "csr_pem": csr, "profile": "tls-server", "issuer_id": "issuing" });
    let (server, signing) = (appliance.pid(), appliance.signerd_pid());
    let load = Load::start(&appliance, &order);
    for loss in LOSSES {
        // Both are at work before one is lost.
        let (left, right): (usize, usize) = (count(&made("hsm")), count(&made("spare")));
        appliance.wait_for_metric(&made("hsm"), left + 1);
        appliance.wait_for_metric(&made("spare"), right + 1);
        let lost = Instant::now();
        fails(loss);
        load.wait_for(MEANWHILE, lost, || format!("{loss}:\n{}", appliance.log_text()));
        std::thread::sleep(LASTS.saturating_sub(lost.elapsed()));
        fails("");
        appliance.wait_for_metric(r#"chancery_token_available{token="hsm"}"#, 1);
        eprintln!("{loss}: {} orders meanwhile", load.since(lost));
    }
    let left = count(&made("hsm"));
    appliance.wait_for_metric(&made("hsm"), left + MEANWHILE);
    let answered = load.end();
    let failed: Vec<_> = answered
        .iter()
        .filter(|one| one.status != 201)
        .map(|one| (one.status, &one.told))
        .collect();
    assert!(failed.is_empty(), "{failed:?}\n{}", appliance.log_text());
    let slowest = answered.iter().map(|one| one.took).max().unwrap();
    eprintln!(
        "{} orders, none failed, the slowest took {} ms",
        answered.len(),
        slowest.as_millis()
    );
    assert!(count(r#"chancery_token_circuit_openings_total{token="hsm"}"#) > 0);
    assert_eq!((appliance.pid(), appliance.signerd_pid()), (server, signing));
}

/// One token is away, or there is a module that cannot be loaded: what the other has is shown, and the exit status says "in part".
#[test]
fn e2e_two_tokens_one_away_is_told_beside_what_is_there() {
    let appliance = two_tokens();
    let fails = |faults: &str| {
        let fresh = appliance.write("faults.new", faults);
        fs::rename(fresh, appliance.file("faults")).unwrap();
    };
    let told = |words: &[&str]| {
        let words = [&["--output", "json"], words].concat();
        let output = appliance.run(&words);
        let rows: Vec<Value> =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
        (output.status.code(), rows)
    };
    let count = |rows: &[Value], token: &str, field: &str| {
        let there = |row: &&Value| row["token"] == token && row.get(field).is_some();
        rows.iter().filter(there).count()
    };
    let verbs: [&[&str]; 2] = [&["token", "list", "--keys"], &["token", "test"]];
    for words in verbs {
        let (code, all) = told(words);
        assert_eq!(code, Some(0), "{all:?}");
        for fault in [
            "* token=left removed",
            "C_OpenSession token=left code=CKR_DEVICE_ERROR",
            "C_FindObjectsInit token=left code=CKR_FUNCTION_FAILED",
        ] {
            fails(fault);
            let (code, rows) = told(words);
            assert_eq!(code, Some(5), "{fault}: {rows:?}");
            assert_eq!(
                (count(&rows, "hsm", "problem"), count(&rows, "hsm", "label")),
                (1, 0),
                "{fault}"
            );
            assert_eq!(
                count(&rows, "spare", "label"),
                count(&all, "spare", "label"),
                "{fault}"
            );
            let line = rows.iter().find(|row| row["token"] == "hsm").unwrap();
            assert!(line["problem"].as_str().unwrap().contains("HSM"), "{line}");
            let shown = appliance.run(words);
            assert_eq!(shown.status.code(), Some(5));
            let shown = text(&shown);
            assert!(shown.contains("PROBLEM") && shown.contains("spare"), "{shown}");

            // Asked for alone, it is an error.
            let alone = appliance.run(&[words, &["--token", "hsm"]].concat());
            assert_eq!(alone.status.code(), Some(1), "{}", text(&alone));
        }
        fails("* removed");
        let (code, rows) = told(words);
        assert_eq!(code, Some(1), "{rows:?}");
        assert_eq!(rows.iter().filter(|row| row.get("problem").is_some()).count(), 2);
        fails("");
    }

    // A slot whose token does not tell what it is, and a module that is not there.
    fails("C_GetMechanismList token=left code=CKR_DEVICE_ERROR");
    let (code, rows) = told(&["token", "list"]);
    assert_eq!(code, Some(5), "{rows:?}");
    assert!(rows.iter().any(|row| {
        row["problem"]
            .as_str()
            .is_some_and(|told| told.contains("CKR_DEVICE_ERROR"))
    }));
    assert!(rows.iter().any(|row| row["token"]["label"] == "right"));
    fails("");
    let file = appliance.state().join("signerd.toml");
    let mut config: token::Config = toml::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    config.tokens[0].module = "/nowhere/module.so".into();
    fs::write(&file, toml::to_string(&config).unwrap()).unwrap();
    for words in [verbs[0], verbs[1], &["token", "list"]] {
        let (code, rows) = told(words);
        assert_eq!(code, Some(5), "{words:?}: {rows:?}");
        let named = |row: &Value| {
            row["problem"]
                .as_str()
                .is_some_and(|told| told.contains("/nowhere/module.so"))
        };
        assert!(rows.iter().any(named), "{rows:?}");
    }
}
