//! Subject alternative names as text (`dns:a.example`): what is read is written as text that is read as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pki::SubjectAltName;

fuzz_target!(|input: &str| {
    let Ok(name) = input.parse::<SubjectAltName>() else {
        return;
    };
    assert_eq!(name.to_string().parse(), Ok(name));
});
