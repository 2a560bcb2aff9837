//! Private key files: PKCS#8, encrypted PKCS#8, SEC 1 and PKCS#1, in PEM and DER.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pki::key_file;

fuzz_target!(|input: &[u8]| {
    let _ = key_file::parse(input, None);
    if let Ok(key) = key_file::parse(input, Some(b"password")) {
        let again = key_file::parse(&key.pkcs8, None).expect("what was read is read again");
        assert_eq!(again.public_key, key.public_key);
    }
});
