//! An HSM that fails in every way there is, behind a server that is never started again.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::api::Api;
use crate::harness::{Appliance, text};

/// Ways to fail, each in the words of `pkcs11/faulty-module`.
const FAULTS: &[&str] = &[
    "* removed",
    "C_Sign code=CKR_SESSION_HANDLE_INVALID",
    "C_SignInit code=CKR_USER_NOT_LOGGED_IN",
    "* code=CKR_GENERAL_ERROR",
    "* code=CKR_DEVICE_ERROR",
    "C_Sign code=CKR_DEVICE_MEMORY",
    "C_SignInit code=CKR_OPERATION_ACTIVE",
    "C_SignInit code=CKR_CRYPTOKI_NOT_INITIALIZED",
    "C_Sign hang",
    "C_Sign exit=3",
    "C_SignInit abort",
];

/// A server whose token is a faulty one.
struct Bed {
    appliance: Appliance,
    api: Api,
    order: Value,
}

impl Bed {
    fn new() -> Self {
        let mut appliance = Appliance::empty();
        let module =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/faulty/release/libfaulty_pkcs11.so");
        assert!(
            module.exists(),
            "{} is missing; run `cargo xtask test`, which builds it",
            module.display()
        );
        let words = ["--init-token", "--module", module.to_str().unwrap()];
        let made = appliance.init_command(&words).output().unwrap();
        assert!(made.status.success(), "{}", text(&made));
        let file = appliance.state().join("signerd.toml");
        let mut config: token::Config = toml::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        config.limits.hang_ms = 2000;
        config.checks.test_signature_seconds = 1;
        config.checks.key_attributes_seconds = 1;
        std::fs::write(&file, toml::to_string(&config).unwrap()).unwrap();
        appliance.serve();
        let csr = std::fs::read_to_string(appliance.csr("h", "/CN=h.test", Some("DNS:h.test"))).unwrap();
        Self {
            api: Api::new(&appliance),
            order: json!({ "csr_pem": csr, "profile": "tls-server", "issuer_id": "issuing" }),
            appliance,
        }
    }

    /// These faults from now on.
    fn fails(&self, faults: &[&str]) {
        let fresh = self.appliance.write("faults.new", &faults.join("\n"));
        std::fs::rename(fresh, self.appliance.file("faults")).unwrap();
    }

    /// Asks for a certificate: the status and the code of the error.
    fn issue(&self) -> (u16, String) {
        let (status, told) = self.api.post("certificates", &self.order);
        (
            status,
            told["error"]["code"].as_str().unwrap_or_default().to_owned(),
        )
    }

    fn issues_again(&self, after: &str) {
        let since = Instant::now();
        loop {
            let told = self.issue();
            if told.0 == 201 {
                return;
            }
            assert!(
                since.elapsed() < Duration::from_secs(40),
                "after {after}: {told:?}\n{}",
                self.appliance.log_text()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Waits for a problem on `/readyz`; whether the server is ready with it.
    fn is_ready_with(&self, code: &str) -> bool {
        let since = Instant::now();
        loop {
            let (_, told) = self.api.get("../../readyz");
            let problems = told["problems"].as_array().unwrap();
            if problems.iter().any(|problem| problem["code"] == code) {
                return told["ready"] == true;
            }
            assert!(since.elapsed() < Duration::from_secs(20), "{code}: {told}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

#[test]
fn e2e_hsm_faults_need_no_restart_of_the_server() {
    let bed = Bed::new();
    assert_eq!(bed.issue().0, 201);
    let server = bed.appliance.pid();
    for fault in FAULTS {
        bed.fails(&[fault]);
        let (status, code) = bed.issue();
        assert_ne!(status, 201, "{fault} is not seen: {code}");
        bed.fails(&[]);
        bed.issues_again(fault);
    }
    assert_eq!(bed.appliance.pid(), server);
    for metric in [
        r#"chancery_token_available{token="hsm"}"#,
        r#"chancery_token_signatures_total{outcome="made",token="hsm"}"#,
        r#"chancery_token_test_signatures_total{outcome="right",token="hsm"}"#,
    ] {
        bed.appliance.wait_for_metric(metric, 1);
    }
}

#[test]
fn e2e_hsm_faults_a_pin_that_was_rejected_is_mended_at_run_time() {
    let bed = Bed::new();
    let marker = bed.appliance.state().join("pin-rejected-hsm");
    // While the signing process lives, and when it is started anew with the PIN rejected.
    for fault in [
        "C_SignInit code=CKR_CRYPTOKI_NOT_INITIALIZED times=1",
        "C_Sign exit=3 times=1",
    ] {
        bed.fails(&["C_Login code=CKR_PIN_INCORRECT times=1", fault]);
        let since = Instant::now();
        while !marker.exists() {
            assert_ne!(bed.issue().0, 201);
            assert!(
                since.elapsed() < Duration::from_secs(20),
                "{}",
                bed.appliance.log_text()
            );
        }
        let (status, code) = bed.issue();
        assert_ne!(status, 201, "{code}");
        assert!(!bed.is_ready_with(if fault.contains("exit") {
            "signer_unavailable"
        } else {
            "hsm_unavailable"
        }));
        bed.fails(&[]);
        std::fs::remove_file(&marker).unwrap();
        bed.issues_again(fault);
    }
}

#[test]
fn e2e_hsm_faults_what_is_odd_about_a_token_is_told() {
    let bed = Bed::new();
    bed.appliance.wait_for_metric(
        r#"chancery_token_test_signatures_total{outcome="right",token="hsm"}"#,
        2,
    );
    bed.fails(&["C_GetAttributeValue attribute=0x162:01"]);
    assert!(bed.is_ready_with("hsm_warning"), "it goes on issuing");
    bed.appliance
        .wait_for_metric(r#"chancery_token_keys_changed{token="hsm"}"#, 1);
    let (_, told) = bed.api.get("status");
    let warning = told["tokens"][0]["warning"].as_str().unwrap();
    assert!(warning.contains("CKA_EXTRACTABLE"), "{told}");
    assert_eq!(bed.issue().0, 201);

    bed.fails(&["C_Sign wrong"]);
    bed.appliance.wait_for_metric(
        r#"chancery_token_test_signatures_total{outcome="bad",token="hsm"}"#,
        1,
    );
    bed.appliance
        .wait_for_metric(r#"chancery_token_circuit_open{token="hsm"}"#, 1);
    let (status, code) = bed.issue();
    assert_ne!(status, 201, "a wrong signature is never handed out: {code}");
    bed.fails(&[]);
    bed.issues_again("wrong signatures");
}
