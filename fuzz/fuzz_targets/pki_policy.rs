//! Policies: one that is read is written so that it is read as the same, and holds any request without falling over.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pki::policy::{Action, Policy, Request, judge};
use pki::profile::Profile;
use pki::{DistinguishedName, KeyAlgorithm, SubjectAltName};

fuzz_target!(|input: &[u8]| {
    let Ok(policy) = serde_json::from_slice::<Policy>(input) else {
        return;
    };
    let written = serde_json::to_vec(&policy).expect("a policy is written");
    assert_eq!(
        serde_json::from_slice::<Policy>(&written).expect("what was written is read"),
        policy
    );
    let Some(profile) = Profile::ready_named("tls-server") else {
        return;
    };
    assert!(policy.problems().is_empty());
    let names = ["*.example.com", "a.example.com"].map(|name| SubjectAltName::Dns(name.to_owned()));
    let request = Request {
        action: Action::Generate,
        names: &names,
        subject: &DistinguishedName::empty(),
        key: KeyAlgorithm::Rsa(2048),
        signature: None,
        validity_days: 90,
        profile,
        asks_for_ca: true,
        replaced_not_after: None,
        now: "2030-01-01T00:00:00Z".parse().expect("a time"),
    };
    let judgement = judge([&policy], &request);
    // What was put in once is there, and nothing more is wrong then.
    let again = Request {
        subject: &judgement.subject,
        ..request
    };
    assert_eq!(judge([&policy], &again), judgement);
});
