//! Certification requests, PKCS#10 (RFC 2986).
//!
//! A request is a proof of possession and a wish. [`Csr::verify`] checks the proof and gives [`Verified`], the only form
//! that orders are made of.

use std::ops::Deref;

use const_oid::ObjectIdentifier;
use der::asn1::{Any, AnyRef};
use der::{Decode, Encode, Reader, SliceReader, Tag, Tagged};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage};

use crate::encode::{self, SEQUENCE, SET};
use crate::extensions::{Extensions, ExtensionsFault};
use crate::key::{KeyFault, PublicKey};
use crate::name::{self, DistinguishedName, NameFault};
use crate::pem;
use crate::san::{self, MAX_NAMES, SanFault, SubjectAltName};
use crate::signature_algorithm::SignatureAlgorithm;
use crate::signed::Signed;

/// Longest request read, in octets of DER or PEM.
pub const MAX_CSR_LEN: usize = 64 * 1024;
const EXTENSION_REQUEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.14");
const CHALLENGE_PASSWORD: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.7");
const MAX_ATTRIBUTES: usize = 32;

/// Why a request is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CsrFault {
    /// Over [`MAX_CSR_LEN`].
    #[error("the request is longer than {MAX_CSR_LEN} octets")]
    TooLong,
    /// Not a PKCS#10 request in DER or PEM.
    #[error("this is not a PKCS#10 certification request: {0}")]
    Malformed(String),
    /// The subject cannot be used.
    #[error("the request's subject is not acceptable")]
    Subject(#[from] NameFault),
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// An extension appears twice.
    #[error("the request asks for the extension {0} twice")]
    DuplicateExtension(ObjectIdentifier),
    /// The signature is made with an algorithm that is not known here or does not go with the key.
    #[error("the request is signed with an algorithm that is not supported: {0}")]
    SignatureAlgorithm(String),
    /// The signature does not verify.
    #[error(
        "the request's signature does not verify: whoever made it does not hold the key, or it was changed"
    )]
    Signature,
}

impl CsrFault {
    /// The stable code of the fault.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLong => "csr_too_long",
            Self::Malformed(_) => "csr_malformed",
            Self::Subject(_) => "subject_invalid",
            Self::Key(fault) => fault.code(),
            Self::DuplicateExtension(_) => "csr_duplicate_extension",
            Self::SignatureAlgorithm(_) => "csr_signature_algorithm_unsupported",
            Self::Signature => "csr_signature_invalid",
        }
    }
}

impl From<der::Error> for CsrFault {
    fn from(error: der::Error) -> Self {
        Self::Malformed(error.to_string())
    }
}

impl From<ExtensionsFault> for CsrFault {
    fn from(fault: ExtensionsFault) -> Self {
        match fault {
            ExtensionsFault::Duplicate(oid) => Self::DuplicateExtension(oid),
            other => Self::Malformed(other.to_string()),
        }
    }
}

/// A request that was read; nothing says yet that its sender holds the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Csr {
    der: Vec<u8>,
    subject: DistinguishedName,
    public_key: PublicKey,
    extensions: Extensions,
    challenge_password: Option<String>,
}

/// Something whose signature was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl Csr {
    /// Reads a request in PEM or DER. The length is checked before anything else.
    pub fn parse(input: &[u8]) -> Result<Self, CsrFault> {
        if input.len() > MAX_CSR_LEN {
            return Err(CsrFault::TooLong);
        }
        if !pem::is_pem(input) {
            return Self::from_der(input);
        }
        let blocks = pem::decode(input).map_err(|fault| CsrFault::Malformed(fault.to_string()))?;
        let is_request = |label: &str| label == "CERTIFICATE REQUEST" || label == "NEW CERTIFICATE REQUEST";
        let block = blocks.into_iter().find(|block| is_request(&block.label));
        let block =
            block.ok_or_else(|| CsrFault::Malformed("no CERTIFICATE REQUEST in the PEM text".to_owned()))?;
        Self::from_der(&block.der)
    }

    fn from_der(der: &[u8]) -> Result<Self, CsrFault> {
        let signed = Signed::split(der)?;
        signed.identifier()?;
        let mut reader = SliceReader::new(signed.tbs)?;
        let request = reader.sequence(Self::read_info)?;
        reader.finish()?;
        Ok(Self {
            der: der.to_vec(),
            ..request
        })
    }

    /// CertificationRequestInfo, RFC 2986 §4.1.
    fn read_info<'a>(reader: &mut impl Reader<'a>) -> Result<Self, CsrFault> {
        let version = u8::decode(reader)?;
        if version != 0 {
            return Err(CsrFault::Malformed("its version is not 1".to_owned()));
        }
        let subject = DistinguishedName::from_der(reader.tlv_bytes()?)?;
        let public_key = PublicKey::from_spki_der(reader.tlv_bytes()?)?;
        let mut request = Self {
            der: Vec::new(),
            subject,
            public_key,
            extensions: Extensions::default(),
            challenge_password: None,
        };
        // Some old clients leave the attributes out although RFC 2986 does not make them optional.
        if !reader.is_finished() {
            let attributes = AnyRef::decode(reader)?;
            if attributes.tag()
                != (Tag::ContextSpecific {
                    constructed: true,
                    number: der::TagNumber(0),
                })
            {
                return Err(CsrFault::Malformed(
                    "its attributes are not where they belong".to_owned(),
                ));
            }
            request.read_attributes(attributes.value())?;
        }
        Ok(request)
    }

    fn read_attributes(&mut self, contents: &[u8]) -> Result<(), CsrFault> {
        let mut reader = SliceReader::new(contents)?;
        let mut seen = Vec::new();
        while !reader.is_finished() {
            let (oid, values) = reader.sequence(|attribute| {
                let oid = ObjectIdentifier::decode(attribute)?;
                let values = AnyRef::decode(attribute)?;
                der::Result::Ok((oid, values))
            })?;
            values.tag().assert_eq(Tag::Set)?;
            if seen.contains(&oid) || seen.len() == MAX_ATTRIBUTES {
                return Err(CsrFault::Malformed(format!(
                    "the attribute {oid} appears twice or there are too many"
                )));
            }
            seen.push(oid);
            match oid {
                EXTENSION_REQUEST => {
                    self.extensions = Extensions::from_der(values.value())?;
                    self.extensions.check_readable()?;
                }
                CHALLENGE_PASSWORD => self.challenge_password = Some(password(values.value())?),
                _ => {}
            }
        }
        Ok(())
    }

    /// Checks the request's own signature: the proof that its sender holds the private key.
    pub fn verify(self) -> Result<Verified<Self>, CsrFault> {
        let signed = Signed::split(&self.der)?;
        let algorithm = signed.algorithm().ok_or_else(|| {
            CsrFault::SignatureAlgorithm(
                signed
                    .identifier()
                    .map_or_else(|_| "unreadable".to_owned(), |id| id.oid.to_string()),
            )
        })?;
        if algorithm.verifier(self.public_key.algorithm()).is_none() {
            return Err(CsrFault::SignatureAlgorithm(format!(
                "{algorithm} with a key of {}",
                self.public_key.algorithm()
            )));
        }
        self.public_key
            .verify(algorithm, signed.tbs, signed.signature)
            .map_err(|_| CsrFault::Signature)?;
        Ok(Verified(self))
    }

    /// The whole request.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The wanted subject.
    pub fn subject(&self) -> &DistinguishedName {
        &self.subject
    }

    /// The key to be certified.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The wanted subject alternative names; a name that cannot be certified is an error, never left out silently.
    pub fn subject_alt_names(&self) -> Result<Vec<SubjectAltName>, SanFault> {
        let names = san::general_names(&self.extensions)?;
        if names.len() > MAX_NAMES {
            return Err(SanFault::TooMany);
        }
        names.iter().map(SubjectAltName::from_general_name).collect()
    }

    /// The types of the extensions that it asks for, in their order.
    pub fn requested_extensions(&self) -> impl Iterator<Item = ObjectIdentifier> {
        self.extensions.iter().map(|extension| extension.extn_id)
    }

    /// How it is signed.
    pub fn signature_algorithm(&self) -> Option<SignatureAlgorithm> {
        Signed::split(&self.der).ok()?.algorithm()
    }

    /// Whether it asks to become an authority.
    pub fn requested_ca(&self) -> bool {
        self.extensions
            .value::<BasicConstraints>()
            .ok()
            .flatten()
            .is_some_and(|constraints| constraints.ca)
    }

    /// The wanted key usage.
    pub fn requested_key_usage(&self) -> Option<KeyUsage> {
        self.extensions.value::<KeyUsage>().ok().flatten()
    }

    /// The wanted purposes; empty when it asks for none.
    pub fn requested_extended_key_usage(&self) -> Vec<ObjectIdentifier> {
        self.extensions
            .value::<ExtendedKeyUsage>()
            .ok()
            .flatten()
            .map(|usage| usage.0)
            .unwrap_or_default()
    }

    /// The challenge password (RFC 2985 §5.4.1), which SCEP uses.
    pub fn challenge_password(&self) -> Option<&str> {
        self.challenge_password.as_deref()
    }
}

/// A DirectoryString of at most 255 characters (RFC 2985 §5.4.1), or the IA5String that some clients write.
fn password(set: &[u8]) -> Result<String, CsrFault> {
    let value = Any::from_der(set)?;
    let is_text = name::is_text(value.tag());
    let text = name::text(&value).filter(|text| is_text && text.chars().count() <= 255);
    text.ok_or_else(|| CsrFault::Malformed("its challenge password is not a text".to_owned()))
}

/// A new request for a certificate of a subject and names, in DER: `sign` gets the bytes that the key signs and gives back the
/// signature, of ECDSA in DER.
pub fn request<E>(
    subject: &DistinguishedName,
    names: &[SubjectAltName],
    key: &PublicKey,
    algorithm: SignatureAlgorithm,
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<Vec<u8>, E> {
    let info = request_info(subject, key, false, names);
    let signature = sign(&info)?;
    Ok(assemble(&info, algorithm, &signature))
}

/// The bytes of a new request that its key must sign.
pub fn request_info(
    subject: &DistinguishedName,
    key: &PublicKey,
    is_ca: bool,
    names: &[SubjectAltName],
) -> Vec<u8> {
    let mut extensions = Vec::new();
    if is_ca {
        // basicConstraints CA:TRUE and keyUsage keyCertSign + cRLSign + digitalSignature, both critical
        extensions.extend_from_slice(&[
            0x30, 0x0f, 0x06, 0x03, 0x55, 0x1d, 0x13, 0x01, 0x01, 0xff, 0x04, 0x05, 0x30, 0x03, 0x01, 0x01,
            0xff, //
            0x30, 0x0e, 0x06, 0x03, 0x55, 0x1d, 0x0f, 0x01, 0x01, 0xff, 0x04, 0x04, 0x03, 0x02, 0x01, 0x86,
        ]);
    }
    if !names.is_empty() {
        let names: Vec<u8> = names.iter().flat_map(SubjectAltName::to_general_name).collect();
        let value = encode::wrap(0x04, &[&encode::wrap(SEQUENCE, &[&names])]);
        extensions.extend(encode::wrap(SEQUENCE, &[&[0x06, 0x03, 0x55, 0x1d, 0x11], &value]));
    }
    let attributes = if extensions.is_empty() {
        vec![0xa0, 0x00]
    } else {
        let list = encode::wrap(SEQUENCE, &[&extensions]);
        let oid = EXTENSION_REQUEST.to_der().unwrap_or_default();
        let attribute = encode::wrap(SEQUENCE, &[&oid, &encode::wrap(SET, &[&list])]);
        encode::wrap(0xa0, &[&attribute])
    };
    encode::wrap(
        SEQUENCE,
        &[&[0x02, 0x01, 0x00], subject.der(), key.spki_der(), &attributes],
    )
}

/// A whole request from its signed parts.
pub fn assemble(request_info: &[u8], algorithm: SignatureAlgorithm, signature: &[u8]) -> Vec<u8> {
    let bits = encode::wrap(0x03, &[&[0], signature]);
    encode::wrap(SEQUENCE, &[request_info, algorithm.identifier_der(), &bits])
}

#[cfg(test)]
mod tests;
