//! What the key of a certificate signs: challenges of the appliance, and what a client says of itself.

use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use pki::key_file::KeyFile;
use pki::{Certificate, KeyAlgorithm};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use secrecy::SecretString;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Context, Fault, token_file};

/// Most certificates sent with a signature.
const MAX_CHAIN: usize = 8;

/// A private key that signs compact JWS (RFC 7515).
pub(crate) struct Signer {
    key: KeyFile,
    path: PathBuf,
}

impl Signer {
    /// The key in a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Fault> {
        Self::parse(
            &token_file::octets(path, "the private key", token_file::MAX_FILE_LEN)?,
            path,
        )
    }

    /// The key in octets that were read before.
    pub(crate) fn parse(octets: &[u8], path: &Path) -> Result<Self, Fault> {
        let key = pki::key_file::parse(octets, None).map_err(|cause| Fault::Key {
            path: path.to_owned(),
            cause: cause.into(),
        })?;
        Ok(Self {
            key,
            path: path.to_owned(),
        })
    }

    /// Refuses a chain whose first certificate is of another key.
    pub(crate) fn must_belong_to(&self, chain: &[Vec<u8>]) -> Result<(), Fault> {
        let leaf = chain
            .first()
            .and_then(|der| Certificate::from_der(der).ok())
            .ok_or_else(|| Fault::Malformed("the certificate cannot be read".to_owned()))?;
        if leaf.public_key().fingerprint() == self.key.public_key.fingerprint() {
            return Ok(());
        }
        Err(Fault::Setting(format!(
            "the key {} does not belong to the certificate",
            self.path.display()
        )))
    }

    /// The answer to a challenge of the appliance, with the chain (`x5c`).
    pub(crate) async fn challenge(
        &self,
        method: &str,
        chain: &[Vec<u8>],
        context: &Context<'_>,
    ) -> Result<SecretString, Fault> {
        let audience = context.appliance.identity().await?;
        let nonce = context.appliance.challenge().await?;
        let x5c: Vec<String> = chain.iter().map(|der| STANDARD.encode(der)).collect();
        let mut claims = json!({
            "nonce": nonce,
            "uuid": context.uuid.to_string(),
            "aud": audience,
            "iat": context.now.as_second(),
            "method": method,
        });
        if let (Some(thumbprint), Some(members)) = (context.thumbprint, claims.as_object_mut()) {
            // RFC 7800 §3.1, RFC 9449 §6.1: the key that the session is bound to stands under the same signature.
            members.insert("cnf".to_owned(), json!({ "jkt": thumbprint }));
        }
        self.sign(&json!({ "alg": self.algorithm()?, "x5c": x5c }), &claims)
    }

    /// What a client says of itself (RFC 7523).
    pub(crate) fn assertion(&self, claims: &Value, key_id: Option<&str>) -> Result<SecretString, Fault> {
        let mut header = json!({ "alg": self.algorithm()?, "typ": "JWT" });
        if let (Some(key_id), Some(members)) = (key_id, header.as_object_mut()) {
            members.insert("kid".to_owned(), key_id.into());
        }
        self.sign(&header, claims)
    }

    /// The key for TLS.
    pub(crate) fn tls_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.pkcs8.to_vec()))
    }

    /// The `alg` of what it signs (RFC 7518 §3.1, RFC 8037 §3.1).
    fn algorithm(&self) -> Result<&'static str, Fault> {
        match self.key.public_key.algorithm() {
            KeyAlgorithm::Rsa(_) => Ok("RS256"),
            KeyAlgorithm::P256 => Ok("ES256"),
            KeyAlgorithm::P384 => Ok("ES384"),
            KeyAlgorithm::P521 => Ok("ES512"),
            KeyAlgorithm::Ed25519 => Ok("EdDSA"),
            other => Err(self.broken(&format!("no challenge is signed with {other}"))),
        }
    }

    fn sign(&self, header: &Value, claims: &Value) -> Result<SecretString, Fault> {
        let mut text = Zeroizing::new(format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        ));
        let signature = self.signature(text.as_bytes())?;
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(&signature, &mut text);
        Ok(SecretString::from(text.as_str()))
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, Fault> {
        let random = SystemRandom::new();
        let ecdsa = |algorithm: &'static EcdsaSigningAlgorithm| {
            let pair = EcdsaKeyPair::from_pkcs8(algorithm, &self.key.pkcs8)
                .map_err(|cause| self.broken(&cause.to_string()))?;
            pair.sign(&random, message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| self.broken("it does not sign"))
        };
        match self.key.public_key.algorithm() {
            KeyAlgorithm::P256 => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING),
            KeyAlgorithm::P384 => ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING),
            KeyAlgorithm::P521 => ecdsa(&ECDSA_P521_SHA512_FIXED_SIGNING),
            KeyAlgorithm::Ed25519 => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&self.key.pkcs8)
                    .map_err(|cause| self.broken(&cause.to_string()))?;
                Ok(pair.sign(message).as_ref().to_vec())
            }
            KeyAlgorithm::Rsa(_) => {
                let pair = RsaKeyPair::from_pkcs8(&self.key.pkcs8)
                    .map_err(|cause| self.broken(&cause.to_string()))?;
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map_err(|_| self.broken("it does not sign"))?;
                Ok(signature)
            }
            other => Err(self.broken(&format!("no challenge is signed with {other}"))),
        }
    }

    fn broken(&self, why: &str) -> Fault {
        Fault::Key {
            path: self.path.clone(),
            cause: why.into(),
        }
    }
}

/// The certificates of a text in PEM, the first one being that of the key.
pub(crate) fn chain(pem: &[u8], origin: &str) -> Result<Vec<Vec<u8>>, Fault> {
    let blocks = pki::pem::decode(pem).map_err(|cause| Fault::Malformed(format!("{origin}: {cause}")))?;
    let chain: Vec<Vec<u8>> = blocks
        .into_iter()
        .filter(|block| block.label == "CERTIFICATE")
        .map(|block| block.der)
        .collect();
    match chain.len() {
        0 => Err(Fault::Malformed(format!("{origin} holds no certificate"))),
        1..=MAX_CHAIN => Ok(chain),
        more => Err(Fault::Malformed(format!(
            "{origin} holds {more} certificates: at most {MAX_CHAIN} are sent"
        ))),
    }
}
