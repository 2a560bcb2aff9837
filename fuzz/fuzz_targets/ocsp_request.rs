//! OCSP requests: what is read is written so that it is read as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ocsp::Request;

fuzz_target!(|input: &[u8]| {
    let Ok(request) = Request::parse(input) else {
        return;
    };
    assert!(request.cert_ids().len() <= ocsp::MAX_CERT_IDS);
    let written = request.to_der().expect("what was read can be written");
    assert!(written.len() <= input.len());
    assert_eq!(Request::parse(&written), Ok(request));
});
