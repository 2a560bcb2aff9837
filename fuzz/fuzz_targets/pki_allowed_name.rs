//! Entries of lists of names, as text or as JSON: what is read is written so that it is read as the same, and covers nothing but
//! what lies under its domain.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pki::SubjectAltName;
use pki::allowed_name::{AllowedName, lies_under, requested_dns};

fuzz_target!(|input: &str| {
    let (entry, name) = input.split_once('\n').unwrap_or((input, ""));
    let name = requested_dns(name).ok();
    if let Some(SubjectAltName::Dns(text)) = &name {
        assert_eq!(
            requested_dns(&format!("{}.", text.to_ascii_uppercase())).ok(),
            name
        );
    }
    let read = [entry.parse().ok(), serde_json::from_str(entry).ok()];
    for entry in read.into_iter().flatten() {
        let entry: AllowedName = entry;
        assert_eq!(entry.to_string().parse::<AllowedName>().as_ref(), Ok(&entry));
        if let (Some(domain), Some(SubjectAltName::Dns(text))) = (entry.domain(), &name) {
            let members = serde_json::to_string(domain).expect("members are written");
            assert_eq!(
                serde_json::from_str::<AllowedName>(&members).ok().as_ref(),
                Some(&entry)
            );
            let upper = SubjectAltName::Dns(format!("{}.", text.to_ascii_uppercase()));
            let is_covered = entry.covers(&SubjectAltName::Dns(text.clone()));
            assert_eq!(entry.covers(&upper), is_covered);
            assert!(!is_covered || lies_under(text, &domain.domain));
        }
    }
});
