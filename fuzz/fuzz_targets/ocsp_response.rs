//! OCSP responses, as a client reads and judges them: what is read is written so that it is read as the same.

#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use ocsp::{CertId, Expectation, Response, ResponseData};
use pki::Certificate;

static ISSUER: LazyLock<Certificate> = LazyLock::new(|| {
    let der = include_bytes!("../../protocols/ocsp/testdata/issuer/p256-ca.der");
    Certificate::parse(der).expect("the vector is a certificate")
});

fuzz_target!(|input: &[u8]| {
    let Ok(Response::Signed(response)) = Response::parse(input) else {
        return;
    };
    let data = response.data();
    let written = data.to_der().expect("what was read can be written");
    assert_eq!(ResponseData::parse(&written).as_ref(), Ok(data));
    let cert_ids: Vec<CertId> = data.statuses.iter().map(|status| status.cert_id).collect();
    let _ = response.verify(&Expectation {
        issuer: &ISSUER,
        cert_ids: &cert_ids,
        nonce: data.nonce().as_ref(),
        at: data.produced_at,
        skew: Duration::ZERO,
    });
});
