//! Public keys as SubjectPublicKeyInfo: reading with every check for weak keys, and the views of one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pki::PublicKey;

fuzz_target!(|input: &[u8]| {
    let Ok(key) = PublicKey::from_spki_der(input) else {
        return;
    };
    assert_eq!(key.spki_der(), input, "a key is kept as it came");
    let again = PublicKey::from_spki_der(key.spki_der()).expect("what was read is read again");
    assert_eq!(again.fingerprint(), key.fingerprint());
    let _ = (key.algorithm(), key.key_bits(), key.key_id());
});
