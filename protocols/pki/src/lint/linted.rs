//! The proof that something passed the lint.
//!
//! The signer takes only `Linted<Tbs<_>>`, and only this module's parent can make one, so no path exists on which
//! unlinted bytes reach a CA key.

use der::{Reader as _, SliceReader};
use jiff::Timestamp;

use crate::crl::{CrlParts, EncodedEntry};
use crate::lint::Finding;
use crate::{CertificateTbs, OcspTbs, Serial, SignatureAlgorithm, Tbs, encode, signed, time};

/// A value that broke no error-level rule, with the lesser findings it earned.
#[derive(Clone, Debug)]
pub struct Linted<T> {
    value: T,
    findings: Vec<Finding>,
}

impl<T> Linted<T> {
    pub(super) fn new(value: T, findings: Vec<Finding>) -> Self {
        Self { value, findings }
    }

    pub(crate) fn value(&self) -> &T {
        &self.value
    }

    /// Notices and warnings; never an error.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

impl<K> Linted<Tbs<K>> {
    /// The bytes to sign.
    pub fn der(&self) -> &[u8] {
        self.value.der()
    }

    /// The algorithm to sign them with.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.value.algorithm()
    }

    /// The signed object: `SEQUENCE { tbs, algorithm, signature }`.
    pub fn assemble(self, signature: &[u8]) -> Vec<u8> {
        signed::assemble(&self, signature)
    }
}

impl Linted<Tbs<CertificateTbs>> {
    /// The end of validity, as it stands in the bytes.
    pub fn not_after(&self) -> der::Result<Timestamp> {
        let mut reader = SliceReader::new(self.der())?;
        reader.sequence(|fields| {
            // Version, serial, algorithm, issuer (RFC 5280 §4.1).
            for _ in 0..4 {
                fields.tlv_bytes()?;
            }
            let not_after = fields.sequence(|validity| {
                validity.tlv_bytes()?;
                time::from_der(validity.tlv_bytes()?)
            })?;
            while !fields.is_finished() {
                fields.tlv_bytes()?;
            }
            Ok(not_after)
        })
    }
}

impl Linted<EncodedEntry> {
    /// Whose entry it is.
    pub fn serial(&self) -> Serial {
        self.value.serial
    }
}

impl Linted<CrlParts> {
    /// The pieces to sign, one after the other.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.value.pieces()
    }

    /// How many octets they have.
    pub fn octets(&self) -> usize {
        self.value.octets()
    }

    /// The algorithm to sign them with.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.value.algorithm()
    }

    /// What stands before and after the pieces in the signed list: the outer header; the algorithm and the signature.
    pub fn envelope(&self, signature: &[u8]) -> [Vec<u8>; 2] {
        let bits = encode::wrap(0x03, &[&[0], signature]);
        let behind = [self.algorithm().identifier_der(), &bits].concat();
        let mut before = vec![encode::SEQUENCE];
        encode::length(&mut before, self.octets() + behind.len());
        [before, behind]
    }
}

impl Linted<Tbs<OcspTbs>> {
    /// A BasicOCSPResponse (RFC 6960 §4.2.1) with the octets of its field `certs`; none leave the field out.
    pub fn assemble_with(self, signature: &[u8], certificates: &[u8]) -> Vec<u8> {
        let bits = encode::wrap(0x03, &[&[0], signature]);
        encode::wrap(
            encode::SEQUENCE,
            &[self.der(), self.algorithm().identifier_der(), &bits, certificates],
        )
    }
}
