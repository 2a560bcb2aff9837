//! What foreign linters and verifiers say of the ready profiles' certificates.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::fixture::{issue_ready, issuing, root};

const LEAVES: [&str; 7] =
    ["tls-server", "tls-client", "device", "smime", "code-signing", "timestamping", "ocsp-signer"];

fn run(program: &Path, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|cause| panic!("{} cannot be run ({cause}): `cargo xtask test --install-only`", program.display()))
}

fn write(directory: &Path, name: &str, pem: &str) -> String {
    let path = directory.join(format!("{name}.pem"));
    std::fs::write(&path, pem).unwrap();
    path.to_string_lossy().into_owned()
}

#[test]
fn e2e_profile_pkilint() {
    let venv = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/venv/bin");
    let directory = tempfile::tempdir().unwrap();
    for name in LEAVES.into_iter().chain(["sub-ca", "root"]) {
        let file = write(directory.path(), name, &issue_ready(name).pem());
        let output = run(&venv.join("lint_pkix_cert"), &["lint", "-s", "ERROR", &file]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.trim().is_empty(), "{name}: {text}{}", String::from_utf8_lossy(&output.stderr));
    }
    let issuer = write(directory.path(), "issuer", &issuing().certificate.pem());
    let leaf = write(directory.path(), "leaf", &issue_ready("tls-server").pem());
    let output = run(&venv.join("lint_pkix_signer_signee_cert_chain"), &["lint", "-s", "ERROR", &issuer, &leaf]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn e2e_profile_openssl() {
    let directory = tempfile::tempdir().unwrap();
    let root = write(directory.path(), "root", &root().certificate.pem());
    let issuer = write(directory.path(), "issuer", &issuing().certificate.pem());
    for (name, purpose) in [
        ("tls-server", "sslserver"),
        ("tls-client", "sslclient"),
        ("device", "sslclient"),
        ("smime", "smimesign"),
        ("code-signing", "any"),
        ("timestamping", "timestampsign"),
        ("ocsp-signer", "ocsphelper"),
    ] {
        let leaf = write(directory.path(), name, &issue_ready(name).pem());
        let arguments = [
            "verify", "-x509_strict", "-check_ss_sig", "-attime", "1795262460", "-purpose", purpose, "-CAfile", &root,
            "-untrusted", &issuer, &leaf,
        ];
        let output = run(Path::new("openssl"), &arguments);
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
