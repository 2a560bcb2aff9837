//! Encrypted files: what is no file of ours is refused, whatever it is; a header that opens was made for one of the keys.

#![no_main]

use std::io::Read as _;

use age_file::{Identity, Passphrase, Recipient};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(mut opened) = age_file::open(input, &[Identity::from_random([7; 32])]) {
        let mut contents = Vec::new();
        let _ = opened.read_to_end(&mut contents);
        assert!(contents.len() < input.len());
    }
    // More work than this is done for nobody who only fuzzes.
    if !input.windows(6).any(|part| part == b"scrypt") {
        let passphrase = Passphrase::new(String::from("secret").into());
        assert!(age_file::open_with_passphrase(input, &passphrase).is_err());
    }
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    if let Ok(recipient) = text.parse::<Recipient>() {
        assert_eq!(recipient.to_string(), text.to_ascii_lowercase());
    }
    if let Ok(identity) = text.parse::<Identity>() {
        assert_eq!(identity.to_secret_text().as_str(), text.to_ascii_uppercase());
    }
});
