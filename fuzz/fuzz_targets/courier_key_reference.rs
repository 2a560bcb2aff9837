//! The reference to a key in a token that stands where its file would be (RFC 7512).

#![no_main]

use courier::key::{KeptKey, KeyReference};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let read = KeyReference::read(input);
    if let Ok(reference) = &read {
        assert!(KeyReference::is_meant(input));
        let written = reference.to_string();
        // What was read is written so that it is read as the same, in one line without a PIN.
        assert_eq!(KeyReference::read(format!("{written}\n").as_bytes()).as_ref(), Ok(reference));
        assert!(written.is_ascii() && !written.contains(['\n', '?', ' ']));
        assert!(!written.contains("pin-"));
    }
    if KeyReference::is_meant(input) {
        assert_eq!(KeptKey::parse(input, None).is_ok(), read.is_ok());
    }
});
