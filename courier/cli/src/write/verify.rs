//! What must hold before anything is switched.

use jiff::Timestamp;
use pki::chain::{self, ChainFault};
use pki::{Certificate, SubjectAltName};

use super::Bundle;

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The names that the certificate must cover.
    pub names: &'a [SubjectAltName],
    /// The time.
    pub now: Timestamp,
}

/// Why a bundle is not installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyFault {
    /// There is no certificate.
    #[error("there is no certificate")]
    Absent,
    /// The certificate is for another key.
    #[error("the certificate is not for this private key")]
    Key,
    /// The chain does not hold.
    #[error("the chain does not hold")]
    Chain(#[from] ChainFault),
    /// The chain ends in no authority of the bundle.
    #[error("the chain ends in no authority of the CA bundle")]
    Untrusted,
    /// A name is missing.
    #[error("the certificate does not cover {0}")]
    Name(SubjectAltName),
    /// Its names cannot be read.
    #[error("the names of the certificate cannot be read")]
    Names,
}

/// Checks key, links, trust, names and validity.
pub fn verify(bundle: &Bundle<'_>, wanted: &Wanted<'_>) -> Result<(), VerifyFault> {
    let leaf = bundle.chain.first().ok_or(VerifyFault::Absent)?;
    if !bundle.key.is_of(leaf.public_key()) {
        return Err(VerifyFault::Key);
    }
    chain::verify(bundle.chain, wanted.now)?;
    if !bundle.authorities.is_empty() {
        anchor(bundle, wanted.now)?;
    }
    let names = leaf.subject_alt_names().map_err(|_| VerifyFault::Names)?;
    let missing = wanted.names.iter().find(|name| !names.contains(name));
    missing.map_or(Ok(()), |name| Err(VerifyFault::Name(name.clone())))
}

/// The chain ends in an authority of the bundle, whether it brings that along or not.
fn anchor(bundle: &Bundle<'_>, now: Timestamp) -> Result<(), VerifyFault> {
    let ends_in = |authority: &Certificate| {
        if bundle
            .chain
            .iter()
            .skip(1)
            .any(|one| one.der() == authority.der())
        {
            return true;
        }
        let mut whole = bundle.chain.to_vec();
        whole.push(authority.clone());
        chain::verify(&whole, now).is_ok()
    };
    if bundle.authorities.iter().any(ends_in) {
        Ok(())
    } else {
        Err(VerifyFault::Untrusted)
    }
}
