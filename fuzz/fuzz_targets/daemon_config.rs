//! `chancery.toml`: reading, checking, and that what was read is written so that it is read as the same.

#![no_main]
#![allow(
    dead_code,
    unused_imports,
    reason = "the module is that of a program, which uses more of it"
)]

use libfuzzer_sys::fuzz_target;

#[path = "../../appliance/daemon/src"]
mod daemon {
    pub(crate) mod config;
}

use daemon::config::Config;

fuzz_target!(|input: &str| {
    let Ok(read) = Config::parse(input) else {
        return;
    };
    let problems = read.check();
    let written = toml::to_string(&read).expect("what was read can be written");
    let again = Config::parse(&written).expect("what was written is read");
    assert_eq!(again.check(), problems);
    assert!(again.differences(&read).is_empty());
});
