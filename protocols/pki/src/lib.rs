//! X.509 objects as bytes and values: names, keys, requests, certificates, CRLs, profiles and the lint.
//!
//! Pure: no clock, randomness, socket or file. Bytes and values come in, bytes and values go out, time is an argument;
//! that is what makes every parser here a fuzz target and every builder a golden test. The crate never sees a signer: it
//! hands out the bytes to sign ([`Tbs`], proven by [`Linted`]) and takes a signature back.

pub mod allowed_name;
pub mod certificate;
pub mod chain;
pub mod cms;
pub mod crl;
pub mod csr;
pub mod encode;
mod extensions;
pub mod key;
pub mod key_file;
pub mod lint;
pub mod name;
pub mod pem;
pub mod pkcs12;
pub mod policy;
pub mod profile;
pub mod san;
pub mod serial;
pub mod signature_algorithm;
mod signed;
pub mod tbs;
pub mod time;
#[cfg(test)]
mod vectors;

pub use certificate::{Certificate, CertificateFault, Outline};
pub use crl::{Crl, RevocationReason};
pub use csr::{Csr, CsrFault, Verified};
pub use key::{KeyAlgorithm, KeyFault, KeyFingerprint, PublicKey};
pub use lint::Linted;
pub use name::{DistinguishedName, NameFault};
pub use san::{SanFault, SubjectAltName};
pub use serial::{Serial, SerialFault};
pub use signature_algorithm::{DigestAlgorithm, MessageDigest, SignatureAlgorithm};
pub use tbs::{CertificateTbs, CrlTbs, OcspTbs, Tbs};
