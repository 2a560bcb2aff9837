//! An X.509 certificate: the challenge of the appliance is signed with its key.
//!
//! The proof is in the request and not in the connection, so that a hop that ends TLS can neither take it away nor forge it. With `auth.mutual_tls`
//! the connection shows the certificate, which has to reach the appliance itself.
//!
//! With `auth.renew_with_certificate` the certificates that earlier runs installed come first: the newest that is good. When the appliance
//! refuses it, the files of the settings are what is left of the run. They are read only when they are needed, so that they may be gone
//! after the first run.

mod installed;

use std::path::PathBuf;
use std::sync::Arc;

pub use installed::{Installed, Outputs};

use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::presented::Presented;
use super::signer::{Signer, chain};
use super::{Context, Fault};

/// The name of the method.
pub(crate) const METHOD: &str = "certificate";

/// The settings of `certificate`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The certificate, and those above it, in PEM.
    pub cert_path: PathBuf,
    /// Its key, in PEM.
    pub key_path: PathBuf,
    /// Whether the connection shows it, in place of a signed challenge.
    pub mutual_tls: bool,
    /// What earlier runs installed, where that is shown first.
    pub installed: Option<Arc<Installed>>,
}

impl Settings {
    /// What is presented.
    pub(crate) async fn present(&self, context: &Context<'_>) -> Result<Presented, Fault> {
        if self.mutual_tls {
            return Ok(Presented::TlsCertificate);
        }
        // What is wrong with the files is told before anybody is asked.
        let installed = self.installed.as_ref();
        let (signer, chain) = match installed.and_then(|installed| installed.newest(context.now)) {
            Some(found) => found,
            None => self.read()?,
        };
        show(&signer, &chain, context).await
    }

    /// Gives the installed certificate up after a refusal; whether there is now something else to show.
    pub(crate) fn falls_back(&self) -> bool {
        self.installed
            .as_ref()
            .is_some_and(|installed| installed.give_up())
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

/// Signs a challenge with the key of a certificate.
pub(super) async fn show(
    signer: &Signer,
    chain: &[Vec<u8>],
    context: &Context<'_>,
) -> Result<Presented, Fault> {
    let challenge_jws = signer.challenge(METHOD, chain, context).await?;
    Ok(Presented::Certificate { challenge_jws })
}

#[cfg(test)]
mod tests;
