//! A certificate with its key, as servers take it.

use std::fmt;

use zeroize::Zeroizing;

/// A certificate, what stands above it, and its key; all in PEM.
#[derive(Clone, Default)]
pub struct Bundle {
    /// The certificate.
    pub leaf_pem: String,
    /// What stands between it and the root.
    pub chain_pem: String,
    /// The key, as it shall stand on disk.
    pub key_pem: Zeroizing<String>,
    /// SHA-256 of the certificate.
    pub fingerprint_sha256: [u8; 32],
    /// The first DNS name of the certificate: what a probe asks for where nobody says.
    pub server_name: Option<String>,
}

impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bundle")
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

impl Bundle {
    /// Certificate and chain.
    pub fn fullchain_pem(&self) -> String {
        format!("{}{}", self.leaf_pem, self.chain_pem)
    }
}
