//! Holders of keys and the requests they make.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use pki::{DistinguishedName, PublicKey, SignatureAlgorithm};

/// Somebody with a P-256 key.
pub(crate) struct Holder {
    pair: EcdsaKeyPair,
    pkcs8: Vec<u8>,
}

impl Holder {
    pub(crate) fn new() -> Self {
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref()).unwrap();
        Self {
            pair,
            pkcs8: pkcs8.as_ref().to_vec(),
        }
    }

    pub(crate) fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    pub(crate) fn key_pem(&self) -> String {
        pki::pem::encode("PRIVATE KEY", &self.pkcs8)
    }

    /// A request for these names, in PEM.
    pub(crate) fn csr(&self, names: &[&str]) -> String {
        pki::pem::encode(
            "CERTIFICATE REQUEST",
            &self.request(&DistinguishedName::empty(), false, names),
        )
    }

    /// A request to become an authority, in DER.
    pub(crate) fn ca_csr(&self, subject: &str) -> Vec<u8> {
        self.request(&DistinguishedName::parse(subject).unwrap(), true, &[])
    }

    fn request(&self, subject: &DistinguishedName, is_ca: bool, names: &[&str]) -> Vec<u8> {
        let names: Vec<pki::SubjectAltName> = names.iter().map(|name| name.parse().unwrap()).collect();
        let public_key = PublicKey::from_spki_der(self.pair.public_key().as_der().unwrap().as_ref()).unwrap();
        let info = pki::csr::request_info(subject, &public_key, is_ca, &names);
        let signature = self.pair.sign(&SystemRandom::new(), &info).unwrap();
        pki::csr::assemble(&info, SignatureAlgorithm::EcdsaSha256, signature.as_ref())
    }
}
