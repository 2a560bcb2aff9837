//! Holders of keys and the requests they make.
#![allow(dead_code, reason = "not every test binary uses all of it")]

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use pki::{DistinguishedName, PublicKey, SignatureAlgorithm};

/// Somebody with a P-256 key.
pub(crate) struct Holder {
    pair: EcdsaKeyPair,
    pub(crate) pkcs8: Vec<u8>,
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

    pub(crate) fn public_key(&self) -> PublicKey {
        PublicKey::from_spki_der(self.pair.public_key().as_der().unwrap().as_ref()).unwrap()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair
            .sign(&SystemRandom::new(), message)
            .unwrap()
            .as_ref()
            .to_vec()
    }
}

/// A request in DER.
pub(crate) fn csr(holder: &Holder, subject: &str, names: &[&str]) -> Vec<u8> {
    request(holder, subject, names, false)
}

/// A request that asks to become an authority.
pub(crate) fn ca_csr(holder: &Holder, subject: &str) -> Vec<u8> {
    request(holder, subject, &[], true)
}

fn request(holder: &Holder, subject: &str, names: &[&str], is_ca: bool) -> Vec<u8> {
    let names: Vec<pki::SubjectAltName> = names.iter().map(|name| name.parse().unwrap()).collect();
    let subject = DistinguishedName::parse(subject).unwrap();
    let info = pki::csr::request_info(&subject, &holder.public_key(), is_ca, &names);
    signed(holder, &info)
}

/// A request with other octets in it, signed by its holder.
pub(crate) fn signed(holder: &Holder, info: &[u8]) -> Vec<u8> {
    pki::csr::assemble(info, SignatureAlgorithm::EcdsaSha256, &holder.sign(info))
}
