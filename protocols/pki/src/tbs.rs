//! Bytes that are to be signed, with the algorithm they name inside.

use std::marker::PhantomData;

use crate::signature_algorithm::SignatureAlgorithm;

/// Marks a TBSCertificate (RFC 5280 §4.1).
#[derive(Clone, Copy, Debug)]
pub enum CertificateTbs {}
/// Marks a TBSCertList (RFC 5280 §5.1).
#[derive(Clone, Copy, Debug)]
pub enum CrlTbs {}
/// Marks an OCSP ResponseData (RFC 6960 §4.2.1).
#[derive(Clone, Copy, Debug)]
pub enum OcspTbs {}

/// Unsigned bytes of one kind. Only the lint turns them into something a signer takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tbs<K> {
    der: Vec<u8>,
    algorithm: SignatureAlgorithm,
    kind: PhantomData<fn() -> K>,
}

impl<K> Tbs<K> {
    /// Bytes that will be signed with `algorithm`.
    pub fn new(der: Vec<u8>, algorithm: SignatureAlgorithm) -> Self {
        Self {
            der,
            algorithm,
            kind: PhantomData,
        }
    }

    /// The bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The algorithm of the signature to come.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }
}
