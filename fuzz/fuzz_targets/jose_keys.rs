//! Keys and sets of keys in JSON: a key that is read is written as the same key.

#![no_main]

use jose::{Jwk, KeySet};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(keys) = KeySet::parse(input) else {
        return;
    };
    for key in keys.keys() {
        let again = Jwk::parse(key.to_json().as_bytes()).expect("what was written is read");
        assert_eq!(again.thumbprint(), key.thumbprint());
        assert_eq!(again.to_spki_der(), key.to_spki_der());
    }
});
