//! Entries of lists of names: what is read is written so that it is read as the same, and nothing covers what it does not name.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pki::SubjectAltName;
use pki::allowed_name::AllowedName;

fuzz_target!(|input: &str| {
    let (entry, name) = input.split_once('\n').unwrap_or((input, ""));
    let Ok(entry) = entry.parse::<AllowedName>() else {
        return;
    };
    assert_eq!(entry.to_string().parse::<AllowedName>().as_ref(), Ok(&entry));
    if let (Some(domain), Ok(name)) = (entry.domain(), SubjectAltName::dns(name))
        && entry.covers(&name)
    {
        assert!(name.to_string().ends_with(&domain.domain));
    }
});
