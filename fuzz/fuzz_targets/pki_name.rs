//! Distinguished names, as DER and as the text of RFC 4514.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pki::DistinguishedName;

fuzz_target!(|input: &[u8]| {
    if let Ok(name) = DistinguishedName::from_der(input) {
        let _ = (name.to_string(), name.common_name(), name.is_empty());
    }
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let Ok(name) = DistinguishedName::parse(text) else {
        return;
    };
    assert_eq!(DistinguishedName::from_der(name.der()), Ok(name.clone()));
    let _ = (name.to_string(), name.common_name());
});
