//! Exports of the audit log: whatever is read has no gap.

#![no_main]

use ca::ExportedLog;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(log) = ExportedLog::read(input) {
        let (last, _) = log.last().expect("an entry");
        assert!(log.first() <= last);
    }
});
