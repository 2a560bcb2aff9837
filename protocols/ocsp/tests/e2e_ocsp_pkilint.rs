//! Responses before pkilint, which knows RFC 6960 rule by rule. It looks at form only, so statuses of every kind pass it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/authority.rs"]
mod authority;

use std::fs;
use std::path::PathBuf;

use authority::{Authority, GOOD, KINDS, REVOKED, Signer, text_of};
use ocsp::{CertId, HashAlgorithm, Nonce, Request};

#[test]
fn finds_nothing() {
    let linter = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/venv/bin/lint_ocsp_response");
    let linter = linter.to_str().unwrap();
    for kind in KINDS {
        let authority = Authority::new(kind);
        let issuer = authority.certificate("ca");
        for (signer, nonce) in [(Signer::Delegated, None), (Signer::Ca, Some([0x5c; 32]))] {
            for serial in [GOOD, REVOKED, "62"] {
                let cert_id = CertId::for_issuer(
                    HashAlgorithm::Sha256,
                    issuer.subject().der(),
                    issuer.public_key(),
                    serial.parse().unwrap(),
                );
                let mut request = Request::new(cert_id);
                if let Some(octets) = nonce {
                    request = request.with_nonce(Nonce::new(&octets).unwrap());
                }
                let response = authority.answer(&request.to_der().unwrap(), signer);
                fs::write(authority.path("response.der"), response).unwrap();
                let output = authority.run(linter, "lint -s NOTICE response.der");
                assert!(
                    output.status.success(),
                    "{kind:?} {signer:?} {serial}: {}",
                    text_of(&output)
                );
                assert_eq!(text_of(&output).trim(), "", "{kind:?} {signer:?} {serial}");
            }
        }
    }
}
