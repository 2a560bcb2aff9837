//! Entry bundles: the first octet says how many entries there should be; what is read is written the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tlog::Bundle;

fuzz_target!(|input: (u8, &[u8])| {
    let (last, octets) = input;
    let bundle = Bundle::new(0, u16::from(last) + 1).expect("of 1 to 256 entries");
    let Ok(entries) = bundle.read(octets) else {
        return;
    };
    assert_eq!(entries.len(), usize::from(last) + 1);
    let mut written = Vec::new();
    for entry in entries {
        tlog::write_entry(&mut written, entry).expect("what was read can be written");
    }
    assert_eq!(written, octets);
});
