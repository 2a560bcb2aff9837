//! Rows of a backup: what is read is written the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use store::rows;
use store::tables::TABLES;

fuzz_target!(|input: &[u8]| {
    let Some((which, octets)) = input.split_first() else {
        return;
    };
    let table = &TABLES[usize::from(*which) % TABLES.len()];
    if let Ok(read) = rows::decode(table, octets) {
        let mut written = Vec::new();
        for row in &read {
            rows::encode(row, &mut written).expect("a row");
        }
        assert_eq!(written, octets);
    }
});
