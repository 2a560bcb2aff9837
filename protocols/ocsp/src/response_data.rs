//! ResponseData: what a responder signs (RFC 6960 §4.2.1), as a value that is written, read back and linted.

use const_oid::db::rfc6960::{ID_PKIX_OCSP_EXTENDED_REVOKE, ID_PKIX_OCSP_NONCE};
use der::asn1::{ObjectIdentifier, OctetString};
use der::{Decode, Encode};
use jiff::Timestamp;

use crate::nonce::Nonce;
use crate::status::{SingleStatus, TimeFault, from_generalized, to_generalized};
use crate::wire;

/// ResponderID: who signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResponderId {
    /// byName: DER of the responder's subject. Read, never written (RFC 9919 §3.2.2).
    ByName(Vec<u8>),
    /// byKey: SHA-1 of the value of the responder key's BIT STRING.
    ByKey([u8; 20]),
}

/// An extension of a response (RFC 6960 §4.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// extnID.
    pub oid: ObjectIdentifier,
    /// critical.
    pub critical: bool,
    /// Content of extnValue.
    pub value: Vec<u8>,
}

/// The signed part of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseData {
    /// responderID.
    pub responder_id: ResponderId,
    /// producedAt: when it was signed.
    pub produced_at: Timestamp,
    /// responses.
    pub statuses: Vec<SingleStatus>,
    /// responseExtensions; empty when the field is absent.
    pub extensions: Vec<Extension>,
}

/// Why a value could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteFault {
    /// A time before 1970 or after 9999.
    #[error(transparent)]
    Time(#[from] TimeFault),
    /// Too long for DER, which no input of sane size is.
    #[error("response data cannot be encoded")]
    Der(#[from] der::Error),
}

impl Extension {
    /// The nonce, not critical.
    pub fn nonce(nonce: &Nonce) -> Result<Self, WriteFault> {
        Ok(Self {
            oid: ID_PKIX_OCSP_NONCE,
            critical: false,
            value: nonce.to_extension_value()?,
        })
    }

    /// Extended revoked definition: this responder may say `revoked` of serials that were never issued (RFC 6960 §4.4.8).
    pub fn extended_revoke() -> Self {
        Self {
            oid: ID_PKIX_OCSP_EXTENDED_REVOKE,
            critical: false,
            value: NULL.to_vec(),
        }
    }
}

const NULL: [u8; 2] = [0x05, 0x00];

impl ResponseData {
    /// Reads the DER of a ResponseData.
    pub fn parse(der: &[u8]) -> der::Result<Self> {
        let wire = wire::ResponseData::from_der(der)?;
        if wire.version != wire::v1() {
            return Err(der::Tag::Integer.value_error().into());
        }
        let time_fault = || der::Error::from(der::Tag::GeneralizedTime.value_error());
        Ok(Self {
            responder_id: match wire.responder_id {
                wire::ResponderId::ByName(name) => ResponderId::ByName(name.to_der()?),
                wire::ResponderId::ByKey(hash) => ResponderId::ByKey(
                    hash.as_bytes()
                        .try_into()
                        .map_err(|_| der::Tag::OctetString.length_error())?,
                ),
            },
            produced_at: from_generalized(wire.produced_at).ok_or_else(time_fault)?,
            statuses: wire
                .responses
                .iter()
                .map(|single| SingleStatus::from_wire(single).ok_or_else(time_fault))
                .collect::<der::Result<_>>()?,
            extensions: wire
                .response_extensions
                .unwrap_or_default()
                .into_iter()
                .map(|extension| Extension {
                    oid: extension.extn_id,
                    critical: extension.critical,
                    value: extension.extn_value.into_bytes().into(),
                })
                .collect(),
        })
    }

    /// The DER that is signed.
    pub fn to_der(&self) -> Result<Vec<u8>, WriteFault> {
        let extensions: Vec<_> = self
            .extensions
            .iter()
            .map(Extension::to_wire)
            .collect::<der::Result<_>>()?;
        let wire = wire::ResponseData {
            version: wire::v1(),
            responder_id: match &self.responder_id {
                ResponderId::ByName(name) => wire::ResponderId::ByName(Decode::from_der(name)?),
                ResponderId::ByKey(hash) => wire::ResponderId::ByKey(OctetString::new(*hash)?),
            },
            produced_at: to_generalized(self.produced_at)?,
            responses: self
                .statuses
                .iter()
                .map(SingleStatus::to_wire)
                .collect::<Result<_, _>>()?,
            response_extensions: (!extensions.is_empty()).then_some(extensions),
        };
        Ok(wire.to_der()?)
    }

    /// The nonce, when there is a well-formed one.
    pub fn nonce(&self) -> Option<Nonce> {
        let extension = self
            .extensions
            .iter()
            .find(|extension| extension.oid == ID_PKIX_OCSP_NONCE)?;
        Nonce::from_extension_value(&extension.value).ok()
    }
}

impl Extension {
    fn to_wire(&self) -> der::Result<x509_cert::ext::Extension> {
        Ok(x509_cert::ext::Extension {
            extn_id: self.oid,
            critical: self.critical,
            extn_value: OctetString::new(self.value.as_slice())?,
        })
    }
}

#[cfg(test)]
mod tests;
