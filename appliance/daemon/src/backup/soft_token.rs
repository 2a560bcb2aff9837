//! The objects of soft tokens: SoftHSM2 keeps each token in a folder, which is copied. What a hardware token holds stays in it, and is
//! secured by its vendor's means.

use std::path::{Path, PathBuf};

use token::TokenConfig;

/// Where Debian has its configuration.
const DEBIAN: &str = "/etc/softhsm/softhsm2.conf";
/// The file that says which token a folder is.
const TOKEN_OBJECT: &str = "token.object";

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

/// The folders of these tokens.
pub(crate) fn folders(tokens: &[TokenConfig]) -> Vec<PathBuf> {
    let Some(all) = tokens_folder() else {
        return Vec::new();
    };
    let entries = std::fs::read_dir(all).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|folder| {
            let about = std::fs::read(folder.join(TOKEN_OBJECT)).unwrap_or_default();
            tokens
                .iter()
                .filter(|token| is_soft(token))
                .any(|token| is_of(token, &about))
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
    let name = token.label.as_ref().or(token.serial.as_ref());
    name.is_none_or(|name| {
        let name = name.as_bytes();
        !name.is_empty() && about.windows(name.len()).any(|part| part == name)
    })
}
