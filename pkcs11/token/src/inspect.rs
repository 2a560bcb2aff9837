//! Looking at a PKCS#11 module from outside, for the command line: slots, tokens, mechanisms, keys, a test
//! signature, and the initialisation of a new token.

use std::path::Path;
use std::time::{Duration, Instant};

use cryptoki::context::Pkcs11;
use cryptoki::error::Error as CkError;
use cryptoki::session::UserType;
use cryptoki::slot::{Slot, TokenInfo};
use secrecy::SecretString;
use serde::Serialize;
use signer_wire::{Input, KeyKind, KeyRecord, Scheme};

use crate::config::TokenConfig;
use crate::error::Error;
use crate::hsm::Hsm;
use crate::keys::Keys;
use crate::module::Module;
use crate::module_error::{ModuleError, describe};
use crate::pin::PinSource;
use crate::public_key;
use crate::test_message::TEST_MESSAGE;

/// What is said of the user PIN of a token that wants one and has none.
pub const NO_PIN_YET: &str = "not set";

/// A slot of a module.
#[derive(Debug, Clone, Serialize)]
pub struct SlotReport {
    /// Its number.
    pub slot: u64,
    /// What the module calls it.
    pub description: String,
    /// The token in it, if there is one.
    pub token: Option<TokenReport>,
    /// Why it cannot be told what is in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A token in a slot.
#[derive(Debug, Clone, Serialize)]
pub struct TokenReport {
    /// Its label; empty before it is initialised.
    pub label: String,
    /// Its serial number.
    pub serial: String,
    /// Who made it.
    pub manufacturer: String,
    /// What it is.
    pub model: String,
    /// Whether it is initialised.
    pub initialized: bool,
    /// How its user PIN is: [`NO_PIN_YET`], `not needed`, `set`, `tried wrongly`, `last try` or `locked`.
    pub user_pin: &'static str,
    /// The mechanisms it has, by their names (CKM_…).
    pub mechanisms: Vec<String>,
    /// The kinds of key that can be made in it and sign.
    pub key_kinds: Vec<String>,
}

/// A signature made to see whether a key works.
#[derive(Debug, Clone, Serialize)]
pub struct TestSignature {
    /// The key's fingerprint.
    pub key: String,
    /// The key's label.
    pub label: String,
    /// The key's kind.
    pub kind: String,
    /// The scheme that was tried.
    pub scheme: String,
    /// How long the token took, in microseconds.
    pub microseconds: u64,
    /// `ok`, or what went wrong.
    pub outcome: String,
}

/// A token to be initialised.
#[derive(Debug)]
pub struct NewToken {
    /// Its slot; the first with a token that is not initialised when it is not given.
    pub slot: Option<u64>,
    /// Its label, up to 32 octets.
    pub label: String,
    /// The PIN of its security officer.
    pub so_pin: SecretString,
    /// The PIN of its user, which the signing service is given.
    pub user_pin: SecretString,
}

/// The slots of a module and the tokens in them. One that cannot be looked at keeps nobody from seeing the others.
pub fn slots(module: &Path) -> Result<Vec<SlotReport>, Error> {
    let module = Module::load(module)?;
    let failed = |error| failed(&module, error);
    module.ensure_initialised().map_err(failed)?;
    let slots = module.pkcs11().get_all_slots().map_err(failed)?;
    let unseen = |slot: Slot, error: CkError| SlotReport {
        slot: slot.id(),
        description: String::new(),
        token: None,
        problem: Some(describe(error)),
    };
    let report = |slot| report(module.pkcs11(), slot).unwrap_or_else(|error| unseen(slot, error));
    Ok(slots.into_iter().map(report).collect())
}

/// The keys of a token, as the token describes them. A PIN that it rejects is remembered in `state_directory`.
pub fn keys(
    token: &TokenConfig,
    pin: PinSource,
    state_directory: Option<&Path>,
) -> Result<Vec<KeyRecord>, Error> {
    Hsm::connect(token, pin, state_directory).map(|hsm| hsm.list())
}

/// Signs something with every key of a token, in the scheme its kind is used with, and verifies the signatures. A
/// PIN that the token rejects is remembered in `state_directory`.
pub fn test_signatures(
    token: &TokenConfig,
    pin: PinSource,
    state_directory: Option<&Path>,
) -> Result<Vec<TestSignature>, Error> {
    let hsm = Hsm::connect(token, pin, state_directory)?;
    Ok(hsm
        .list()
        .into_iter()
        .map(|record| test_signature(&hsm, &record))
        .collect())
}

fn test_signature(hsm: &Hsm, record: &KeyRecord) -> TestSignature {
    let message = TEST_MESSAGE.to_vec();
    let scheme = Scheme::default_for(record.kind);
    let start = Instant::now();
    let signed = hsm.sign(&record.key, scheme, &Input::Message(message.clone()), None);
    let taken: Duration = start.elapsed();
    let outcome = match signed {
        Ok(signature) if public_key::verify(&record.spki, scheme, &message, &signature) => "ok".to_owned(),
        Ok(_) => "the signature is wrong".to_owned(),
        Err(error) => error.to_fault().message,
    };
    TestSignature {
        key: record.key.to_string(),
        label: record.label.clone(),
        kind: record.kind.to_string(),
        scheme: scheme.to_string(),
        microseconds: u64::try_from(taken.as_micros()).unwrap_or(u64::MAX),
        outcome,
    }
}

/// Initialises a token and sets its user PIN. A token that is initialised already is left alone, because its keys
/// would be destroyed; but one with this label and without a user PIN, whose initialisation was broken off, gets its PIN.
pub fn init_token(module: &Path, new: &NewToken) -> Result<SlotReport, Error> {
    if new.label.is_empty() || new.label.len() > 32 {
        return Err(Error::Refused("a token's label has 1 to 32 octets".to_owned()));
    }
    let module = Module::load(module)?;
    let failed = |error| failed(&module, error);
    module.ensure_initialised().map_err(failed)?;
    let pkcs11 = module.pkcs11();
    let slot = if let Some(begun) = begun_slot(pkcs11, new)? {
        begun
    } else {
        let slot = uninitialised_slot(pkcs11, new)?;
        pkcs11.init_token(slot, &new.so_pin, &new.label).map_err(failed)?;
        slot
    };
    let session = pkcs11.open_rw_session(slot).map_err(failed)?;
    session.login(UserType::So, Some(&new.so_pin)).map_err(failed)?;
    session.init_pin(&new.user_pin).map_err(failed)?;
    session.logout().map_err(failed)?;
    drop(session);
    report(pkcs11, slot).map_err(failed)
}

fn tokens(pkcs11: &Pkcs11) -> Result<Vec<(Slot, TokenInfo)>, Error> {
    let refused = |error: CkError| Error::Refused(format!("the module shows no slots: {}", describe(error)));
    let slots = pkcs11.get_slots_with_token().map_err(refused)?;
    Ok(slots
        .into_iter()
        .filter_map(|slot| Some((slot, pkcs11.get_token_info(slot).ok()?)))
        .collect())
}

/// The slot of the token with this label that is initialised and waits for its user PIN.
fn begun_slot(pkcs11: &Pkcs11, new: &NewToken) -> Result<Option<Slot>, Error> {
    let begun = |slot: &Slot, token: &TokenInfo| {
        new.slot.is_none_or(|id| slot.id() == id)
            && token.label().trim_end() == new.label
            && token.token_initialized()
            && user_pin(token) == NO_PIN_YET
    };
    Ok(tokens(pkcs11)?
        .iter()
        .find(|(slot, token)| begun(slot, token))
        .map(|(slot, _)| *slot))
}

fn uninitialised_slot(pkcs11: &Pkcs11, new: &NewToken) -> Result<Slot, Error> {
    let tokens = tokens(pkcs11)?;
    if tokens
        .iter()
        .any(|(_, token)| token.token_initialized() && token.label().trim_end() == new.label)
    {
        return Err(Error::Refused(format!(
            "there is a token with the label {:?} already",
            new.label
        )));
    }
    let wanted = |slot: &Slot| new.slot.is_none_or(|id| slot.id() == id);
    let candidates: Vec<&(Slot, TokenInfo)> = tokens.iter().filter(|(slot, _)| wanted(slot)).collect();
    match (
        candidates.iter().find(|(_, token)| !token.token_initialized()),
        new.slot,
    ) {
        (Some((slot, _)), _) => Ok(*slot),
        (None, Some(id)) if candidates.is_empty() => {
            Err(Error::Refused(format!("there is no token in slot {id}")))
        }
        (None, Some(id)) => Err(Error::Refused(format!(
            "the token in slot {id} is initialised already; to initialise it again would destroy its keys, and is left to the vendor's tool"
        ))),
        (None, None) => Err(Error::Refused(
            "every token of the module is initialised already".to_owned(),
        )),
    }
}

fn report(pkcs11: &Pkcs11, slot: Slot) -> Result<SlotReport, CkError> {
    let info = pkcs11.get_slot_info(slot)?;
    let token = if info.token_present() {
        Some(token_report(pkcs11, slot)?)
    } else {
        None
    };
    Ok(SlotReport {
        slot: slot.id(),
        description: info.slot_description().trim_end().to_owned(),
        token,
        problem: None,
    })
}

fn token_report(pkcs11: &Pkcs11, slot: Slot) -> Result<TokenReport, CkError> {
    let token = pkcs11.get_token_info(slot)?;
    // A token that is not initialised has no mechanisms in some modules, and an error in others.
    let mut mechanisms: Vec<String> = pkcs11
        .get_mechanism_list(slot)
        .or_else(|error| {
            if token.token_initialized() {
                Err(error)
            } else {
                Ok(Vec::new())
            }
        })?
        .into_iter()
        .map(|mechanism| mechanism.to_string())
        .collect();
    mechanisms.sort();
    Ok(TokenReport {
        label: token.label().trim_end().to_owned(),
        serial: token.serial_number().trim_end().to_owned(),
        manufacturer: token.manufacturer_id().trim_end().to_owned(),
        model: token.model().trim_end().to_owned(),
        initialized: token.token_initialized(),
        user_pin: user_pin(&token),
        key_kinds: key_kinds(&mechanisms),
        mechanisms,
    })
}

fn user_pin(token: &TokenInfo) -> &'static str {
    if !token.user_pin_initialized() {
        if token.login_required() {
            NO_PIN_YET
        } else {
            "not needed"
        }
    } else if token.user_pin_locked() {
        "locked"
    } else if token.user_pin_final_try() {
        "last try"
    } else if token.user_pin_count_low() {
        "tried wrongly"
    } else {
        "set"
    }
}

/// What the mechanisms amount to.
fn key_kinds(mechanisms: &[String]) -> Vec<String> {
    let has = |name: &str| mechanisms.iter().any(|mechanism| mechanism == name);
    let needs = |kind: KeyKind| match kind {
        KeyKind::Rsa(_) => has("CKM_RSA_PKCS_KEY_PAIR_GEN") && has("CKM_RSA_PKCS"),
        KeyKind::P256 | KeyKind::P384 | KeyKind::P521 => {
            (has("CKM_EC_KEY_PAIR_GEN") || has("CKM_ECC_KEY_PAIR_GEN") || has("CKM_ECDSA_KEY_PAIR_GEN"))
                && has("CKM_ECDSA")
        }
        KeyKind::Ed25519 => has("CKM_EDDSA"),
        KeyKind::MlDsa44 | KeyKind::MlDsa65 | KeyKind::MlDsa87 => has("CKM_ML_DSA"),
    };
    KeyKind::GENERATED
        .into_iter()
        .filter(|kind| needs(*kind))
        .map(|kind| kind.to_string())
        .collect()
}

fn failed(module: &Module, source: CkError) -> Error {
    Error::Module {
        token: module.path().display().to_string(),
        source: ModuleError(source),
    }
}
