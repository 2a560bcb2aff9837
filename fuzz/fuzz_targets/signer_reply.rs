//! What the signing service may answer: decoding never panics, and what decodes encodes to the same octets.

#![no_main]

use libfuzzer_sys::fuzz_target;
use signer_wire::{FRAME_HEADER, Reply};

fuzz_target!(|body: &[u8]| {
    if let Ok((id, reply)) = Reply::decode(body) {
        let mut frame = Vec::new();
        reply
            .encode(id, &mut frame)
            .expect("what was decoded is within its bounds");
        assert_eq!(&frame[FRAME_HEADER..], body);
    }
});
