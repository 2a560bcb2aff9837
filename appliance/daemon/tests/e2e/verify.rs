//! Certificates, OCSP and CRLs judged by OpenSSL, GnuTLS and Java, before and after a revocation.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::harness::{Appliance, Keys, judge, run, text};

/// A leaf with everything a judge needs.
struct Case {
    appliance: Appliance,
    root: PathBuf,
    issuing: PathBuf,
    leaf: PathBuf,
    ocsp: String,
    crl: String,
}

impl Case {
    fn new() -> Self {
        let appliance = Appliance::start(Keys::SoftHsm);
        let leaf = appliance.issue("leaf", "tls-server", "/CN=leaf.test", Some("DNS:leaf.test"));
        let issuer = appliance.json(&["ca", "show", "issuing"]);
        let field = |name: &str| issuer[name].as_str().unwrap().to_owned();
        Self {
            root: appliance.ca("root"),
            issuing: appliance.ca("issuing"),
            ocsp: field("ocsp_url"),
            crl: field("crl_url"),
            leaf,
            appliance,
        }
    }

    fn serial(&self) -> String {
        let said = judge("openssl", &["x509", "-in", path(&self.leaf), "-noout", "-serial"]);
        said.trim().trim_start_matches("serial=").to_owned()
    }

    /// Revokes the leaf and waits until the CRL has it.
    fn revoke(&self) {
        self.appliance
            .ok(&["cert", "revoke", &self.serial(), "--reason", "keyCompromise"]);
        let since = Instant::now();
        while !self
            .crl_text()
            .to_lowercase()
            .contains(&self.serial().to_lowercase())
        {
            assert!(
                since.elapsed() < Duration::from_secs(10),
                "the CRL does not have it: {}",
                self.crl_text()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The CRL as OpenSSL reads and verifies it.
    fn crl_text(&self) -> String {
        let der = self.appliance.file("issuing.crl");
        judge("curl", &["-sSf", "-o", path(&der), &self.crl]);
        let pem = self.pem_crl();
        let words = [
            "crl",
            "-inform",
            "DER",
            "-in",
            path(&der),
            "-CAfile",
            path(&self.issuing),
            "-text",
            "-out",
            path(&pem),
        ];
        let said = judge("openssl", &words);
        assert!(said.contains("verify OK"), "{said}");
        std::fs::read_to_string(pem).unwrap()
    }

    fn pem_crl(&self) -> PathBuf {
        self.appliance.file("issuing.crl.pem")
    }

    fn openssl_ocsp(&self, extra: &[&str]) -> String {
        let mut words = vec![
            "ocsp",
            "-issuer",
            path(&self.issuing),
            "-cert",
            path(&self.leaf),
            "-url",
            &self.ocsp,
        ];
        words.extend(["-CAfile", path(&self.root), "-verify_other", path(&self.issuing)]);
        words.extend(extra);
        judge("openssl", &words)
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn e2e_verify_openssl() {
    let case = Case::new();
    let (root, issuing, leaf) = (path(&case.root), path(&case.issuing), path(&case.leaf));
    let said = judge(
        "openssl",
        &[
            "verify",
            "-x509_strict",
            "-purpose",
            "sslserver",
            "-CAfile",
            root,
            "-untrusted",
            issuing,
            leaf,
        ],
    );
    assert!(said.contains("OK"), "{said}");
    for extra in [
        vec!["-nonce"],
        vec!["-no_nonce"],
        vec!["-sha256", "-no_nonce", "-cert", leaf],
    ] {
        let said = case.openssl_ocsp(&extra);
        assert!(
            said.contains("Response verify OK") && said.contains(": good"),
            "{said}"
        );
    }
    get_form(&case, ": good");
    case.revoke();
    let said = case.openssl_ocsp(&["-nonce"]);
    assert!(
        said.contains(": revoked") && said.contains("keyCompromise"),
        "{said}"
    );
    get_form(&case, ": revoked");
    let crl = case.pem_crl();
    let words = [
        "verify",
        "-crl_check",
        "-CAfile",
        root,
        "-untrusted",
        issuing,
        "-CRLfile",
        path(&crl),
        leaf,
    ];
    let refused = run("openssl", &words, b"");
    assert!(
        !refused.status.success() && text(&refused).contains("certificate revoked"),
        "{}",
        text(&refused)
    );
}

/// The GET form of RFC 6960 appendix A, by curl, with the escapes that clients differ in.
fn get_form(case: &Case, status: &str) {
    let request = case.appliance.file("request.der");
    judge(
        "openssl",
        &[
            "ocsp",
            "-issuer",
            path(&case.issuing),
            "-cert",
            path(&case.leaf),
            "-no_nonce",
            "-reqout",
            path(&request),
        ],
    );
    let base64 = judge("openssl", &["base64", "-A", "-in", path(&request)])
        .trim()
        .to_owned();
    let escaped = base64.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    for form in [base64, escaped] {
        let answer = case.appliance.file("answer.der");
        judge(
            "curl",
            &[
                "-sSf",
                "--path-as-is",
                "-o",
                path(&answer),
                &format!("{}/{form}", case.ocsp),
            ],
        );
        let said = judge(
            "openssl",
            &[
                "ocsp",
                "-respin",
                path(&answer),
                "-issuer",
                path(&case.issuing),
                "-cert",
                path(&case.leaf),
                "-CAfile",
                path(&case.root),
                "-verify_other",
                path(&case.issuing),
                "-no_nonce",
            ],
        );
        assert!(
            said.contains("Response verify OK") && said.contains(status),
            "{said}"
        );
    }
}

#[test]
fn e2e_verify_gnutls() {
    let case = Case::new();
    let chain = [&case.leaf, &case.issuing, &case.root]
        .map(|file| std::fs::read_to_string(file).unwrap())
        .concat();
    let trusted = run(
        "certtool",
        &["--verify", "--load-ca-certificate", path(&case.root)],
        chain.as_bytes(),
    );
    assert!(
        trusted.status.success() && text(&trusted).contains("Verified. The certificate is trusted"),
        "{}",
        text(&trusted)
    );
    let ask = || {
        let words = [
            &format!("--ask={}", case.ocsp),
            "--load-cert",
            path(&case.leaf),
            "--load-issuer",
            path(&case.issuing),
            "--load-trust",
            path(&case.issuing),
            "--nonce",
        ];
        text(&run("ocsptool", &words.map(|word| word as &str), b""))
    };
    let said = ask();
    assert!(
        said.contains("Certificate Status: good") && said.contains("Verifying OCSP Response: Success"),
        "{said}"
    );
    case.revoke();
    let said = ask();
    assert!(said.contains("Certificate Status: revoked"), "{said}");
    let der = case.appliance.file("issuing.crl");
    let said = judge("certtool", &["--crl-info", "--inder", "--infile", path(&der)]);
    assert!(
        said.to_lowercase().contains(&case.serial().to_lowercase()),
        "{said}"
    );
}

#[test]
fn e2e_verify_java() {
    let case = Case::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judges/Verify.java");
    let java = |kind: &str| {
        run(
            "java",
            &[
                path(&source),
                kind,
                path(&case.root),
                path(&case.issuing),
                path(&case.leaf),
            ],
            b"",
        )
    };
    for kind in ["ocsp", "crl"] {
        let verdict = java(kind);
        assert!(
            verdict.status.success() && text(&verdict).contains("good"),
            "{kind}: {}",
            text(&verdict)
        );
    }
    case.revoke();
    for kind in ["ocsp", "crl"] {
        let verdict = java(kind);
        assert_eq!(verdict.status.code(), Some(3), "{kind}: {}", text(&verdict));
        assert!(
            text(&verdict).contains("KEY_COMPROMISE"),
            "{kind}: {}",
            text(&verdict)
        );
    }
}
