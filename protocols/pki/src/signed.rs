//! The outer shape that certificates, CRLs and requests share: SEQUENCE { to-be-signed, algorithm, signature }.

use der::asn1::BitStringRef;
use der::{Decode, Reader, SliceReader};
use spki::AlgorithmIdentifierOwned;

use crate::signature_algorithm::SignatureAlgorithm;
use crate::{encode, lint::Linted, tbs::Tbs};

/// The three parts, borrowed from the whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed<'a> {
    pub(crate) tbs: &'a [u8],
    pub(crate) algorithm_der: &'a [u8],
    pub(crate) signature: &'a [u8],
}

impl<'a> Signed<'a> {
    /// Splits strictly: nothing may follow the SEQUENCE or its third part.
    pub(crate) fn split(der: &'a [u8]) -> der::Result<Self> {
        let mut reader = SliceReader::new(der)?;
        let parts = reader.sequence(|inner| {
            let tbs = inner.tlv_bytes()?;
            let algorithm_der = inner.tlv_bytes()?;
            let signature = BitStringRef::decode(inner)?;
            let signature = signature.as_bytes().ok_or(der::ErrorKind::Value {
                tag: der::Tag::BitString,
            })?;
            der::Result::Ok(Self {
                tbs,
                algorithm_der,
                signature,
            })
        })?;
        reader.finish()?;
        Ok(parts)
    }

    /// The signature algorithm; nothing when it is one this product does not know.
    pub(crate) fn algorithm(&self) -> Option<SignatureAlgorithm> {
        SignatureAlgorithm::from_identifier_der(self.algorithm_der)
    }

    /// The algorithm's identifier, known or not.
    pub(crate) fn identifier(&self) -> der::Result<AlgorithmIdentifierOwned> {
        AlgorithmIdentifierOwned::from_der(self.algorithm_der)
    }
}

/// Puts the signature to linted bytes.
pub(crate) fn assemble<K>(linted: &Linted<Tbs<K>>, signature: &[u8]) -> Vec<u8> {
    let bits = encode::wrap(0x03, &[&[0], signature]);
    encode::wrap(
        encode::SEQUENCE,
        &[linted.der(), linted.algorithm().identifier_der(), &bits],
    )
}
