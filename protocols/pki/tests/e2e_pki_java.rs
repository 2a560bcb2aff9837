//! What Java's keytool says of the things that are made here, and what is read of things that it makes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what broke by panicking"
)]

use std::path::Path;
use std::process::Command;

use pki::{Certificate, Csr, KeyAlgorithm, cms, pkcs12};

fn vector(path: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(path);
    std::fs::read(&path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
}

/// Runs `keytool` in this folder and gives whether it succeeded, with both outputs.
fn keytool(folder: &Path, arguments: &str) -> (bool, String) {
    let output = Command::new("keytool")
        .args(["-J-Duser.language=en", "-J-Duser.timezone=UTC"])
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap_or_else(|cause| panic!("keytool cannot be run ({cause}): `cargo xtask test --install-only`"));
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

fn good(folder: &Path, arguments: &str) -> String {
    let (is_good, text) = keytool(folder, arguments);
    assert!(is_good, "keytool {arguments}: {text}");
    text
}

#[test]
fn e2e_pki_java_opens_our_bundles() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let chain = ["leaf", "issuing", "root"].map(|name| vector(&format!("chain/{name}.der")));
    let parts: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    let key = vector("key_file/ed25519.pk8.der");
    let file = pkcs12::write("a.example", &key, &parts, "password").unwrap();
    std::fs::write(folder.join("ours.p12"), file).unwrap();

    let ours = "-keystore ours.p12 -storetype PKCS12 -storepass";
    let listed = good(folder, &format!("-list -v {ours} password"));
    for part in [
        "Your keystore contains 1 entry",
        "Alias name: a.example",
        "Entry type: PrivateKeyEntry",
        "Certificate chain length: 3",
    ] {
        assert!(listed.contains(part), "no `{part}` in {listed}");
    }
    let owners: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.strip_prefix("Owner: "))
        .collect();
    assert_eq!(
        owners,
        [
            "CN=a.example, O=Example, C=CH",
            "CN=Issuing, O=Example, C=CH",
            "CN=Root, O=Example, C=CH"
        ]
    );
    let (is_good, text) = keytool(folder, &format!("-list {ours} wrong1"));
    assert!(!is_good && text.contains("password was incorrect"), "{text}");
    // Moving the entry decrypts the key, which listing does not.
    good(
        folder,
        "-importkeystore -srckeystore ours.p12 -srcstoretype PKCS12 -srcstorepass password \
         -destkeystore moved.p12 -deststoretype PKCS12 -deststorepass password",
    );
    good(
        folder,
        "-exportcert -alias a.example -keystore moved.p12 -storepass password -file leaf.der",
    );
    assert_eq!(std::fs::read(folder.join("leaf.der")).unwrap(), chain[0]);

    std::fs::write(folder.join("ours.p7b"), cms::certs_only(parts.iter().copied())).unwrap();
    let printed = good(folder, "-printcert -file ours.p7b");
    assert_eq!(printed.matches("Owner: ").count(), 3, "{printed}");
}

#[test]
fn e2e_pki_java_requests_and_certificates_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let store = "-keystore theirs.p12 -storetype PKCS12 -storepass password";
    for (alias, key, expected) in [
        ("rsa", "-keyalg RSA -keysize 2048", KeyAlgorithm::Rsa(2048)),
        ("p256", "-keyalg EC -groupname secp256r1", KeyAlgorithm::P256),
        ("p384", "-keyalg EC -groupname secp384r1", KeyAlgorithm::P384),
        ("ed25519", "-keyalg Ed25519", KeyAlgorithm::Ed25519),
    ] {
        good(
            folder,
            &format!("-genkeypair -alias {alias} {key} -dname CN=a.example,O=Example,C=CH {store}"),
        );
        good(
            folder,
            &format!("-certreq -alias {alias} -ext SAN=dns:a.example,ip:192.0.2.1 -file csr {store}"),
        );
        let request = Csr::parse(&std::fs::read(folder.join("csr")).unwrap()).unwrap();
        let request = request
            .verify()
            .unwrap_or_else(|fault| panic!("{alias}: {fault}"));
        assert_eq!(request.public_key().algorithm(), expected);
        assert_eq!(request.subject().to_string(), "CN=a.example,O=Example,C=CH");
        let names = request.subject_alt_names().unwrap();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["dns:a.example", "ip:192.0.2.1"]);

        good(folder, &format!("-exportcert -alias {alias} -file crt {store}"));
        let certificate = Certificate::parse(&std::fs::read(folder.join("crt")).unwrap()).unwrap();
        certificate.verify_signed_by(certificate.public_key()).unwrap();
        assert_eq!(certificate.public_key(), request.public_key());
    }
}

#[test]
fn e2e_pki_java_prints_a_list_that_we_build() {
    // `crl/tests.rs` proves that the builder gives the bytes that are signed here.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("crl"), vector("crl/all-reasons.der")).unwrap();
    let printed = good(folder.path(), "-printcrl -file crl");
    for part in [
        "X.509 CRL v2",
        "Issuer: CN=Issuing, O=Example, C=CH",
        "Revoked Certificates: 9",
        "Reason Code: KEY_COMPROMISE",
        "Reason Code: CERTIFICATE_HOLD",
        "Reason Code: AA_COMPROMISE",
    ] {
        assert!(printed.contains(part), "no `{part}` in {printed}");
    }
}
