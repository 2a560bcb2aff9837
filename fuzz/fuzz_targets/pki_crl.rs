//! CRLs in PEM or DER: reading, walking the entries, finding one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pki::Crl;

fuzz_target!(|input: &[u8]| {
    let Ok(crl) = Crl::parse(input) else { return };
    let again = Crl::parse(crl.pem().as_bytes()).expect("what was read is read again");
    assert_eq!(again.der(), crl.der());
    let _ = (
        crl.issuer().to_string(),
        crl.number(),
        crl.delta_base(),
        crl.authority_key_id(),
    );
    for entry in crl.entries().flatten() {
        assert!(crl.find(entry.serial).is_some());
    }
});
