//! Lists of known bad keys.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pki::key::Blocklist;

fuzz_target!(|input: &str| {
    let Ok(list) = Blocklist::parse(input) else {
        return;
    };
    assert!(list.is_empty() || !input.trim().is_empty());
});
