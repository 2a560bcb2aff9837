//! The certification request of a key (PKCS#10, RFC 2986): subject and names, signed by the key itself.

use pki::{DigestAlgorithm, DistinguishedName, SubjectAltName, csr};

use super::{LocalKey, LocalKeyFault};

/// Why no request can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestFault {
    /// The key could not sign it.
    #[error(transparent)]
    Key(#[from] LocalKeyFault),
    /// What was made does not read back: a name that cannot be encoded.
    #[error("the request cannot be made: {0}")]
    Unreadable(#[from] csr::CsrFault),
}

impl LocalKey {
    /// A request in PEM, read back and verified before it is handed out.
    pub fn request(
        &self,
        subject: &DistinguishedName,
        names: &[SubjectAltName],
        digest: Option<DigestAlgorithm>,
    ) -> Result<String, RequestFault> {
        let algorithm = self.signature_algorithm(digest)?;
        let info = csr::request_info(subject, self.public_key(), false, names);
        let signature = self.sign(algorithm, &info)?;
        let der = csr::assemble(&info, algorithm, &signature);
        csr::Csr::parse(&der)?.verify()?;
        Ok(pki::pem::encode("CERTIFICATE REQUEST", &der))
    }
}
