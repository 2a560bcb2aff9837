//! Profiles as JSON and as TOML: what is read is written so that it is read as the same, and is checked without fail.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pki::profile::Profile;

fuzz_target!(|input: &str| {
    let read = [
        serde_json::from_str::<Profile>(input).ok(),
        toml::from_str::<Profile>(input).ok(),
    ];
    for profile in read.into_iter().flatten() {
        let _ = profile.check();
        let written = serde_json::to_string(&profile).expect("what was read can be written");
        let again: Profile = serde_json::from_str(&written).expect("what was written is read");
        assert_eq!(
            serde_json::to_string(&again).expect("it can be written again"),
            written
        );
    }
});
