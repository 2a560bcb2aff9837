//! Requests and responses against GnuTLS' `ocsptool`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/authority.rs"]
mod authority;

use std::fs;

use authority::{Authority, KINDS, Kind, Signer, text_of};
use ocsp::{Nonce, Request};

fn judge(authority: &Authority, trust: &str) -> (bool, String) {
    let output = authority.run(
        "ocsptool",
        &format!("--verify-response --load-response response.der {trust}"),
    );
    (output.status.success(), text_of(&output))
}

/// Lets `ocsptool` ask, adds the nonce (which it sends over the network only), and answers.
fn answer(authority: &Authority, certificate: &str, nonce: Option<&Nonce>, signer: Signer) {
    let output = authority.run(
        "ocsptool",
        &format!(
            "--generate-request --load-issuer ca.pem --load-cert {certificate}.pem --outfile request.der"
        ),
    );
    assert!(output.status.success(), "{}", text_of(&output));
    let mut request = Request::parse(&authority.read("request.der")).unwrap();
    if let Some(nonce) = nonce {
        request = request.with_nonce(nonce.clone());
    }
    let request_der = request.to_der().unwrap();
    fs::write(authority.path("asked.der"), &request_der).unwrap();
    let seen = authority.run("ocsptool", "--request-info --load-request asked.der");
    assert!(seen.status.success(), "{}", text_of(&seen));
    assert_eq!(
        text_of(&seen).contains("Nonce: "),
        nonce.is_some(),
        "{}",
        text_of(&seen)
    );
    fs::write(
        authority.path("response.der"),
        authority.answer(&request_der, signer),
    )
    .unwrap();
}

#[test]
fn accepts_answers_of_every_key_algorithm() {
    for kind in KINDS {
        let authority = Authority::new(kind);
        for (signer, trust) in [
            (Signer::Delegated, "--load-trust ca.pem"),
            (Signer::Ca, "--load-signer ca.pem"),
        ] {
            for nonce in [None, Some(Nonce::new(&[0x5c; 32]).unwrap())] {
                answer(&authority, "good", nonce.as_ref(), signer);
                let (is_accepted, said) = judge(&authority, trust);
                assert!(is_accepted, "{kind:?} {signer:?} {nonce:?}: {said}");
                assert!(
                    said.contains("Verifying OCSP Response: Success"),
                    "{kind:?} {signer:?}: {said}"
                );
                assert!(
                    said.contains("Certificate Status: good"),
                    "{kind:?} {signer:?}: {said}"
                );
                assert_eq!(
                    said.contains(&format!("Nonce: {}", "5c".repeat(32))),
                    nonce.is_some(),
                    "{said}"
                );
            }
        }
    }
}

#[test]
fn reads_revoked_and_refuses_a_flipped_bit() {
    let authority = Authority::new(Kind::P256);
    answer(&authority, "revoked", None, Signer::Delegated);
    let (is_accepted, said) = judge(&authority, "--load-trust ca.pem");
    assert!(
        is_accepted && said.contains("Certificate Status: revoked"),
        "{said}"
    );

    answer(&authority, "good", None, Signer::Ca);
    let mut response = authority.read("response.der");
    *response.last_mut().unwrap() ^= 1;
    fs::write(authority.path("response.der"), response).unwrap();
    let (is_accepted, said) = judge(&authority, "--load-signer ca.pem");
    assert!(!is_accepted, "{said}");
}
