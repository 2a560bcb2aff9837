//! The courier's YAML: reading it, checking it, and saying what it comes to or what is wrong.

#![no_main]

use std::collections::BTreeMap;
use std::path::Path;

use courier::config::{self, Origin};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let variables = BTreeMap::from([("SECRET".to_owned(), "k5r2".to_owned())]);
    let origin = Origin {
        path: Path::new("/nonexistent/courier/web.yaml"),
        base: Path::new("/nonexistent/courier"),
        is_readable_by_others: true,
    };
    for allow_unknown in [false, true] {
        match config::parse(input, origin, &variables, allow_unknown) {
            Ok(settings) => {
                let summary = config::summary(&settings);
                assert!(!summary.to_string().is_empty());
            }
            Err(fault) => assert!(!fault.to_string().is_empty()),
        }
    }
});
