//! JSON object signing and encryption: keys (RFC 7517, 7638), signatures (RFC 7515), claims (RFC 7519), encryption (RFC 7516) and
//! proofs of possession (RFC 9449).
//!
//! Octets and values in, octets and values out: time is an argument and randomness comes from the caller. Only what a credential of
//! a courier needs is expressible: there is no `none`, no shared secret, no compression and no encryption to RSA.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "a test fails by panicking"
    )
)]

mod base64url;
pub mod claims;
pub mod dpop;
pub mod jwe;
pub mod jwk;
pub mod jws;
mod object;

pub use claims::{Claims, ClaimsFault};
pub use jwk::{Jwk, KeyFault, KeySet, Thumbprint};
pub use jws::{Algorithm, Header, Jws, JwsFault, SigningKey, VerifyKey};
