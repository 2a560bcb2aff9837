//! The objects of soft tokens: SoftHSM2 keeps each token in a folder, which is copied. What a hardware token holds stays in it, and is
//! secured by its vendor's means.

use std::path::{Path, PathBuf};

use token::TokenConfig;

/// Where Debian has its configuration.
const DEBIAN: &str = "/etc/softhsm/softhsm2.conf";
/// The file that says which token a folder is.
const TOKEN_OBJECT: &str = "token.object";

/// Where distributions put its module.
pub(crate) const USUAL_MODULES: &[&str] = &[
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm.so",
];

/// The folder of all tokens of SoftHSM2 on this machine.
pub(crate) fn tokens_folder() -> Option<PathBuf> {
    let named = std::env::var_os("SOFTHSM2_CONF").map(PathBuf::from);
    let of_user =
        std::env::var_os("HOME").map(|home| Path::new(&home).join(".config/softhsm2/softhsm2.conf"));
    let candidates = [named, of_user, Some(PathBuf::from(DEBIAN))];
    let text = candidates
        .into_iter()
        .flatten()
        .find_map(|file| std::fs::read_to_string(file).ok())?;
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("directories.tokendir"))?;
    Some(PathBuf::from(line.trim_start().strip_prefix('=')?.trim()))
}

/// Whether it is a token of SoftHSM2.
pub(crate) fn is_soft(token: &TokenConfig) -> bool {
    token.module.to_string_lossy().contains("softhsm")
}

/// The folders of a token.
pub(crate) fn folders(token: &TokenConfig) -> Vec<PathBuf> {
    if !is_soft(token) {
        return Vec::new();
    }
    let Some(all) = tokens_folder() else {
        return Vec::new();
    };
    let entries = std::fs::read_dir(all).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|folder| {
            let about = std::fs::read(folder.join(TOKEN_OBJECT)).unwrap_or_default();
            is_of(token, &about)
        })
        .collect();
    found.sort();
    found
}

/// Whether a folder is that of a token: its label or serial number stands in it. One that is named by its slot may be any.
fn is_of(token: &TokenConfig, about: &[u8]) -> bool {
    if about.is_empty() {
        return false;
    }
    let (name, octets) = match (&token.label, &token.serial) {
        (Some(label), _) => (label, 32_usize),
        (None, Some(serial)) => (serial, 16),
        (None, None) => return true,
    };
    // PKCS#11 pads both with blanks; SoftHSM2 writes the length of a value before it.
    let mut value = (octets as u64).to_be_bytes().to_vec();
    value.extend(name.bytes().chain(std::iter::repeat(b' ')).take(octets));
    !name.is_empty() && about.windows(value.len()).any(|part| part == value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    #[test]
    fn a_token_is_its_own_and_not_one_whose_name_begins_likewise() {
        let about = |label: &str, serial: &str| {
            let label = format!("\0\0\0\0\0\0\0\x20{label:<32}");
            let serial = format!("\0\0\0\0\0\0\0\x10{serial:<16}");
            [label.as_bytes(), b"\0\x53\x4a", serial.as_bytes()].concat()
        };
        let token = |text: &str| -> TokenConfig {
            let text = format!("name = \"one\"\nmodule = \"/usr/lib/softhsm/libsofthsm2.so\"\n{text}");
            toml::from_str(&text).unwrap()
        };
        let (one, two) = (about("chancery", "5967c9f7a4a27c0b"), about("chancery2", "0123"));
        let named = token("label = \"chancery\"");
        assert!(is_of(&named, &one) && !is_of(&named, &two) && !is_of(&named, b""));
        let numbered = token("serial = \"5967c9f7a4a27c0b\"");
        assert!(is_of(&numbered, &one) && !is_of(&numbered, &two));
    }
}
