//! Keys in tokens: what the file has to say, and what does not go with them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use secrecy::ExposeSecret as _;

use super::{parsed, problems};
use crate::config::{KeyProvider, summary};
use crate::key::KeyType;
use crate::token_key::Place;

/// A file whose certificate has this section `key`, with a library that stands at `MODULE`.
fn file(dir: &Path, key: &str, more: &str) -> String {
    let module = dir.join("lib.so");
    std::fs::write(&module, "").unwrap();
    std::fs::set_permissions(&module, std::fs::Permissions::from_mode(0o644)).unwrap();
    let key = key.replace("MODULE", module.to_str().unwrap());
    format!("certificate: {{ sans: {{ dns: [a.example] }}, key: {{ {key} }}{more} }}")
}

#[test]
fn a_token_is_named_with_its_library_and_its_pin() {
    let dir = tempfile::tempdir().unwrap();
    let rows = [
        ("token_label: host", Place::Label("host".to_owned())),
        ("token_serial: 1a2b", Place::Serial("1a2b".to_owned())),
        ("slot: 7", Place::Slot(7)),
    ];
    for (which, place) in rows {
        let text = file(
            dir.path(),
            &format!(
                "provider: pkcs11, algorithm: rsa-3072, module: MODULE, {which}, pin: '123456', label: tls"
            ),
            "",
        );
        let settings = parsed(&text, &[], false).unwrap();
        let key = &settings.certificates[0].key;
        let KeyProvider::Pkcs11(token) = &key.provider else {
            panic!("{key:?}");
        };
        assert_eq!((&token.place, token.label.as_str()), (&place, "tls"));
        assert_eq!(token.pin.expose_secret(), "123456");
        assert_eq!(key.kind, KeyType::Rsa3072);
        let told = format!("{settings:?} {}", summary(&settings));
        assert!(
            !told.contains("123456") && told.contains(&place.to_string()),
            "{told}"
        );
    }
}

#[test]
fn the_pin_comes_from_a_variable_or_a_file_that_others_do_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let pin = dir.path().join("pin");
    std::fs::write(&pin, "123456\n").unwrap();
    std::fs::set_permissions(&pin, std::fs::Permissions::from_mode(0o644)).unwrap();
    let by_file = format!(
        "provider: pkcs11, module: MODULE, slot: 0, pin_file: {}",
        pin.display()
    );
    let by_file = file(dir.path(), &by_file, "");
    let told = problems(&by_file);
    assert!(
        told[0].starts_with("`certificate.key.pin_file` names") && told[0].contains("others may read"),
        "{told:?}"
    );
    assert_eq!(told.len(), 1);
    std::fs::set_permissions(&pin, std::fs::Permissions::from_mode(0o600)).unwrap();
    let by_variable = file(
        dir.path(),
        "provider: pkcs11, module: MODULE, slot: 0, pin: '${TOKEN_PIN}'",
        "",
    );
    for text in [by_file, by_variable] {
        let settings = parsed(&text, &[("TOKEN_PIN", "123456")], true).unwrap();
        let KeyProvider::Pkcs11(token) = &settings.certificates[0].key.provider else {
            panic!("no token");
        };
        assert_eq!(token.pin.expose_secret(), "123456");
        assert_eq!(token.label, "web01");
    }
    let inline = file(
        dir.path(),
        "provider: pkcs11, module: MODULE, slot: 0, pin: '123456'",
        "",
    );
    let told = format!("{:?}", parsed(&inline, &[], true).unwrap_err());
    assert!(
        told.contains("certificate.key.pin") && told.contains("is a secret in a file that others may read"),
        "{told}"
    );
    assert!(!told.contains("123456"));
}

/// A section `key` with all that a token needs.
const WHOLE: &str = "provider: pkcs11, module: MODULE, token_label: host, pin: '123456'";

/// The section `key`, what else the certificate has, and what is said of it.
const REFUSED: &[(&str, &str, &str)] = &[
    ("provider: pkcs11", "", "`certificate.key.module` is missing"),
    ("provider: pkcs11", "", "`certificate.key.token_label` is missing"),
    ("provider: pkcs11", "", "`certificate.key.pin` is missing"),
    (
        "provider: pkcs11, module: /nowhere/lib.so",
        "",
        "`certificate.key.module` names /nowhere/lib.so, which cannot be looked at",
    ),
    (
        "provider: pkcs11, module: /",
        "",
        "`certificate.key.module` names /, which is no file",
    ),
    (
        "provider: pkcs11, token_label: a, slot: 1",
        "",
        "`certificate.key.token_label` is one of",
    ),
    (
        "provider: pkcs11, algorithm: ed25519",
        "",
        "`certificate.key.algorithm` is one of ec-256, ec-384, rsa-2048, rsa-3072, rsa-4096",
    ),
    (
        "provider: pkcs11, label: -x",
        "",
        "`certificate.key.label` is at most 51",
    ),
    (
        "provider: pkcs11, passphrase: x",
        "",
        "`certificate.key.passphrase` belongs to file, not to pkcs11",
    ),
    (
        "module: MODULE",
        "",
        "`certificate.key.module` belongs to pkcs11, not to file",
    ),
    (
        "pin_file: /nowhere",
        "",
        "`certificate.key.pin_file` belongs to pkcs11, not to file",
    ),
    (
        "provider: tpm2",
        "",
        "`certificate.key.provider` is `pkcs11` for a TPM",
    ),
    (
        WHOLE,
        ", generate_keys_locally: false",
        "`certificate.generate_keys_locally` is true where",
    ),
    (
        WHOLE,
        ", output: { combined: all.pem }",
        "`certificate.output.combined` has the private key in it",
    ),
    (
        WHOLE,
        ", output: { pkcs12: a.p12, pkcs12_password: x }",
        "`certificate.output.pkcs12` has the private key in it",
    ),
    (
        WHOLE,
        ", output: { private_key: '' }",
        "`certificate.output.private_key` is where the reference",
    ),
    (
        WHOLE,
        ", deploy: [{ type: nginx }, { type: haproxy }]",
        "`certificate.deploy[1].type` is haproxy, which wants the private key in one file",
    ),
    (
        WHOLE,
        ", deploy: [{ type: postfix, pem_path: /x }]",
        "`certificate.deploy[0].type` is postfix",
    ),
];

#[test]
fn what_is_missing_and_what_does_not_go_is_told() {
    let dir = tempfile::tempdir().unwrap();
    for (key, more, wanted) in REFUSED.iter().copied() {
        let found = problems(&file(dir.path(), key, more));
        assert!(
            found.iter().any(|problem| problem.starts_with(wanted)),
            "{wanted} is not in {found:#?}"
        );
    }
    for more in ["", ", deploy: [{ type: nginx }, { type: postfix }]"] {
        assert_eq!(problems(&file(dir.path(), WHOLE, more)), Vec::<String>::new());
    }
    let text = file(dir.path(), WHOLE, "");
    let module = dir.path().join("lib.so");
    std::fs::set_permissions(&module, std::fs::Permissions::from_mode(0o664)).unwrap();
    assert!(problems(&text)[0].contains("others may write"));
}

#[test]
fn a_key_in_a_token_signs_nobody_in() {
    let dir = tempfile::tempdir().unwrap();
    let key = "provider: pkcs11, module: MODULE, token_label: host, pin: '123456'";
    let auth = |more: &str| {
        format!(
            "\nauth: {{ method: certificate, uuid: {}, cert_path: c.pem, {more} }}\n",
            super::UUID
        )
    };
    let in_token = file(dir.path(), key, "");
    let told = problems(&(in_token.clone() + &auth("key_path: c.key, renew_with_certificate: true")));
    assert!(
        told.len() == 1 && told[0].starts_with("`auth.renew_with_certificate`"),
        "{told:?}"
    );
    let told = problems(&(in_token.clone() + &auth("key_path: privkey.pem")));
    assert!(
        told.len() == 1 && told[0].starts_with("`auth.key_path` names a key that stays in a token"),
        "{told:?}"
    );
    // A reference that another configuration left there.
    let other = dir.path().join("other.pem");
    std::fs::write(&other, "pkcs11:token=a;object=b;id=%00;type=private\n").unwrap();
    let told = problems(&auth(&format!("key_path: {}", other.display())));
    assert!(
        told.len() == 1 && told[0].starts_with("`auth.key_path`"),
        "{told:?}"
    );
    assert_eq!(
        problems(&(in_token + &auth("key_path: c.key"))),
        Vec::<String>::new()
    );
    assert_eq!(problems(&auth("key_path: c.key")), Vec::<String>::new());
}
