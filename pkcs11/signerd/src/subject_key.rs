//! A key for somebody else: made, encoded, encrypted to its recipient and wiped, in one go. What leaves is ciphertext and the public
//! half; nothing is kept.

use aws_lc_rs::rand::SystemRandom;
use jose::Jwk;
use jose::jwe::{self, Envelope, KeyManagement};
use signer_wire::{Fault, FaultClass, KeyAttributes, KeyRecord, SealedKey, SubjectKeyRequest};
use token::SubjectKey;

/// Makes the key and seals it. The record is for the audit line: it names no token, because none has the key.
pub(crate) fn make(request: &SubjectKeyRequest) -> Result<(SealedKey, KeyRecord), Fault> {
    let refused = |why: String| Fault::new(FaultClass::Refused, why);
    let recipient = Jwk::parse(&request.recipient)
        .map_err(|fault| refused(format!("the recipient of the key: {fault}")))?;
    let key = SubjectKey::generate(request.kind).map_err(|error| error.to_fault())?;
    let name = key.key();
    let envelope = Envelope {
        apu: request.sender.as_bytes(),
        apv: request.party.as_bytes(),
        order: &request.order,
        spki: name.as_bytes(),
    };
    let sealed = jwe::encrypt(
        &recipient,
        KeyManagement::EcdhEsA256Kw,
        &envelope,
        key.pkcs8(),
        &SystemRandom::new(),
    );
    let record = KeyRecord {
        key: name,
        kind: request.kind,
        label: request.order.clone(),
        spki: key.spki().to_vec(),
        tokens: Vec::new(),
        attributes: KeyAttributes::default(),
    };
    let sealed = SealedKey {
        spki: key.spki().to_vec(),
        envelope: sealed.map_err(|fault| refused(fault.to_string()))?,
    };
    Ok((sealed, record))
}
