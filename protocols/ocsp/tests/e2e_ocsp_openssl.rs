//! Requests and responses against `openssl ocsp`, as client and as responder.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/authority.rs"]
mod authority;

use std::fs;
use std::time::Duration;

use authority::{Authority, GOOD, KINDS, Kind, REVOKED, Signer, now, text_of};
use ocsp::{CertId, CertStatus, Expectation, HashAlgorithm, Nonce, Request, Response, VerifyFault};

/// Lets `openssl ocsp` ask with these arguments, answers, and lets it judge the answer.
fn judge(authority: &Authority, arguments: &str, signer: Signer) -> String {
    let nonce = if arguments.contains("-nonce") {
        ""
    } else {
        "-no_nonce"
    };
    authority.openssl(&format!(
        "ocsp -issuer ca.pem {nonce} {arguments} -reqout request.der"
    ));
    fs::write(
        authority.path("response.der"),
        authority.answer(&authority.read("request.der"), signer),
    )
    .unwrap();
    read_back(authority, arguments)
}

/// Two looks at the same answer, because `-reqin` and `-cert` exclude each other: signature and nonce, then statuses.
fn read_back(authority: &Authority, arguments: &str) -> String {
    let nonce = authority.run(
        "openssl",
        "ocsp -issuer ca.pem -reqin request.der -respin response.der -CAfile ca.pem -resp_text",
    );
    let arguments = arguments.replace("-nonce", "");
    let statuses = authority.run(
        "openssl",
        &format!("ocsp -issuer ca.pem -no_nonce {arguments} -respin response.der -CAfile ca.pem"),
    );
    text_of(&nonce) + &text_of(&statuses)
}

#[test]
fn accepts_answers_of_every_key_algorithm() {
    for kind in KINDS {
        let authority = Authority::new(kind);
        for signer in [Signer::Delegated, Signer::Ca] {
            for arguments in [
                "-sha1 -cert good.pem",
                "-sha256 -cert good.pem",
                "-nonce -sha256 -cert good.pem",
            ] {
                let verdict = judge(&authority, arguments, signer);
                assert!(
                    verdict.contains("Response verify OK"),
                    "{kind:?} {signer:?} {arguments}: {verdict}"
                );
                assert!(
                    verdict.contains("good.pem: good"),
                    "{kind:?} {signer:?} {arguments}: {verdict}"
                );
                let has_nonce = arguments.contains("-nonce");
                assert_eq!(
                    verdict.contains("OCSP Nonce"),
                    has_nonce,
                    "{kind:?} {signer:?} {arguments}: {verdict}"
                );
                assert!(
                    !verdict.contains("Nonce Verify error"),
                    "{kind:?} {signer:?} {arguments}: {verdict}"
                );
            }
        }
    }
}

#[test]
fn reads_several_statuses_of_one_answer() {
    let authority = Authority::new(Kind::P256);
    let arguments = "-nonce -sha1 -cert good.pem -sha256 -cert revoked.pem -serial 0x62";
    let verdict = judge(&authority, arguments, Signer::Delegated);
    assert!(verdict.contains("Response verify OK"), "{verdict}");
    assert!(verdict.contains("good.pem: good"), "{verdict}");
    assert!(verdict.contains("revoked.pem: revoked"), "{verdict}");
    assert!(verdict.contains("Reason: keyCompromise"), "{verdict}");
    assert!(verdict.contains("0x62: unknown"), "{verdict}");
}

/// The judge judges: one flipped bit of the signature, and the nonce of another request.
#[test]
fn refuses_what_is_wrong() {
    let authority = Authority::new(Kind::P256);
    judge(&authority, "-nonce -cert good.pem", Signer::Ca);
    let mut response = authority.read("response.der");
    *response.last_mut().unwrap() ^= 1;
    fs::write(authority.path("response.der"), response).unwrap();
    let verdict = read_back(&authority, "-nonce -cert good.pem");
    assert!(verdict.contains("Response Verify Failure"), "{verdict}");

    judge(&authority, "-nonce -cert good.pem", Signer::Ca);
    authority.openssl("ocsp -issuer ca.pem -nonce -cert good.pem -reqout request.der");
    let verdict = read_back(&authority, "-nonce -cert good.pem");
    assert!(verdict.contains("Nonce Verify error"), "{verdict}");
}

/// The client side of this crate asks OpenSSL's responder.
#[test]
fn openssl_answers_our_requests() {
    for kind in KINDS {
        let authority = Authority::new(kind);
        let index = format!(
            "V\t21000101000000Z\t\t{}\tunknown\t/CN=good\nR\t21000101000000Z\t250102030405Z,keyCompromise\t{REVOKED}\tunknown\t/CN=revoked\n",
            GOOD.to_uppercase()
        );
        fs::write(authority.path("index.txt"), index).unwrap();
        let issuer = authority.certificate("ca");
        let cert_id = |algorithm, name| {
            let serial = authority.certificate(name).serial();
            CertId::for_issuer(algorithm, issuer.subject().der(), issuer.public_key(), serial)
        };
        let cert_ids = [
            cert_id(HashAlgorithm::Sha256, "good"),
            cert_id(HashAlgorithm::Sha1, "revoked"),
        ];
        let nonce = Nonce::new(&[0x5c; 32]).unwrap();
        let request = Request::new(cert_ids[0])
            .with_cert_id(cert_ids[1])
            .with_nonce(nonce.clone())
            .to_der()
            .unwrap();
        fs::write(authority.path("request.der"), request).unwrap();
        authority.openssl(
            "ocsp -index index.txt -CA ca.pem -rsigner responder.pem -rkey responder.key -ndays 1 \
             -reqin request.der -respout response.der",
        );

        let Response::Signed(response) = Response::parse(&authority.read("response.der")).unwrap() else {
            panic!("openssl declined to answer");
        };
        let expected = Expectation {
            issuer: &issuer,
            cert_ids: &cert_ids,
            nonce: Some(&nonce),
            at: now(),
            skew: Duration::from_secs(5),
        };
        let statuses: Vec<_> = response
            .verify(&expected)
            .unwrap()
            .iter()
            .map(|status| status.status)
            .collect();
        assert_eq!(statuses[0], CertStatus::Good);
        assert!(matches!(statuses[1], CertStatus::Revoked { .. }));
        let other = Nonce::new(&[0x5d; 32]).unwrap();
        let fault = response
            .verify(&Expectation {
                nonce: Some(&other),
                ..expected
            })
            .unwrap_err();
        assert_eq!(fault, VerifyFault::NonceMismatch);
    }
}
