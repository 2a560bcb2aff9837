//! Which files the configurations name, wherever they are: what a backup takes along beside the folders, and all that a restore puts
//! outside of them. Whoever makes a backup up could otherwise put a file of theirs anywhere.

use std::path::PathBuf;

use crate::config::Config;

/// The files that `chancery.toml` names, besides `signerd.toml`.
pub(super) fn by_server(config: &Config) -> Vec<PathBuf> {
    let own = &config.store;
    let named = [&own.password_file, &own.tls_roots, &own.tls_identity];
    let witnesses = config.audit.witnesses.iter();
    let named = named.into_iter().chain(witnesses.map(|one| &one.tls_roots));
    let named = named.flatten().chain(&config.keys.blocklists);
    named.map(|file| config.path(file)).collect()
}

/// The files that `signerd.toml` names.
pub(super) fn by_signing(signing: &token::Config) -> Vec<PathBuf> {
    let pins = signing.tokens.iter().map(|token| &token.pin_file);
    let phrase = signing
        .software
        .as_ref()
        .and_then(|own| own.passphrase_file.as_ref());
    pins.flatten().chain(phrase).cloned().collect()
}

/// The folder of software keys that it names.
pub(super) fn key_folder(signing: &token::Config) -> Option<&PathBuf> {
    signing.software.as_ref().and_then(|own| own.directory.as_ref())
}
