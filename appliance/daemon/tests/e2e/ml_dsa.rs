//! An authority whose every signature is ML-DSA, judged by pyca/cryptography.

use std::path::{Path, PathBuf};

use crate::harness::{Appliance, judge};

fn pyca(words: &[&str]) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = folder.join("../../target/venv/bin/python");
    assert!(
        python.exists(),
        "{} is needed: run `cargo xtask test`",
        python.display()
    );
    let script = folder.join("tests/judges/ml_dsa.py");
    let mut all = vec![script.to_str().unwrap()];
    all.extend(words);
    judge(python.to_str().unwrap(), &all)
}

fn fetch(appliance: &Appliance, name: &str, url: &str) -> PathBuf {
    let file = appliance.file(name);
    judge("curl", &["-sSf", "-o", file.to_str().unwrap(), url]);
    file
}

/// Issues a leaf, and has everything judged before and after its revocation.
fn lives(appliance: &Appliance) {
    let csr = appliance.file("pq.csr");
    pyca(&["request", csr.to_str().unwrap()]);
    let words = [
        "cert",
        "issue",
        "--profile",
        "tls-server",
        "--ca",
        "issuing",
        csr.to_str().unwrap(),
    ];
    let issued = appliance.json(&words);
    let serial = issued["serial"].as_str().unwrap();
    let leaf = appliance.write("leaf.pem", issued["certificate_pem"].as_str().unwrap());
    let authority = appliance.json(&["ca", "show", "issuing"]);
    let (root, issuing) = (appliance.ca("root"), appliance.ca("issuing"));
    for status in ["good", "revoked"] {
        if status == "revoked" {
            appliance.ok(&["cert", "revoke", serial, "--reason", "superseded"]);
            appliance.ok(&["ca", "publish-crl", "issuing"]);
        }
        let crl = fetch(appliance, "ca.crl", authority["crl_url"].as_str().unwrap());
        let address = format!("{}/{serial}", authority["ocsp_url"].as_str().unwrap());
        let answer = fetch(appliance, "answer.der", &address);
        let files = [&root, &issuing, &leaf, &crl, &answer].map(|file| file.to_str().unwrap());
        let mut words = vec!["judge"];
        words.extend(files);
        words.push(status);
        let said = pyca(&words);
        for line in [
            "root MLDSA65PublicKey",
            "issuing MLDSA44PublicKey",
            "leaf MLDSA44PublicKey",
            "responder MLDSA",
        ] {
            assert!(said.contains(line), "{line}: {said}");
        }
    }
}

fn start(words: &[&str]) -> Appliance {
    let mut appliance = Appliance::empty();
    let algorithms = [
        "--root-algorithm",
        "ml-dsa-65",
        "--issuing-algorithm",
        "ml-dsa-44",
    ];
    let made = appliance
        .init_command(&[words, &algorithms].concat())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", crate::harness::text(&made));
    appliance.serve();
    appliance
}

#[test]
fn e2e_ml_dsa_pyca() {
    lives(&start(&["--software"]));
}

#[test]
fn e2e_ml_dsa_kryoptic() {
    let module =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/kryoptic/release/libkryoptic_pkcs11.so");
    assert!(
        module.exists(),
        "{} is needed: run `cargo xtask test`",
        module.display()
    );
    let module = module.canonicalize().unwrap();
    lives(&start(&["--init-token", "--module", module.to_str().unwrap()]));
}
