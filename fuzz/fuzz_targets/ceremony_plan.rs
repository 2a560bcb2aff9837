//! Plans of key ceremonies: what is read is the text that was given, and has the hash of it.

#![no_main]

use ca::ceremony::Plan;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    if let Ok(plan) = Plan::parse(input) {
        assert_eq!(plan.text, input);
        assert!(plan.threshold >= 1 && plan.threshold <= plan.approvers.len());
        assert!(plan.step(plan.steps.len()).is_some());
    }
});
