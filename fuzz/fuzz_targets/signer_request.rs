//! What a client may send to the signing service: decoding never panics, and what decodes encodes to the same octets.

#![no_main]

use libfuzzer_sys::fuzz_target;
use signer_wire::{FRAME_HEADER, Request};

fuzz_target!(|body: &[u8]| {
    let (id, request) = Request::decode(body);
    if let (Some(id), Ok(request)) = (id, request) {
        let mut frame = Vec::new();
        request
            .encode(id, &mut frame)
            .expect("what was decoded is within its bounds");
        assert_eq!(&frame[FRAME_HEADER..], body);
    }
});
