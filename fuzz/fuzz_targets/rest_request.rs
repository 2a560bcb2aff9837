//! Requests of the REST API: bodies with what becomes of them, queries, and names of certificates. The first octet chooses
//! the body.

#![no_main]

use front::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((number, octets)) = input.split_first() else {
        return;
    };
    fuzzing::body(*number, octets);
    if let Ok(text) = std::str::from_utf8(octets) {
        fuzzing::query(text);
        fuzzing::certificate_name(text);
    }
});
