//! Two tokens with the same key in them, which was made elsewhere.

#![allow(clippy::unwrap_used, reason = "test support")]

use std::fs;
use std::path::Path;
use std::process::Command;

use signer_wire::{KeyKind, KeyRecord};
use token::{SoftwareConfig, TokenConfig};

use crate::soft_tokens::{Make, PIN};

/// The tokens `left` and `right`, in this order.
pub(crate) fn shared_key(make: Make, directory: &Path) -> (KeyRecord, Vec<TokenConfig>) {
    let plain = directory.join("plain");
    let config = SoftwareConfig {
        directory: Some(plain.clone()),
        passphrase_file: None,
    };
    let software = token::Software::open(&config).unwrap();
    let record = token::Keys::generate(&software, "shared", KeyKind::P256).unwrap();
    let key_file = fs::read_dir(plain).unwrap().next().unwrap().unwrap().path();
    let tokens = ["left", "right"].map(|label| make.new_token(directory, label));
    for token in &tokens {
        let label = token.label.as_deref().unwrap();
        let imported = Command::new("softhsm2-util")
            .args([
                "--import",
                key_file.to_str().unwrap(),
                "--token",
                label,
                "--label",
                "shared",
            ])
            .args(["--id", "01", "--pin", PIN])
            .output()
            .unwrap();
        assert!(imported.status.success(), "{imported:?}");
    }
    (record, tokens.to_vec())
}
