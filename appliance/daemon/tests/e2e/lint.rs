//! pkilint over everything the appliance signs: no finding of the level ERROR or above.

use std::path::{Path, PathBuf};

use crate::harness::{Appliance, Keys, judge, run, text};

#[test]
fn e2e_lint_pkilint() {
    let appliance = Appliance::start(Keys::SoftHsm);
    let mut certificates = vec![appliance.ca("root"), appliance.ca("issuing")];
    for (profile, subject, san) in [
        (
            "tls-server",
            "/CN=a.test",
            Some("DNS:a.test,DNS:b.test,IP:192.0.2.1"),
        ),
        ("tls-client", "/CN=Alice", Some("email:alice@a.test")),
        (
            "device",
            "/CN=printer-1/serialNumber=4711",
            Some("DNS:printer-1.a.test"),
        ),
        ("smime", "/CN=Alice", Some("email:alice@a.test")),
        ("code-signing", "/CN=Example Builder/O=Example", None),
        ("timestamping", "/CN=Example TSA/O=Example", None),
    ] {
        certificates.push(appliance.issue(profile, profile, subject, san));
    }
    let responder =
        appliance.json(&["cert", "list", "--profile", "ocsp-signer"])[0]["certificate_pem"].clone();
    certificates.push(appliance.write("ocsp-signer.pem", responder.as_str().unwrap()));
    for certificate in &certificates {
        lint("lint_pkix_cert", &["lint", certificate.to_str().unwrap()]);
    }
    let issuer = appliance.json(&["ca", "show", "issuing"]);
    let (der, pem) = (appliance.file("ca.crl"), appliance.file("ca.crl.pem"));
    appliance.ok(&[
        "cert",
        "revoke",
        &serial(&certificates[2]),
        "--reason",
        "superseded",
    ]);
    appliance.ok(&["ca", "publish-crl", "issuing"]);
    judge(
        "curl",
        &[
            "-sSf",
            "-o",
            der.to_str().unwrap(),
            issuer["crl_url"].as_str().unwrap(),
        ],
    );
    judge(
        "openssl",
        &[
            "crl",
            "-inform",
            "DER",
            "-in",
            der.to_str().unwrap(),
            "-out",
            pem.to_str().unwrap(),
        ],
    );
    lint(
        "lint_crl",
        &["lint", "-t", "CRL", "-p", "PKIX", pem.to_str().unwrap()],
    );
    for (leaf, name) in [(&certificates[2], "revoked"), (&certificates[3], "good")] {
        let answer = appliance.file(&format!("{name}.ocsp"));
        judge(
            "openssl",
            &[
                "ocsp",
                "-issuer",
                certificates[1].to_str().unwrap(),
                "-cert",
                leaf.to_str().unwrap(),
                "-url",
                issuer["ocsp_url"].as_str().unwrap(),
                "-noverify",
                "-respout",
                answer.to_str().unwrap(),
            ],
        );
        lint("lint_ocsp_response", &["lint", answer.to_str().unwrap()]);
    }
}

fn serial(certificate: &Path) -> String {
    let said = judge(
        "openssl",
        &["x509", "-in", certificate.to_str().unwrap(), "-noout", "-serial"],
    );
    said.trim().trim_start_matches("serial=").to_owned()
}

/// Runs a linter of pkilint; a finding of ERROR or FATAL fails.
fn lint(program: &str, words: &[&str]) {
    let venv: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../target/venv/bin")
        .join(program);
    assert!(
        venv.exists(),
        "{} is needed: run `cargo xtask test`",
        venv.display()
    );
    let said = text(&run(venv.to_str().unwrap(), words, b""));
    assert!(
        !said.contains("ERROR") && !said.contains("FATAL") && !said.contains("Traceback"),
        "{program} {words:?}:\n{said}"
    );
}
