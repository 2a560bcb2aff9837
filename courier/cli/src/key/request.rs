//! The certification request of a key (PKCS#10, RFC 2986): subject and names, signed by the key itself.

use pki::{DigestAlgorithm, DistinguishedName, PublicKey, SignatureAlgorithm, SubjectAltName, csr};

use super::{LocalKey, LocalKeyFault, signature_algorithm};

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
        request_of(self.public_key(), subject, names, digest, |algorithm, info| {
            Ok::<_, RequestFault>(self.sign(algorithm, info)?)
        })
    }
}

/// A request for a public key whose private key signs somewhere: in PEM, read back and verified.
pub fn request_of<E: From<RequestFault>>(
    public: &PublicKey,
    subject: &DistinguishedName,
    names: &[SubjectAltName],
    digest: Option<DigestAlgorithm>,
    sign: impl FnOnce(SignatureAlgorithm, &[u8]) -> Result<Vec<u8>, E>,
) -> Result<String, E> {
    let algorithm = signature_algorithm(public.algorithm(), digest).map_err(RequestFault::from)?;
    let info = csr::request_info(subject, public, false, names);
    let signature = sign(algorithm, &info)?;
    let der = csr::assemble(&info, algorithm, &signature);
    let read = csr::Csr::parse(&der).and_then(csr::Csr::verify);
    read.map_err(RequestFault::from)?;
    Ok(pki::pem::encode("CERTIFICATE REQUEST", &der))
}
