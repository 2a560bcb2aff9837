//! The section `key` of a certificate: its kind, and whether a file or a token has it.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::section::Section;
use super::{KeyProvider, KeyReuse, KeySettings};
use crate::key::KeyType;
use crate::token_key::{MAX_LABEL, Place, TokenSettings};
use crate::write::OutputSettings;

/// Keys of the section that only one provider has.
const OF_PROVIDERS: [(&str, &str); 9] = [
    ("passphrase", "file"),
    ("passphrase_file", "file"),
    ("module", "pkcs11"),
    ("token_label", "pkcs11"),
    ("token_serial", "pkcs11"),
    ("slot", "pkcs11"),
    ("pin", "pkcs11"),
    ("pin_file", "pkcs11"),
    ("label", "pkcs11"),
];

/// Reads the section; `name` is the certificate's.
pub(super) fn read(section: &Section<'_>, name: &str) -> KeySettings {
    let key = section.section("key");
    let provider = key.text("provider").unwrap_or_else(|| "file".to_owned());
    let is_known = matches!(provider.as_str(), "file" | "pkcs11");
    match provider.as_str() {
        "file" | "pkcs11" => {}
        "tpm2" => key.problem(
            "provider",
            "is `pkcs11` for a TPM, with the library of tpm2-pkcs11",
        ),
        _ => key.problem("provider", "is one of file, pkcs11"),
    }
    for (name, owner) in OF_PROVIDERS {
        if is_known && owner != provider && key.has(name) {
            key.problem(name, format!("belongs to {owner}, not to {provider}"));
        }
    }
    let kind = key.parsed::<KeyType>("algorithm").unwrap_or_default();
    let token = token(&key, &provider, name);
    if provider == "pkcs11" {
        if !TokenSettings::KINDS.contains(&kind) {
            let kinds = TokenSettings::KINDS.map(|kind| kind.to_string()).join(", ");
            key.problem("algorithm", format!("is one of {kinds} for keys in tokens"));
        }
        if section.flag("generate_keys_locally") == Some(false) {
            section.problem(
                "generate_keys_locally",
                "is true where `key.provider` is pkcs11: a key that the appliance makes would have to come into the token from outside",
            );
        }
    }
    KeySettings {
        kind,
        reuse: key
            .choice(
                "reuse",
                &[("never", KeyReuse::Never), ("on-renew", KeyReuse::OnRenew)],
            )
            .unwrap_or_default(),
        passphrase: key.secret("passphrase"),
        provider: token.map_or(KeyProvider::File, |token| KeyProvider::Pkcs11(Box::new(token))),
    }
}

/// The token; nothing where the keys are in files, or something is missing, which is told.
fn token(key: &Section<'_>, provider: &str, name: &str) -> Option<TokenSettings> {
    let module = key.path_of("module");
    let label = key.text("label");
    let place = [
        key.text("token_label").map(Place::Label),
        key.text("token_serial").map(Place::Serial),
        key.number("slot", 0, u32::MAX)
            .map(|slot| Place::Slot(u64::from(slot))),
    ];
    let pin = key.secret("pin");
    if provider != "pkcs11" {
        return None;
    }
    match &module {
        None if !key.has("module") => key.problem("module", "is missing: the PKCS#11 library of the token"),
        Some(path) => {
            if let Err(what) = check_module(path) {
                key.problem("module", what);
            }
        }
        None => {}
    }
    let places = ["token_label", "token_serial", "slot"];
    match places.iter().filter(|place| key.has(place)).count() {
        1 => {}
        0 => key.problem(
            "token_label",
            "is missing: one of token_label, token_serial and slot says which token it is",
        ),
        _ => key.problem(
            "token_label",
            "is one of token_label, token_serial and slot, and several are there: choose one",
        ),
    }
    if pin.is_none() && !key.has("pin") && !key.has("pin_file") {
        key.problem("pin", "is missing: give `pin_file`, or `pin`");
    }
    let label = label.unwrap_or_else(|| name.chars().take(MAX_LABEL).collect());
    if !is_label(&label) {
        key.problem(
            "label",
            format!("is at most {MAX_LABEL} of A-Z, a-z, 0-9, `.`, `_` and `-`, a letter or digit first"),
        );
    }
    Some(TokenSettings {
        module: module?,
        place: place.into_iter().flatten().next()?,
        pin: pin?,
        label,
    })
}

/// Fit for a token, with room for the digits that make each key's own label of it.
fn is_label(label: &str) -> bool {
    label.len() <= MAX_LABEL && token::check_label(label).is_ok()
}

/// Whatever the file has runs in this process: it is nobody else's to change.
fn check_module(path: &Path) -> Result<(), String> {
    let named = |what: &str| format!("names {}, which {what}", path.display());
    let found = std::fs::metadata(path).map_err(|error| named(&format!("cannot be looked at: {error}")))?;
    if !found.is_file() {
        return Err(named("is no file"));
    }
    if found.mode() & 0o022 != 0 {
        return Err(named("others may write: chmod go-w it"));
    }
    if ![0, rustix::process::geteuid().as_raw()].contains(&found.uid()) {
        return Err(named("belongs to somebody else"));
    }
    Ok(())
}

/// Files with the key in them are for keys in files alone.
pub(super) fn refuse_joined(section: &Section<'_>, output: &OutputSettings) {
    let output_section = section.section("output");
    let names = &output.names;
    let joined = [
        ("combined", names.combined.is_some()),
        ("pkcs12", names.pkcs12.is_some()),
    ];
    for (key, is_there) in joined {
        if is_there {
            output_section.problem(
                key,
                "has the private key in it, which stays in the token: leave it out, or use `key.provider: file`",
            );
        }
    }
    if names.private_key.is_none() {
        output_section.problem(
            "private_key",
            "is where the reference to the key in the token is written: give it a name",
        );
    }
}
