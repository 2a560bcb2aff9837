//! Private keys and the signatures they make: in PKCS#11 tokens, and in software.
//!
//! Everything above this crate names a key by the fingerprint of its public key and asks for signatures; which token
//! holds it, which session signs, what is done when a session dies, all that stays in here. The crate knows nothing
//! of certificates. It is synchronous: a call into a vendor's library blocks a thread whatever the caller is made
//! of, so the threads are the caller's to choose (`chancery-signerd` has one per session).
//!
//! Reading order: [`Keys`] is what a backend can do, [`Hsm`] and [`Software`] are the two kinds of backend, and
//! [`KeyRing`] is several of them behind one door. [`inspect`] looks at a module from outside, for the command line.

mod baseline;
mod breaker;
mod config;
mod ecdsa;
mod error;
mod find;
mod hsm;
mod keys;
mod mechanism;
mod module;
mod module_error;
mod pin;
mod pin_memory;
mod pool;
mod protection;
mod public_key;
mod recovery;
mod ring;
mod session;
mod software;
mod test_message;

pub mod inspect;
pub mod raw;

pub use baseline::{Baseline, Change};
pub use config::{Checks, Config, ConfigError, Limits, SoftwareConfig, TokenConfig};
pub use error::Error;
pub use hsm::Hsm;
pub use keys::{BackendStatus, Keys, check_label};
pub use module_error::ModuleError;
pub use pin::PinSource;
pub use protection::{Protection, Told};
pub use public_key::verify;
pub use recovery::{Recovery, recovery};
pub use ring::{Candidate, Holders, KeyRing};
pub use software::{Software, SubjectKey};
pub use test_message::TEST_MESSAGE;

pub use signer_wire::{
    Backend, Circuit, Digest, Fault, FaultClass, HashAlgorithm, Input, KeyAttributes, KeyKind, KeyRecord,
    KeyRef, Scheme,
};
