//! Which keys of a token the courier has made, and which of them it still needs.

use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;

use super::{TokenKeys, TokenSettings};
use crate::config::{CertificateSettings, KeyProvider};
use crate::failure::Failure;
use crate::folder::Folder;
use crate::key::{KeptKey, KeyReference};
use crate::state::{Memory, State, TokenKeyNote};
use crate::write::{Watch, WriteFault};

/// Makes a key for a certificate. Its label is noted, durably, before anything is in the token.
pub fn make(
    keys: &TokenKeys,
    settings: &CertificateSettings,
    wanted: &TokenSettings,
    (memory, state): (&Memory, &mut State),
    watch: &mut dyn Watch,
) -> Result<KeyReference, Failure> {
    let label = wanted.fresh_label()?;
    state.token_keys.push(TokenKeyNote {
        label: label.clone(),
        place: wanted.place.to_string(),
        set: settings.output.set_path(),
    });
    watch.step("note the label of a key");
    memory.save(state)?;
    watch.step("make a key in the token");
    let made = keys.generate(&label, settings.key.kind)?;
    watch.step("go on with the key in the token");
    Ok(made)
}

/// Destroys the keys that nothing on disk refers to: neither the files that are installed or kept for going back, nor the pending order,
/// nor a key that was prepared. The token is opened only when there is one. What is told is for the operator.
pub fn sweep(
    settings: &CertificateSettings,
    (memory, state): (&Memory, &mut State),
    open: impl FnOnce() -> Result<Rc<TokenKeys>, Failure>,
    watch: &mut dyn Watch,
) -> Result<Vec<String>, Failure> {
    if state.token_keys.is_empty() {
        return Ok(Vec::new());
    }
    let needed = needed(settings, memory, state)?;
    let is_loose = |note: &&TokenKeyNote| !needed.contains(&note.label);
    let loose: Vec<TokenKeyNote> = state.token_keys.iter().filter(is_loose).cloned().collect();
    if loose.is_empty() {
        return Ok(Vec::new());
    }
    let place = match &settings.key.provider {
        KeyProvider::File => None,
        KeyProvider::Pkcs11(token) => Some(token.place.to_string()),
    };
    let (here, elsewhere): (Vec<_>, Vec<_>) = loose
        .into_iter()
        .partition(|note| place.as_ref() == Some(&note.place));
    if !here.is_empty() {
        let keys = open()?;
        for note in &here {
            watch.step("destroy a key in the token");
            keys.destroy(&note.label)?;
        }
    }
    state.token_keys.retain(|note| needed.contains(&note.label));
    watch.step("cross out the destroyed keys");
    memory.save(state)?;
    let told = elsewhere.into_iter().map(|note| {
        format!(
            "the key {} in the {} is not needed any more; the file does not name that token now: destroy the key by hand",
            note.label, note.place
        )
    });
    Ok(told.collect())
}

/// The labels of the keys that something refers to. What cannot be read makes it fail: then nothing is destroyed.
fn needed(
    settings: &CertificateSettings,
    memory: &Memory,
    state: &State,
) -> Result<BTreeSet<String>, Failure> {
    let passphrase = settings.key.passphrase.as_ref();
    let mut labels = BTreeSet::new();
    let mut add = |key: Option<&KeptKey>| {
        labels.extend(
            key.and_then(KeptKey::in_token)
                .map(|reference| reference.object.clone()),
        );
    };
    if state.pending.is_some() {
        add(memory.pending_key(passphrase)?.as_ref());
    }
    add(memory.prepared_key(passphrase)?.as_ref());
    let own = settings.output.set_path();
    let owner = settings.output.access(0).map_err(WriteFault::from)?.owner;
    // The outputs may have been moved since: what stands where they were may still be served.
    let sets: BTreeSet<&Path> = state.token_keys.iter().map(|note| note.set.as_path()).collect();
    for set in sets.into_iter().chain([own.as_path()]) {
        labels.extend(referred_to(&set.join("generations"), owner)?);
    }
    Ok(labels)
}

/// The labels that the files of all generations refer to; `owner` is one more account that the directories may belong to.
fn referred_to(generations: &Path, owner: Option<u32>) -> Result<Vec<String>, WriteFault> {
    if !generations.exists() {
        return Ok(Vec::new());
    }
    let folder = Folder::open(generations, owner)?;
    let mut labels = Vec::new();
    for number in folder.names()? {
        let generation = folder.enter(&number)?;
        for name in generation.names()? {
            let text = generation.read_file(&name)?;
            let Some(text) = text.filter(|text| KeyReference::is_meant(text)) else {
                continue;
            };
            let reference = KeyReference::read(&text).map_err(|fault| {
                let path = generations.join(&number).join(&name);
                WriteFault::Contents(format!("{}: {fault}", path.display()))
            })?;
            labels.push(reference.object);
        }
    }
    Ok(labels)
}

#[cfg(test)]
mod tests;
