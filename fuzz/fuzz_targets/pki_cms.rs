//! PKCS#7 bundles of certificates: the certificates read are written as a bundle that is read as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pki::cms;

fuzz_target!(|input: &[u8]| {
    let Ok(certificates) = cms::parse(input) else {
        return;
    };
    let written = cms::certs_only(certificates.iter().map(pki::Certificate::der));
    let again = cms::parse(&written).expect("what was written is read");
    assert_eq!(again, certificates);
});
