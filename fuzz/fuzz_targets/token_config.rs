//! `signerd.toml`: reading, checking, and that what was read is written so that it is read as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use token::Config;

fuzz_target!(|input: &str| {
    let Ok(config) = toml::from_str::<Config>(input) else {
        return;
    };
    let problems = config.check();
    let written = toml::to_string(&config).expect("what was read can be written");
    let again: Config = toml::from_str(&written).expect("what was written is read");
    assert_eq!(again.check(), problems);
});
