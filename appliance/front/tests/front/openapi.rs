//! The OpenAPI document: valid, complete, and true.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::house::House;

/// The Python that `cargo xtask test` prepared.
fn python() -> PathBuf {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = workspace.join("target/venv/bin/python");
    assert!(
        python.exists(),
        "{} is missing: cargo xtask test makes it",
        python.display()
    );
    python
}

#[tokio::test]
async fn e2e_openapi_validator() {
    let house = House::open().await;
    let document = house.api_with(None).get("/api/v1/openapi.json").await;
    assert_eq!(document.header("content-type"), "application/json");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("openapi.json");
    std::fs::write(&file, &document.body).unwrap();
    let script = include_str!("validate_openapi.py");
    let output = Command::new(python())
        .args(["-c", script])
        .arg(&file)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{}{text}",
        String::from_utf8_lossy(&output.stdout)
    );
    assert_eq!(document.json["openapi"].as_str().unwrap().get(..3), Some("3.1"));
}

/// Answers of a running server against the schemas that the document has for them.
#[tokio::test]
async fn e2e_answers_jsonschema() {
    let house = House::open().await;
    let api = house.admin().await;
    let issued = api.enrol("host.example").await;
    let certificate = format!("/api/v1/certificates/{}", issued["id"].as_str().unwrap());
    let mut samples = vec![json!({"schema": "CertificateBody", "value": issued})];
    let mut sample = |schema: &str, value: Value| samples.push(json!({"schema": schema, "value": value}));
    let revoke = json!({"reason": "superseded"});
    sample(
        "RevokedBody",
        api.post_ok(&format!("{certificate}/revoke"), revoke).await,
    );
    for (schema, path) in [
        ("CertificateBody", certificate.as_str()),
        ("CertificateList", "/api/v1/certificates"),
        ("IssuerList", "/api/v1/issuers"),
        ("IssuerBody", "/api/v1/issuers/root"),
        ("ProfileList", "/api/v1/profiles"),
        (
            "OrderBody",
            &format!("/api/v1/orders/{}", issued["order_id"].as_str().unwrap()),
        ),
        ("TokenList", "/api/v1/api-tokens"),
        ("KeyList", "/api/v1/keys"),
        ("AuditList", "/api/v1/audit"),
        ("VerdictBody", "/api/v1/audit/verify"),
        ("StatusBody", "/api/v1/status"),
        ("Readiness", "/readyz"),
    ] {
        sample(schema, api.get_ok(path).await);
    }
    sample(
        "CrlBody",
        api.post_ok("/api/v1/issuers/root/crl", json!(null)).await,
    );
    sample(
        "NewTokenBody",
        api.post_ok("/api/v1/api-tokens", json!({"name": "x", "role": "auditor"}))
            .await,
    );
    sample("ErrorBody", api.get("/api/v1/orders/7").await.json);
    sample(
        "ErrorBody",
        api.post("/api/v1/certificates", json!({"csr_pem": "x", "profile": "nope"}))
            .await
            .json,
    );
    let folder = tempfile::tempdir().unwrap();
    let (document, values) = (
        folder.path().join("openapi.json"),
        folder.path().join("samples.json"),
    );
    std::fs::write(&document, api.get("/api/v1/openapi.json").await.body).unwrap();
    std::fs::write(&values, serde_json::to_vec(&samples).unwrap()).unwrap();
    let script = include_str!("validate_answers.py");
    let output = Command::new(python())
        .args(["-c", script])
        .args([&document, &values])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{}{text}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn every_operation_tells_of_its_errors_and_has_a_name_of_its_own() {
    let document = serde_json::to_value(front::openapi()).unwrap();
    let mut names = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{name} twice");
            assert!(operation["summary"].is_string(), "{method} {path}");
            let responses = operation["responses"].as_object().unwrap();
            assert!(
                responses.keys().any(|status| status.starts_with('2')),
                "{method} {path}"
            );
            let is_open = operation.get("security").is_some();
            for status in ["401", "403", "503"] {
                assert!(
                    is_open || responses.contains_key(status),
                    "{method} {path} {status}"
                );
            }
            assert_eq!(
                operation.get("requestBody").is_some(),
                responses.contains_key("413"),
                "{method} {path}"
            );
            assert!(responses.contains_key("500"));
        }
    }
    assert!(names.len() > 25, "{names:?}");
    assert_eq!(
        document["components"]["securitySchemes"]["token"]["scheme"],
        "bearer"
    );
}
