//! A CA brought along as files.

use std::process::Command;

use ca::{ImportFromDisk, IssueRequest, IssuerOrigin};
use pki::{Certificate, chain, pem};
use secrecy::SecretSlice;

use crate::bed::{Bed, admin, certificate};
use crate::request::{Holder, ca_csr, csr};

/// A CA certificate for a holder, from a foreign root.
async fn files(foreign: &Bed, holder: &Holder) -> (Certificate, Certificate) {
    let order = IssueRequest {
        csr: ca_csr(holder, "CN=Brought Along,O=Example"),
        profile: "sub-ca".into(),
        issuer: Some("root".into()),
        ..IssueRequest::default()
    };
    let issued = foreign.authority.issue(&admin(), order).await.unwrap();
    (
        certificate(&issued),
        foreign.issuer("root").certificate.clone().unwrap(),
    )
}

fn import(certificate: &Certificate, chain: &[&Certificate], key: Vec<u8>) -> ImportFromDisk {
    ImportFromDisk {
        name: "brought".to_owned(),
        certificate: certificate.pem().into_bytes(),
        chain: chain.iter().map(|one| one.pem()).collect::<String>().into_bytes(),
        key: SecretSlice::from(key),
        passphrase: None,
        signature_algorithm: None,
        crl: ca::CrlPlan::default(),
    }
}

#[tokio::test]
async fn it_issues_with_its_old_key() {
    let (foreign, bed) = (Bed::ready().await, Bed::empty().await);
    let holder = Holder::new();
    let (own, root) = files(&foreign, &holder).await;
    let key = pem::encode("PRIVATE KEY", &holder.pkcs8).into_bytes();
    let entry = bed
        .authority
        .import_from_disk(&admin(), import(&own, &[&root], key))
        .await
        .unwrap();
    assert_eq!(
        (entry.origin, entry.token.as_str()),
        (IssuerOrigin::FromDisk, "software")
    );
    assert_eq!(entry.certificate.clone().unwrap().der(), own.der());
    let issued = bed.server("host.example").await;
    chain::verify(&[certificate(&issued), own, root], bed.clock.now()).unwrap();
    assert!(bed.authority.current_crl(entry.id).is_some());
}

#[tokio::test]
async fn a_key_encrypted_by_openssl_needs_its_passphrase() {
    let (foreign, bed) = (Bed::ready().await, Bed::empty().await);
    let holder = Holder::new();
    let (own, root) = files(&foreign, &holder).await;
    let folder = tempfile::tempdir().unwrap();
    let (plain, encrypted) = (folder.path().join("key.pem"), folder.path().join("key.enc.pem"));
    std::fs::write(&plain, pem::encode("PRIVATE KEY", &holder.pkcs8)).unwrap();
    let arguments = [
        "pkcs8",
        "-topk8",
        "-v2",
        "aes-256-cbc",
        "-passout",
        "pass:open sesame",
        "-in",
    ];
    let status = Command::new("openssl")
        .args(arguments)
        .arg(&plain)
        .arg("-out")
        .arg(&encrypted)
        .status();
    assert!(status.expect("openssl must be installed for this test").success());
    let key = std::fs::read(&encrypted).unwrap();
    let request = |passphrase: Option<&str>| ImportFromDisk {
        passphrase: passphrase.map(|text| SecretSlice::from(text.as_bytes().to_vec())),
        ..import(&own, &[&root], key.clone())
    };
    let refused = bed
        .authority
        .import_from_disk(&admin(), request(None))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), "passphrase_missing");
    let refused = bed
        .authority
        .import_from_disk(&admin(), request(Some("wrong")))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), "passphrase_wrong");
    bed.authority
        .import_from_disk(&admin(), request(Some("open sesame")))
        .await
        .unwrap();
    bed.server("host.example").await;
}

#[tokio::test]
async fn what_is_no_ca_or_does_not_fit_is_refused_and_no_key_is_kept() {
    let (foreign, bed) = (Bed::ready().await, Bed::empty().await);
    let (holder, other) = (Holder::new(), Holder::new());
    let (own, root) = files(&foreign, &holder).await;
    let code = async |request| {
        bed.authority
            .import_from_disk(&admin(), request)
            .await
            .unwrap_err()
            .code()
    };
    assert_eq!(
        code(import(&own, &[&root], other.pkcs8.clone())).await,
        "key_mismatch"
    );
    assert_eq!(
        code(import(&own, &[&root], b"rubbish".to_vec())).await,
        "key_file_malformed"
    );
    let leaf = IssueRequest {
        csr: csr(&holder, "", &["dns:host.example"]),
        profile: "tls-server".into(),
        ..IssueRequest::default()
    };
    let leaf = certificate(&foreign.authority.issue(&admin(), leaf).await.unwrap());
    assert_eq!(code(import(&leaf, &[], holder.pkcs8.clone())).await, "not_a_ca");
    assert_eq!(
        code(import(&own, &[&leaf], holder.pkcs8.clone())).await,
        "chain_invalid"
    );
    bed.advance(jiff::SignedDuration::from_hours(24 * 365 * 11));
    assert_eq!(
        code(import(&own, &[&root], holder.pkcs8.clone())).await,
        "certificate_not_valid"
    );
    assert!(bed.ring.list().is_empty() && bed.authority.issuers().is_empty());
}
