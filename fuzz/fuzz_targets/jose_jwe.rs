//! Envelopes: nothing opens that was not made for the recipient, and nothing that is read falls over.

#![no_main]

use jose::jwe::{Expected, RecipientKey};
use jose::jwk::Curve;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let expected = Expected {
        order: "o",
        spki: &[7; 32],
    };
    for curve in [Curve::P256, Curve::X25519] {
        let Ok(recipient) = RecipientKey::from_octets(curve, &[9; 32]) else {
            continue;
        };
        assert!(recipient.decrypt(text, &expected).is_err());
    }
});
