//! Requests of the REST API: bodies and queries; and the conditions of any request. The first octet chooses the body.

#![no_main]

use front::fuzzing;
use http::header::{IF_MODIFIED_SINCE, IF_NONE_MATCH};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((number, octets)) = input.split_first() else {
        return;
    };
    fuzzing::body(*number, octets);
    if let Ok(text) = std::str::from_utf8(octets) {
        fuzzing::query(text);
    }
    fuzzing::conditions(&IF_NONE_MATCH, octets, "\"0102\"", Timestamp::UNIX_EPOCH);
    fuzzing::conditions(&IF_MODIFIED_SINCE, octets, "\"0102\"", Timestamp::UNIX_EPOCH);
});
