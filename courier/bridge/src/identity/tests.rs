#![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

use std::os::unix::fs::PermissionsExt as _;

use jose::{Jws, VerifyKey};

use super::*;

/// A key of its own with a certificate for it, made with openssl as the test runs.
fn certified(folder: &std::path::Path) -> (Zeroizing<Vec<u8>>, String) {
    let key = NewKey::generate().unwrap();
    let pem = pki::pem::encode("PRIVATE KEY", &key.pkcs8);
    std::fs::write(folder.join("key.pem"), pem.as_bytes()).unwrap();
    let made = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-key",
            "key.pem",
            "-subj",
            "/CN=bridge",
            "-days",
            "3",
            "-out",
            "cert.pem",
        ])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    (
        key.pkcs8,
        std::fs::read_to_string(folder.join("cert.pem")).unwrap(),
    )
}

#[test]
fn a_request_is_one_that_verifies() {
    let key = NewKey::generate().unwrap();
    let csr = pki::Csr::parse(key.request.as_bytes()).unwrap().verify().unwrap();
    assert!(csr.subject().is_empty() && csr.subject_alt_names().unwrap().is_empty());
}

#[test]
fn an_identity_is_kept_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let (pkcs8, pem) = certified(folder.path());
    assert!(matches!(load(&state), Err(IdentityFault::Absent(_))));
    let instance = Uuid::new_v4();
    for _ in 0..2 {
        store(&state, &instance.to_string(), &pkcs8, &pem).unwrap();
    }
    let path = state.join("instance.json");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&state)), (0o600, 0o700));
    assert_eq!(std::fs::read_dir(&state).unwrap().count(), 1);
    let identity = load(&state).unwrap();
    assert_eq!(identity.instance(), instance);
    assert!(!format!("{identity:?}").contains("pkcs8"));
    let life = identity.not_after.duration_since(identity.not_before);
    assert_eq!(
        identity.renew_at().duration_since(identity.not_before).as_secs(),
        life.as_secs() / 3 * 2
    );
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(load(&state), Err(IdentityFault::Open(_))));
}

#[test]
fn a_certificate_of_another_key_is_no_identity() {
    let folder = tempfile::tempdir().unwrap();
    let (_, pem) = certified(folder.path());
    let other = NewKey::generate().unwrap();
    let made = Identity::new(&Uuid::new_v4().to_string(), other.pkcs8, &pem);
    assert_eq!(made.err().unwrap(), "the certificate is for another key");
}

#[test]
fn an_assertion_is_signed_by_the_instance_for_one_request() {
    let folder = tempfile::tempdir().unwrap();
    let (pkcs8, pem) = certified(folder.path());
    let identity = Identity::new(&Uuid::new_v4().to_string(), pkcs8, &pem).unwrap();
    let now: Timestamp = "2030-01-02T03:04:05Z".parse().unwrap();
    let of = |body: &[u8]| {
        let request = Attested {
            client: "::ffff:192.0.2.7".parse().unwrap(),
            method: "POST",
            host: "bridge:8443",
            target: "/api/v1/courier/auth?x",
            body,
        };
        let jws = identity.attest(&request, now).unwrap();
        assert!(jws.len() < courier_wire::MAX_ASSERTION);
        let jws = Jws::parse(&jws).unwrap();
        let certificate = Certificate::parse_all(pem.as_bytes()).unwrap().remove(0);
        let key = VerifyKey::from_spki_der(certificate.public_key().spki_der()).unwrap();
        let verified = key.verify(&jws).unwrap();
        assert_eq!(verified.header().typ.as_deref(), Some(ASSERTION_TYPE));
        serde_json::from_slice::<Assertion>(verified.payload()).unwrap()
    };
    let (one, other) = (of(b"one"), of(b"other"));
    assert_eq!(one.iss, identity.instance().to_string());
    assert_eq!((one.client_ip.as_str(), one.iat), ("192.0.2.7", now.as_second()));
    assert_ne!(one.jti, other.jti);
    assert_ne!(one.request, other.request);
    let text = attested_request("POST", "bridge:8443", "/api/v1/courier/auth?x", &sha256(b"one"));
    assert_eq!(one.request, URL_SAFE_NO_PAD.encode(sha256(&text)));
}
