//! Serial numbers as text and as octets: what is read is written as text that is read as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pki::Serial;

fuzz_target!(|input: &[u8]| {
    for serial in [
        Serial::from_unsigned(input).ok(),
        std::str::from_utf8(input)
            .ok()
            .and_then(|text| text.parse::<Serial>().ok()),
    ]
    .into_iter()
    .flatten()
    {
        assert_eq!(serial.to_string().parse(), Ok(serial));
        assert_eq!(Serial::from_unsigned(serial.as_bytes()), Ok(serial));
    }
});
