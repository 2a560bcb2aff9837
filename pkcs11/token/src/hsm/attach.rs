//! Attaching a token: find its slot, open a session that stays, log in once, find the keys.
//!
//! A login belongs to the process and lasts as long as one session is open, so the first session (the anchor) is kept
//! and never signs.

use std::collections::HashMap;
use std::sync::Arc;

use cryptoki::context::Function;
use cryptoki::error::{Error as CkError, RvError};
use cryptoki::session::{SessionState, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use parking_lot::{Mutex, RwLock};
use signer_wire::KeyRef;

use super::{Hsm, by_name, keys_of};
use crate::config::TokenConfig;
use crate::error::Error;
use crate::find::TokenKey;
use crate::module::Module;
use crate::module_error::{describe, describe_ref};
use crate::recovery::{Recovery, recovery_of};
use crate::session::OpenSession;

/// How a token is told from others.
#[derive(Debug, Clone)]
pub(crate) enum Selector {
    /// By its label.
    Label(String),
    /// By its serial number.
    Serial(String),
    /// By the slot it is in.
    Slot(u64),
}

impl Selector {
    pub(crate) fn of(config: &TokenConfig) -> Result<Self, Error> {
        match (&config.label, &config.serial, config.slot) {
            (Some(label), None, None) => Ok(Self::Label(label.clone())),
            (None, Some(serial), None) => Ok(Self::Serial(serial.clone())),
            (None, None, Some(slot)) => Ok(Self::Slot(slot)),
            _ => Err(Error::Refused(format!(
                "tokens.{}: give one of label, serial and slot",
                config.name
            ))),
        }
    }

    fn selects(&self, slot: Slot, token: &TokenInfo) -> bool {
        match self {
            Self::Label(label) => token.label().trim_end() == label,
            Self::Serial(serial) => token.serial_number().trim_end() == serial,
            Self::Slot(id) => slot.id() == *id,
        }
    }
}

/// A token that is there, logged in, with its keys found.
#[derive(Debug)]
pub(super) struct Attachment {
    /// The initialisation of the module under which all this is valid.
    pub(super) generation: u64,
    pub(super) slot: Slot,
    /// The token's own label.
    pub(super) label: String,
    serial: String,
    needs_login: bool,
    anchor: Mutex<OpenSession>,
    pub(super) keys: RwLock<HashMap<KeyRef, TokenKey>>,
}

/// The slot of the token; the error says what is there instead.
pub(crate) fn find_slot(module: &Module, selector: &Selector) -> Result<(Slot, TokenInfo), String> {
    let slots = module.pkcs11().get_slots_with_token().map_err(describe)?;
    let mut labels = Vec::new();
    let mut matching = Vec::new();
    for slot in slots {
        // A token that hangs must not be asked for the sake of one that is named by its slot.
        if matches!(selector, Selector::Slot(id) if slot.id() != *id) {
            labels.push(format!("slot {slot}"));
            continue;
        }
        match module.pkcs11().get_token_info(slot) {
            Ok(token) if selector.selects(slot, &token) => matching.push((slot, token)),
            Ok(token) => labels.push(format!("{:?}", token.label().trim_end())),
            Err(error) => labels.push(format!("slot {slot}: {}", describe(error))),
        }
    }
    match (matching.len(), matching.pop()) {
        (1, Some(found)) => Ok(found),
        (0, _) if labels.is_empty() => Err("the module shows no token".to_owned()),
        (0, _) => Err(format!("the module shows these tokens: {}", labels.join(", "))),
        (several, _) => Err(format!(
            "{several} tokens answer to it; name the serial number or the slot"
        )),
    }
}

/// Attaches. Called by one thread at a time.
pub(super) fn attach(hsm: &Hsm) -> Result<Attachment, Error> {
    hsm.module
        .ensure_initialised()
        .map_err(|error| hsm.absent(describe(error)))?;
    let _inside = hsm.module.enter();
    let generation = hsm.module.generation();
    let (slot, token) = find_slot(&hsm.module, &hsm.selector).map_err(|detail| {
        if hsm.module.is_void() {
            hsm.failed(CkError::Pkcs11(
                RvError::CryptokiNotInitialized,
                Function::GetSlotList,
            ))
        } else {
            hsm.absent(detail)
        }
    })?;
    let serial = token.serial_number().trim_end().to_owned();
    let label = token.label().trim_end().to_owned();
    let anchor = OpenSession::read_only(&hsm.module, slot).map_err(|error| hsm.failed(error))?;
    if token.login_required() {
        log_in(hsm, &anchor, slot, &serial)?;
    }
    let keys = keys_of(hsm, &anchor).map_err(|error| hsm.failed(error))?;
    tracing::info!(
        token = hsm.name,
        serial,
        slot = slot.id(),
        keys = keys.len(),
        "token attached"
    );
    Ok(Attachment {
        generation,
        slot,
        label,
        serial,
        needs_login: token.login_required(),
        anchor: Mutex::new(anchor),
        keys: RwLock::new(by_name(keys)),
    })
}

/// Logs in on a session, unless the token has rejected this PIN before, or says that it has locked it.
fn log_in(hsm: &Hsm, session: &OpenSession, slot: Slot, serial: &str) -> Result<(), Error> {
    let rejected = |detail: String| Error::PinRejected {
        token: hsm.name.clone(),
        detail,
    };
    let pin = hsm.pin.read()?;
    if let Some(pin) = &pin
        && hsm.memory.is_rejected(serial, pin)?
    {
        let remedy = hsm
            .memory
            .marker()
            .map(|path| {
                format!(
                    "; or, when it is right, remove {} to have it tried once more",
                    path.display()
                )
            })
            .unwrap_or_default();
        return Err(rejected(format!(
            "it rejected this PIN before, so it is not tried again; put the right one in its place{remedy}"
        )));
    }
    let is_locked = hsm
        .module
        .pkcs11()
        .get_token_info(slot)
        .is_ok_and(|token| token.user_pin_locked());
    if is_locked {
        return Err(rejected(LOCKED.to_owned()));
    }
    match session.login(UserType::User, pin.as_ref()) {
        Ok(()) => {
            hsm.memory.forget();
            Ok(())
        }
        Err(CkError::Pkcs11(RvError::UserAlreadyLoggedIn, _)) if is_user(session) => Ok(()),
        Err(error) => Err(match objection(&error) {
            Some(detail) => {
                if let Some(pin) = &pin
                    && let Err(error) = hsm.memory.remember(serial, pin)
                {
                    tracing::error!(token = hsm.name, %error, "the rejected PIN cannot be written down; do not restart");
                }
                rejected(detail.to_owned())
            }
            None => hsm.failed(error),
        }),
    }
}

/// Whether the session is one of the token's user.
fn is_user(session: &OpenSession) -> bool {
    let state = session.get_session_info().map(|session| session.session_state());
    matches!(state, Ok(SessionState::RoUser | SessionState::RwUser))
}

const LOCKED: &str = "the token has locked the PIN; its security officer must set a new one";

/// What the token has against the PIN; `None` where it said nothing of it. Each of these may count as a wrong try.
const fn objection(error: &CkError) -> Option<&'static str> {
    let CkError::Pkcs11(code, _) = error else {
        return None;
    };
    match code {
        RvError::PinIncorrect => Some("the PIN is wrong; it was tried once and is not tried again"),
        RvError::PinInvalid | RvError::PinLenRange => {
            Some("this cannot be its PIN; it was tried once and is not tried again")
        }
        RvError::PinExpired => Some("the PIN has expired; set a new one with the vendor's tool"),
        RvError::PinLocked => Some(LOCKED),
        _ => None,
    }
}

/// How the anchor was found.
enum Anchor {
    /// Open, and its user logged in.
    Holds,
    /// Its session is gone, and the login with it.
    Lost,
    /// It belongs to an earlier initialisation of the module.
    Stale,
}

/// Looks at the anchor, and logs in on it when nobody is logged in (another thread may have done so by now).
fn weigh(hsm: &Hsm, attachment: &Attachment, anchor: &OpenSession) -> Result<Anchor, Error> {
    if hsm.module.generation() != attachment.generation {
        return Ok(Anchor::Stale);
    }
    match anchor.get_session_info().map(|session| session.session_state()) {
        Ok(SessionState::RoUser | SessionState::RwUser) => Ok(Anchor::Holds),
        Ok(_) if !attachment.needs_login => Ok(Anchor::Holds),
        Ok(_) => {
            tracing::info!(token = hsm.name, "the token forgot its user; logging in again");
            log_in(hsm, anchor, attachment.slot, &attachment.serial)
                .inspect_err(|error| hsm.go_away(&error.to_fault().message))
                .map(|()| Anchor::Holds)
        }
        Err(error) => {
            tracing::debug!(token = hsm.name, error = %describe(error), "the anchor is lost");
            Ok(Anchor::Lost)
        }
    }
}

/// The token said that nobody is logged in. A login voids the handles of private keys in some tokens, so the keys are
/// looked for again.
pub(super) fn log_in_again(hsm: &Hsm, attachment: &Arc<Attachment>) -> Result<(), Error> {
    find_again(hsm, attachment)
}

/// The token did not know the handle of a key: sees that its user is logged in, and looks for the keys anew. Handles
/// that pool sessions hold on copies go with their sessions.
pub(super) fn find_again(hsm: &Hsm, attachment: &Arc<Attachment>) -> Result<(), Error> {
    let found = {
        let anchor = attachment.anchor.lock();
        let _inside = hsm.module.enter();
        match weigh(hsm, attachment, &anchor)? {
            Anchor::Holds => keys_of(hsm, &anchor),
            Anchor::Stale => return Ok(()),
            Anchor::Lost => Ok(Vec::new()),
        }
    };
    hsm.pool.drain();
    match found {
        Ok(keys) if !keys.is_empty() => {
            hsm.remember_keys(attachment);
            *attachment.keys.write() = by_name(keys);
            Ok(())
        }
        Ok(_) if hsm.is_gone() => {
            let detail = "the token was taken away";
            hsm.go_away(detail);
            Err(hsm.absent(detail.to_owned()))
        }
        Ok(_) => hsm.attach_anew(attachment),
        Err(error) => {
            tracing::debug!(token = hsm.name, error = %describe_ref(&error), "the keys cannot be looked for");
            match recovery_of(&error) {
                // What is wrong is met again, and mended, by the next attempt.
                Recovery::OtherToken | Recovery::Reinitialise => Ok(()),
                // The anchor itself may be spoilt, for example by a search that was never ended.
                _ => hsm.attach_anew(attachment),
            }
        }
    }
}

/// The keys of the token as it shows them now; `None` when they cannot be looked for, which the next use of the token mends.
pub(super) fn search(hsm: &Hsm, attachment: &Attachment) -> Option<Vec<TokenKey>> {
    let anchor = attachment.anchor.lock();
    let _inside = hsm.module.enter();
    match weigh(hsm, attachment, &anchor) {
        Ok(Anchor::Holds) => keys_of(hsm, &anchor).ok(),
        _ => None,
    }
}
