//! Transcripts of key ceremonies: one that holds has done no more steps than its plan has.

#![no_main]

use ca::ceremony::verify;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(verdict) = verify(input) {
        assert!(verdict.done <= verdict.plan.steps.len());
        assert_eq!(verdict.steps.len(), verdict.done);
    }
});
