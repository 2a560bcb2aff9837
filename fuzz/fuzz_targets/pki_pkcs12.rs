//! PKCS#12 files, under the password of the seeds.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let _ = pki::pkcs12::read(input, "password");
});
