//! Processes killed while certificates are issued: nothing handed out is lost, nothing signed is unknown.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::harness::{Appliance, Keys, judge, signal};

/// Serials that were handed out while `disturb` was at work.
fn issue_while(
    appliance: &mut Appliance,
    rounds: usize,
    disturb: impl Fn(&mut Appliance),
) -> BTreeSet<String> {
    let csr = appliance.file("loop.csr");
    let key = appliance.file("loop.key");
    judge(
        "openssl",
        &[
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            "/CN=loop.test",
            "-addext",
            "subjectAltName=DNS:loop.test",
            "-keyout",
            key.to_str().unwrap(),
            "-out",
            csr.to_str().unwrap(),
        ],
    );
    let mut serials = BTreeSet::new();
    for _ in 0..rounds {
        let workers: Vec<_> = (0..3)
            .map(|_| {
                let config = appliance.config();
                let words = [
                    "--config",
                    config.to_str().unwrap(),
                    "--output",
                    "json",
                    "cert",
                    "issue",
                    "--profile",
                    "tls-server",
                    "--ca",
                    "issuing",
                    csr.to_str().unwrap(),
                ];
                let mut command = appliance.command(&words);
                std::thread::spawn(move || {
                    let since = Instant::now();
                    let mut handed_out = Vec::new();
                    while since.elapsed() < Duration::from_millis(900) {
                        let output = command.output().unwrap();
                        if let Ok(issued) = serde_json::from_slice::<serde_json::Value>(&output.stdout) {
                            handed_out.push(issued["serial"].as_str().unwrap().to_owned());
                        }
                    }
                    handed_out
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(300));
        disturb(appliance);
        for worker in workers {
            serials.extend(worker.join().unwrap());
        }
    }
    serials
}

/// Every serial is known, the audit log is sound, and no certificate is unaccounted for.
fn check(appliance: &Appliance, serials: &BTreeSet<String>) {
    assert!(
        serials.len() > 3,
        "only {} certificates were issued",
        serials.len()
    );
    let listed = appliance.json(&["cert", "list", "--profile", "tls-server", "--limit", "1000"]);
    let listed: BTreeSet<String> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["serial"].as_str().unwrap().to_owned())
        .collect();
    let lost: Vec<_> = serials.difference(&listed).collect();
    assert!(lost.is_empty(), "handed out and not in the store: {lost:?}");
    assert_eq!(appliance.json(&["audit", "verify"])["sound"], true);
}

#[test]
fn e2e_crash_signerd() {
    let mut appliance = Appliance::start(Keys::SoftHsm);
    let serials = issue_while(&mut appliance, 3, |appliance| {
        signal(appliance.signerd_pid(), "KILL");
    });
    let since = Instant::now();
    while !appliance
        .run(&[
            "cert",
            "issue",
            "--profile",
            "tls-server",
            "--ca",
            "issuing",
            appliance.file("loop.csr").to_str().unwrap(),
        ])
        .status
        .success()
    {
        assert!(
            since.elapsed() < Duration::from_secs(20),
            "it does not issue again:\n{}",
            appliance.log_text()
        );
    }
    check(&appliance, &serials);
}

#[test]
fn e2e_crash_chancery() {
    let mut appliance = Appliance::start(Keys::SoftHsm);
    let serials = issue_while(&mut appliance, 3, |appliance| {
        appliance.signal("KILL");
        appliance.wait();
        appliance.serve();
    });
    check(&appliance, &serials);
}
