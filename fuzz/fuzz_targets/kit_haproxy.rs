//! HAProxy's runtime interface: what is sent as a payload, and what its answers are taken for.

#![no_main]

use kit::deploy::haproxy::{Step, payload, told};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    // A payload ends at its first empty line; what followed would be a command.
    let sent = payload(input);
    assert!(!sent.contains("\n\n") && !sent.starts_with('\n'));
    assert!(sent.is_empty() || sent.ends_with('\n'));
    assert_eq!(payload(sent.as_bytes()).as_str(), sent.as_str());

    let answer = String::from_utf8_lossy(input);
    let line = told(&answer);
    assert!(line.chars().count() <= 200 && !line.contains(char::is_control));
    // What repeats a name is never taken for a success.
    for (step, refusal) in [(Step::Set, "Can't update "), (Step::Commit, "Can't commit ")] {
        let name: String = answer.chars().filter(|letter| !letter.is_control()).collect();
        assert!(!step.is_done(&format!("{refusal}{name}!\n")));
    }
});
