//! An X.509 certificate: the challenge of the appliance is signed with its key.
//!
//! The proof is in the request and not in the connection, so that a hop that ends TLS can neither take it away nor forge it. The same
//! files serve as the client's side of mutual TLS, where the connection is direct.

use std::path::PathBuf;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::presented::Presented;
use super::signer::{Signer, chain};
use super::{Context, Fault};

/// The settings of `certificate`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The certificate, and those above it, in PEM.
    pub cert_path: PathBuf,
    /// Its key, in PEM.
    pub key_path: PathBuf,
}

impl Settings {
    /// What is presented.
    pub(crate) async fn present(&self, context: &Context<'_>) -> Result<Presented, Fault> {
        // What is wrong with the files is told before anybody is asked.
        let (signer, chain) = self.read()?;
        let challenge_jws = signer.challenge("certificate", &chain, context).await?;
        Ok(Presented::Certificate { challenge_jws })
    }

    /// The client's side of mutual TLS.
    pub fn tls_identity(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Fault> {
        let (signer, chain) = self.read()?;
        let chain = chain.into_iter().map(CertificateDer::from).collect();
        Ok((chain, signer.tls_key()))
    }

    fn read(&self) -> Result<(Signer, Vec<Vec<u8>>), Fault> {
        let signer = Signer::read(&self.key_path)?;
        let pem = super::token_file::octets(&self.cert_path, "cert_path", super::token_file::MAX_FILE_LEN)?;
        let chain = chain(&pem, &self.cert_path.display().to_string())?;
        signer.must_belong_to(&chain)?;
        Ok((signer, chain))
    }
}

#[cfg(test)]
mod tests;
