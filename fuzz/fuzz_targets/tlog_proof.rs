//! Proofs as files, and the size in the answer of a witness: what is read is written the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tlog::{ConsistencyText, InclusionText};

fuzz_target!(|input: &[u8]| {
    if let Ok(proof) = InclusionText::parse(input) {
        assert_eq!(proof.to_string().as_bytes(), input);
    }
    if let Ok(proof) = ConsistencyText::parse(input) {
        assert_eq!(proof.to_string().as_bytes(), input);
    }
    if let Some(size) = tlog::read_size(input) {
        assert_eq!(format!("{size}\n").as_bytes(), input);
    }
});
