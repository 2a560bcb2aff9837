//! PEM texts: reading, and that what was read is written so that it is read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pki::pem;

fuzz_target!(|input: &[u8]| {
    let _ = pem::is_pem(input);
    let Ok(blocks) = pem::decode(input) else { return };
    for block in blocks {
        let text = pem::encode(&block.label, &block.der);
        assert_eq!(pem::decode(text.as_bytes()), Ok(vec![block]));
    }
});
