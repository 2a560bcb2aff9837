//! PKCS#10 requests in PEM or DER: reading, every view of one, and the check of its signature.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pki::Csr;

fuzz_target!(|input: &[u8]| {
    let Ok(csr) = Csr::parse(input) else { return };
    let again = Csr::parse(csr.der()).expect("what was read is read again");
    assert_eq!(again, csr);
    let _ = csr.subject().to_string();
    let _ = csr.subject_alt_names();
    let _ = csr.requested_ca();
    let _ = csr.requested_key_usage();
    let _ = csr.requested_extended_key_usage();
    let _ = csr.challenge_password();
    let _ = csr.verify();
});
