//! All HTTP: the public listener for relying parties, the REST API over TLS, the metrics listener.
//!
//! Handlers parse, call one use case of [`ca::Authority`] and render; they decide nothing. Limits hold before anything is
//! allocated for a request.

mod activity;
mod admin;
mod api;
mod auth;
mod ca_certificate;
mod conditional;
mod courier;
mod crl;
mod encodings;
mod ending;
mod extract;
#[cfg(fuzzing)]
pub mod fuzzing;
mod health;
mod limits;
mod listen;
#[cfg(feature = "measured")]
pub mod measured;
mod metrics;
mod ocsp;
mod openapi;
mod problem;
mod public;
mod public_body;
mod ranges;
mod server;
mod settings;
mod shares;
mod tls;
mod turns;

pub use api::openapi;
pub use listen::ListenError;
pub use server::{Addresses, Front, FrontError};
pub use settings::{FrontSettings, Limits};
pub use tls::{TlsError, TlsIdentity};
