//! Certificates as files.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::holder::Holder;
use crate::house::{House, Reply};

#[tokio::test]
async fn every_form_holds_the_certificate() {
    let house = House::open().await;
    let api = house.admin().await;
    let issued = api.enrol("host.example").await;
    let (serial, pem) = (
        issued["serial"].as_str().unwrap(),
        issued["certificate_pem"].as_str().unwrap(),
    );
    let path = format!("/api/v1/certificates/{serial}/download");
    let der = pki::Certificate::parse(pem.as_bytes()).unwrap().der().to_vec();
    for (format, media_type, name) in [
        ("", "application/x-pem-file", format!("{serial}.pem")),
        ("?format=pem", "application/x-pem-file", format!("{serial}.pem")),
        ("?format=der", "application/pkix-cert", format!("{serial}.crt")),
        (
            "?format=chain",
            "application/x-pem-file",
            format!("{serial}-chain.pem"),
        ),
        (
            "?format=pkcs7",
            "application/pkcs7-mime; smime-type=certs-only",
            format!("{serial}.p7c"),
        ),
    ] {
        let reply = api.get(&format!("{path}{format}")).await;
        assert_eq!(
            (reply.status.as_u16(), reply.header("content-type")),
            (200, media_type),
            "{format}"
        );
        assert_eq!(
            reply.header("content-disposition"),
            format!("attachment; filename=\"{name}\"")
        );
        assert_holds(format, &reply, &der, pem);
    }
    api.get(&format!("{path}?format=jks"))
        .await
        .refused(400, "invalid_query");
    api.get("/api/v1/certificates/0badbadbad/download")
        .await
        .refused(404, "not_found");
}

fn assert_holds(format: &str, reply: &Reply, der: &[u8], pem: &str) {
    match format {
        "?format=der" => assert_eq!(reply.body, der),
        "?format=chain" => {
            let chain = pki::Certificate::parse_all(&reply.body).unwrap();
            assert_eq!((chain.len(), chain[0].der()), (2, der));
        }
        "?format=pkcs7" => {
            let text = openssl(&["pkcs7", "-inform", "DER", "-print_certs"], &reply.body);
            assert_eq!(text.matches("BEGIN CERTIFICATE").count(), 2, "{text}");
        }
        _ => assert_eq!(reply.body, pem.as_bytes()),
    }
}

#[tokio::test]
async fn e2e_pkcs12_openssl() {
    let house = House::open().await;
    let api = house.admin().await;
    let holder = Holder::new();
    let issued = api.enrol_with(&holder, "host.example").await;
    let path = format!("/api/v1/certificates/{}/pkcs12", issued["id"].as_str().unwrap());
    let body = json!({"key_pem": holder.key_pem(), "password": "correct horse", "alias": "host"});
    let reply = api.post(&path, body).await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("content-type")),
        (200, "application/x-pkcs12"),
        "{}",
        reply.json
    );
    let text = openssl(
        &["pkcs12", "-nodes", "-passin", "pass:correct horse"],
        &reply.body,
    );
    assert_eq!(text.matches("BEGIN CERTIFICATE").count(), 2, "{text}");
    assert_eq!(text.matches("BEGIN PRIVATE KEY").count(), 1);
    assert!(text.contains("friendlyName: host"), "{text}");
    assert!(text.contains(issued["certificate_pem"].as_str().unwrap()));
}

#[tokio::test]
async fn the_uploaded_key_must_fit_and_is_not_kept() {
    let house = House::open().await;
    let api = house.admin().await;
    let holder = Holder::new();
    let issued = api.enrol_with(&holder, "host.example").await;
    let path = format!("/api/v1/certificates/{}/pkcs12", issued["id"].as_str().unwrap());
    let ask = async |key: &str| {
        api.post(&path, json!({"key_pem": key, "password": "secret"}))
            .await
    };
    ask(&Holder::new().key_pem()).await.refused(400, "key_mismatch");
    ask("no key").await.refused(400, "key_unusable");
    let encrypted = openssl(
        &["pkcs8", "-topk8", "-passout", "pass:inner"],
        holder.key_pem().as_bytes(),
    );
    ask(&encrypted).await.refused(400, "key_passphrase_missing");
    let wrong = json!({"key_pem": encrypted, "key_passphrase": "outer", "password": "secret"});
    api.post(&path, wrong).await.refused(400, "key_passphrase_wrong");
    let right = json!({"key_pem": encrypted, "key_passphrase": "inner", "password": "secret"});
    assert_eq!(api.post(&path, right).await.status, 200);
    let keys = api.get_ok("/api/v1/keys").await;
    let fingerprint =
        pki::Certificate::parse(issued["certificate_pem"].as_str().unwrap().as_bytes()).unwrap();
    let fingerprint = fingerprint.public_key().fingerprint().to_string();
    assert!(!keys.to_string().contains(&fingerprint), "the signer has it now");
}

fn openssl(words: &[&str], input: &[u8]) -> String {
    let mut command = Command::new("openssl");
    command
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .expect("openssl is needed: cargo xtask test installs it");
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "openssl {words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
