//! A test signature: whether a key is where it is said to be, and signs.
//!
//! What is signed is a sentence that begins with a letter: no certificate, list or answer, which are ASN.1 sequences (0x30), and so
//! besides what is linted and requests the only thing that is ever signed.

use std::time::Duration;

use pki::{PublicKey, SignatureAlgorithm};
use signer_wire::Priority;

use crate::error::{Error, Result};
use crate::signer::Signer;

const SENTENCE: &[u8] = b"chancery: a test signature, which says nothing but that the key signs";
/// How long a token may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// Has a key sign a sentence, and verifies it by the key's public part.
pub async fn prove_key(signer: &Signer, key: &PublicKey) -> Result<()> {
    let algorithm = SignatureAlgorithm::default_for(key.algorithm());
    let signature = signer.sign(
        key.fingerprint(),
        algorithm,
        SENTENCE,
        Priority::PreSigning,
        DEADLINE,
    );
    let signature = signature.await.map_err(Error::from)?;
    key.verify(algorithm, SENTENCE, &signature)
        .map_err(|_| Error::internal("the signature is not of this key"))
}
