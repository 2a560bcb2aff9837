//! Certificate requests for load.

use anyhow::{Context as _, Result};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use pki::{DistinguishedName, SignatureAlgorithm, SubjectAltName, csr, key_file};

/// The name in it.
pub(crate) const NAME: &str = "load.chancery.test";

/// A PKCS#10 request for a new P-256 key, in PEM.
pub(crate) fn request() -> Result<String> {
    let random = SystemRandom::new();
    let failed = |_| anyhow::anyhow!("making a request failed");
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).map_err(failed)?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref())
        .ok()
        .context("a key")?;
    let key = key_file::parse(pkcs8.as_ref(), None)?.public_key;
    let names = [SubjectAltName::dns(NAME)?];
    let subject = DistinguishedName::parse(&format!("CN={NAME}"))?;
    let info = csr::request_info(&subject, &key, false, &names);
    let signature = pair.sign(&random, &info).map_err(failed)?;
    Ok(pki::pem::encode(
        "CERTIFICATE REQUEST",
        &csr::assemble(&info, SignatureAlgorithm::EcdsaSha256, signature.as_ref()),
    ))
}
