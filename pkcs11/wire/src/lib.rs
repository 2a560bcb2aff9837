//! The language of the signing service: which keys, which signatures, and the frames they travel in.
//!
//! A client and `chancery-signerd` exchange frames over a Unix socket. A frame is a big-endian `u32` length and that
//! many bytes of body; a body is one protocol version byte, a `u64` request id chosen by the client, one tag byte and
//! the fields of the message. Replies carry the id of their request and may come in any order, so a client keeps as
//! many requests in flight as it likes on one connection.
//!
//! The codec is written out by hand: every length is held against its bound before anything is allocated, there is
//! no self-describing layer to attack, and a signature request of a digest is decoded without touching the heap for
//! the digest. This crate opens no socket and reads no clock; it turns bytes into values and back.

mod cursor;
mod fault;
mod frame;
mod key;
mod limits;
mod reply;
mod request;
mod scheme;
mod subject_key;

pub use fault::{Fault, FaultClass};
pub use frame::{FRAME_HEADER, FrameFault, MAX_FRAME, PROTOCOL_VERSION, WireFault, body_length};
pub use key::{KeyAttributes, KeyKind, KeyRecord, KeyRef, UnknownKeyKind, UnknownKeyRef};
pub use limits::{
    MAX_BATCH, MAX_ENVELOPE, MAX_KEYS, MAX_LABEL, MAX_MESSAGE, MAX_PARTY, MAX_PKCS8, MAX_RECIPIENT,
    MAX_SIGNATURE, MAX_SPKI,
};
pub use reply::{Circuit, LaneStatus, Reply, ServiceStatus};
pub use request::{Backend, Generate, Import, Priority, Request, SecretBytes, Sign, SignBatch};
pub use scheme::{Digest, HashAlgorithm, Input, Scheme, UnknownScheme};
pub use subject_key::{SealedKey, SubjectKeyRequest};
