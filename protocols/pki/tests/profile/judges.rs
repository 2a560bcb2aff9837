//! What foreign linters and verifiers say of the ready profiles' certificates.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pki::profile::{AuthorityPolicy, CertificatePolicy, NameConstraintsPolicy, Order, Profile};
use pki::{Certificate, DistinguishedName};

use crate::fixture::{hours, issue_ready, issuing, order, ready, root};

const LEAVES: [&str; 7] = [
    "tls-server",
    "tls-client",
    "device",
    "smime",
    "code-signing",
    "timestamping",
    "ocsp-signer",
];

fn run(program: &Path, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|cause| {
            panic!(
                "{} cannot be run ({cause}): `cargo xtask test --install-only`",
                program.display()
            )
        })
}

fn write(directory: &Path, name: &str, pem: &str) -> String {
    let path = directory.join(format!("{name}.pem"));
    std::fs::write(&path, pem).unwrap();
    path.to_string_lossy().into_owned()
}

/// Certificates with the fields that no ready profile turns on.
fn unusual() -> Vec<(&'static str, Certificate)> {
    let server = ready("tls-server");
    let stapling = Profile {
        must_staple: true,
        ..server.clone()
    };
    let policy = CertificatePolicy {
        oid: "1.3.6.1.4.1.32473.1".to_owned(),
        cps: Some("https://pki.example.com/cps".to_owned()),
        user_notice: Some("For internal use.".to_owned()),
    };
    let governed = Profile {
        certificate_policies: vec![policy],
        ..server.clone()
    };
    let short = Order {
        validity: Some(hours(1) / 2),
        ..order(&server)
    };
    let nameless = Order {
        subject: DistinguishedName::from_der(&[0x30, 0x00]).unwrap(),
        ..order(&server)
    };
    let client = ready("tls-client");
    let identified = Order {
        ms_sid: Some("S-1-5-21-1-2-3-512".to_owned()),
        ..order(&client)
    };
    let parse = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
    let name_constraints = NameConstraintsPolicy {
        permitted: parse(&[
            "dns:example.com",
            "ip:10.0.0.0/8",
            "email:example.com",
            "dn:O=Example",
        ]),
        excluded: parse(&["dns:secret.example.com", "ip:2001:db8::/32"]),
    };
    let authority = Some(AuthorityPolicy {
        path_length: Some(0),
        name_constraints,
    });
    let bounded = Profile {
        authority,
        ..ready("sub-ca")
    };
    let issuing = issuing();
    vec![
        ("must-staple", issuing.issue(&stapling, &order(&stapling))),
        ("policies", issuing.issue(&governed, &order(&governed))),
        ("short-lived", issuing.issue(&server, &short)),
        ("empty-subject", issuing.issue(&server, &nameless)),
        ("microsoft-sid", issuing.issue(&client, &identified)),
        ("name-constraints", root().issue(&bounded, &order(&bounded))),
    ]
}

#[test]
fn e2e_profile_pkilint() {
    let venv = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/venv/bin");
    let directory = tempfile::tempdir().unwrap();
    let usual = LEAVES
        .into_iter()
        .chain(["sub-ca", "root"])
        .map(|name| (name, issue_ready(name)));
    for (name, certificate) in usual.chain(unusual()) {
        let file = write(directory.path(), name, &certificate.pem());
        let output = run(&venv.join("lint_pkix_cert"), &["lint", "-s", "ERROR", &file]);
        let text = String::from_utf8_lossy(&output.stdout);
        let noise = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && text.trim().is_empty(),
            "{name}: {text}{noise}"
        );
    }
    let issuer = write(directory.path(), "issuer", &issuing().certificate.pem());
    let leaf = write(directory.path(), "leaf", &issue_ready("tls-server").pem());
    let output = run(
        &venv.join("lint_pkix_signer_signee_cert_chain"),
        &["lint", "-s", "ERROR", &issuer, &leaf],
    );
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
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
            "verify",
            "-x509_strict",
            "-check_ss_sig",
            "-attime",
            "1795262460",
            "-purpose",
            purpose,
            "-CAfile",
            &root,
            "-untrusted",
            &issuer,
            &leaf,
        ];
        let output = run(Path::new("openssl"), &arguments);
        assert!(
            output.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
