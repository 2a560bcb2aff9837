//! A CA that is brought along: its certificate and private key as files.

use std::sync::Arc;

use pki::SignatureAlgorithm;
use secrecy::SecretSlice;

use crate::authority::Authority;
use crate::error::Result;
use crate::issuer::IssuerEntry;
use crate::permit::Principal;

/// A CA as files.
#[derive(Debug)]
pub struct ImportFromDisk {
    /// Its name here.
    pub name: String,
    /// Its certificate, PEM or DER.
    pub certificate: Vec<u8>,
    /// The certificates above it, PEM; may be empty.
    pub chain: Vec<u8>,
    /// Its private key: PKCS#8, SEC 1 or PKCS#1, in PEM or DER, perhaps encrypted.
    pub key: SecretSlice<u8>,
    /// The passphrase of an encrypted key.
    pub passphrase: Option<SecretSlice<u8>>,
    /// How it signs; what goes with the key when absent.
    pub signature_algorithm: Option<SignatureAlgorithm>,
}

impl Authority {
    /// Takes the CA over: its key goes into the software backend. Refused unless the certificate is that of a CA whose
    /// key may sign certificates, is valid now, and belongs to the key.
    pub async fn import_from_disk(
        &self,
        principal: &Principal,
        request: ImportFromDisk,
    ) -> Result<Arc<IssuerEntry>> {
        todo!()
    }
}
