//! PKCS#7 bundles of certificates: a SignedData without content and without signers (RFC 5652 §5, RFC 8551 §3.2.2).

use ::cms::cert::CertificateChoices;
use ::cms::content_info::ContentInfo;
use ::cms::signed_data::SignedData;
use der::{Decode, Encode};

use crate::certificate::{Certificate, CertificateFault};
use crate::encode::{self, SEQUENCE, SET};
use crate::pem;

/// Longest bundle read, in octets.
pub const MAX_BUNDLE_LEN: usize = 4 * 1024 * 1024;
const SIGNED_DATA: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
const DATA: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];

/// Why something is no bundle of certificates.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleFault {
    /// Over [`MAX_BUNDLE_LEN`].
    #[error("the bundle is longer than {MAX_BUNDLE_LEN} octets")]
    TooLong,
    /// Not a SignedData.
    #[error("this is not a PKCS#7 bundle of certificates: {0}")]
    Malformed(String),
    /// A certificate in it cannot be used.
    #[error("a certificate in the bundle is not acceptable")]
    Certificate(#[from] CertificateFault),
}

impl From<der::Error> for BundleFault {
    fn from(error: der::Error) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// A bundle of certificates, in the given order.
pub fn certs_only<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let certificates: Vec<u8> = certificates.into_iter().flatten().copied().collect();
    let signed_data = encode::wrap(
        SEQUENCE,
        &[
            &[0x02, 0x01, 0x01],
            &[SET, 0x00],
            &encode::wrap(SEQUENCE, &[&DATA]),
            &encode::wrap(0xa0, &[&certificates]),
            &[SET, 0x00],
        ],
    );
    encode::wrap(SEQUENCE, &[&SIGNED_DATA, &encode::wrap(0xa0, &[&signed_data])])
}

/// The certificates of a PKCS#7 bundle in DER or PEM.
pub fn parse(input: &[u8]) -> Result<Vec<Certificate>, BundleFault> {
    if input.len() > MAX_BUNDLE_LEN {
        return Err(BundleFault::TooLong);
    }
    if pem::is_pem(input) {
        let blocks = pem::decode(input).map_err(|fault| BundleFault::Malformed(fault.to_string()))?;
        let block = blocks
            .into_iter()
            .find(|block| matches!(block.label.as_str(), "PKCS7" | "CMS"));
        return from_der(
            &block
                .ok_or_else(|| BundleFault::Malformed("no PKCS7 in the PEM text".to_owned()))?
                .der,
        );
    }
    from_der(input)
}

fn from_der(der: &[u8]) -> Result<Vec<Certificate>, BundleFault> {
    let content = ContentInfo::from_der(der)?;
    let signed_data: SignedData = content.content.decode_as()?;
    let choices = signed_data
        .certificates
        .map(|set| set.0.into_vec())
        .unwrap_or_default();
    let mut certificates = Vec::with_capacity(choices.len());
    for choice in choices {
        if let CertificateChoices::Certificate(certificate) = choice {
            certificates.push(Certificate::from_der(&certificate.to_der()?)?);
        }
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests;
