//! OCSP: requests and responses of RFC 6960, in the profile of RFC 9919, with the nonce of RFC 9654.
//!
//! Octets and values in, octets and values out: no clock, randomness, socket or key lives here. The server side is
//! [`get_path_to_der`], [`Request::parse`], [`Template`], [`lint::check`] and [`ErrorStatus`]; the
//! client side is [`Request::to_der`], [`der_to_get_path`], [`Response::parse`] and [`SignedResponse::verify`].

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

mod cert_id;
mod fault;
mod get_path;
pub mod lint;
mod nonce;
mod reply;
mod request;
mod response;
mod response_data;
mod status;
mod verify;
#[expect(clippy::unnested_or_patterns, reason = "written by the derive of der::Choice")]
mod wire;

pub use cert_id::{CertId, HashAlgorithm, IssuerHash};
pub use fault::{ErrorStatus, RequestFault};
pub use get_path::{GetPathFault, MAX_GET_PATH_LEN, der_to_get_path, get_path_into, get_path_to_der};
pub use nonce::{MAX_NONCE_LEN, Nonce, RECOMMENDED_NONCE_LEN};
pub use reply::{ResponseInput, Template};
pub use request::{MAX_CERT_IDS, MAX_REQUEST_LEN, Request, usual_cert_id};
pub use response::{MAX_RESPONSE_LEN, Response, ResponseFault, SignedResponse};
pub use response_data::{Extension, ResponderId, ResponseData, WriteFault};
pub use status::{CertStatus, SingleStatus, TimeFault};
pub use verify::{Expectation, VerifyFault};
