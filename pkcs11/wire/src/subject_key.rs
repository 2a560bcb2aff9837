//! Keys that are made for somebody else: asked for with the key of the recipient, answered with the public half and an envelope that
//! only the recipient opens. The private half is in no message.

use crate::cursor::{Reader, Writer};
use crate::frame::WireFault;
use crate::key::KeyKind;
use crate::limits::{MAX_ENVELOPE, MAX_PARTY, MAX_RECIPIENT, MAX_SPKI};

/// A key to be made for somebody else. The service keeps nothing of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectKeyRequest {
    /// Its kind.
    pub kind: KeyKind,
    /// The public key that it is encrypted to, a JWK (RFC 7517).
    pub recipient: Vec<u8>,
    /// Who sends it, as the envelope says (`apu`).
    pub sender: String,
    /// For whom it is, as the envelope says (`apv`).
    pub party: String,
    /// The order that it is made for, as the envelope says.
    pub order: String,
}

impl SubjectKeyRequest {
    pub(crate) fn encode(&self, writer: &mut Writer<'_>) {
        self.kind.encode(writer);
        writer.bytes(&self.recipient, MAX_RECIPIENT);
        for text in [&self.sender, &self.party, &self.order] {
            writer.text(text, MAX_PARTY);
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, WireFault> {
        Ok(Self {
            kind: KeyKind::decode(reader)?,
            recipient: reader.bytes(MAX_RECIPIENT)?.to_vec(),
            sender: reader.text(MAX_PARTY)?,
            party: reader.text(MAX_PARTY)?,
            order: reader.text(MAX_PARTY)?,
        })
    }
}

/// A key that was made for somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedKey {
    /// DER SubjectPublicKeyInfo.
    pub spki: Vec<u8>,
    /// DER PKCS#8, encrypted to the recipient: a JWE in compact form (RFC 7516).
    pub envelope: String,
}

impl SealedKey {
    pub(crate) fn encode(&self, writer: &mut Writer<'_>) {
        writer.bytes(&self.spki, MAX_SPKI);
        writer.text(&self.envelope, MAX_ENVELOPE);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, WireFault> {
        Ok(Self {
            spki: reader.bytes(MAX_SPKI)?.to_vec(),
            envelope: reader.text(MAX_ENVELOPE)?,
        })
    }
}
