//! What the public listener reads of a request: three lines, the target, what is accepted, and a condition.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let mut lines = text.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default();
    front::fuzzing::public(line(), line(), line());
});
