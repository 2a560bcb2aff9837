//! OCSPRequest: strict, bounded reader, and the writer for the client side (RFC 6960 §4.1.1).
//!
//! The usual request (one CertID, no nonce) is read without allocation. requestorName and the optional signature
//! are checked for form and then ignored, as RFC 9919 §3.1.2 lets a responder do.

use der::asn1::{ObjectIdentifier, OctetStringRef};
use der::{Decode, Encode, Header, Reader, SliceReader, Tag};

use const_oid::db::rfc6960::{ID_PKIX_OCSP_BASIC, ID_PKIX_OCSP_NONCE, ID_PKIX_OCSP_RESPONSE};

use crate::cert_id::CertId;
use crate::fault::RequestFault;
use crate::nonce::Nonce;
use crate::wire;

/// Longest request read, in octets. A request of [`MAX_CERT_IDS`] SHA-256 CertIDs and a nonce needs about 8 KiB.
pub const MAX_REQUEST_LEN: usize = 64 * 1024;

/// Most CertIDs answered in one response.
pub const MAX_CERT_IDS: usize = 64;

/// Most extensions looked at in one extensions field.
const MAX_EXTENSIONS: usize = 16;

/// A request that was read, or one to be sent. It asks for at least one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    first: CertId,
    more: Vec<CertId>,
    nonce: Option<Nonce>,
}

impl Request {
    /// A request for one certificate.
    pub const fn new(cert_id: CertId) -> Self {
        Self {
            first: cert_id,
            more: Vec::new(),
            nonce: None,
        }
    }

    /// Asks for one more certificate of the same responder; order is kept.
    #[must_use]
    pub fn with_cert_id(mut self, cert_id: CertId) -> Self {
        self.more.push(cert_id);
        self
    }

    /// Asks for a response made for this request alone.
    #[must_use]
    pub fn with_nonce(mut self, nonce: Nonce) -> Self {
        self.nonce = Some(nonce);
        self
    }

    /// Reads the DER of an OCSPRequest.
    pub fn parse(der: &[u8]) -> Result<Self, RequestFault> {
        if let Some(cert_id) = usual_cert_id(der) {
            return Ok(Self::new(cert_id));
        }
        Self::parse_any(der)
    }

    /// Reads a request of any shape.
    fn parse_any(der: &[u8]) -> Result<Self, RequestFault> {
        if der.len() > MAX_REQUEST_LEN {
            return Err(RequestFault::TooLong);
        }
        let mut reader = SliceReader::new(der)?;
        let request = reader.sequence(|reader| {
            let request = reader.sequence(read_tbs)?;
            explicit(reader, 0, |reader| reader.sequence(read_signature))?;
            Ok::<_, RequestFault>(request)
        })?;
        reader.finish()?;
        Ok(request)
    }

    /// The DER of an unsigned OCSPRequest.
    pub fn to_der(&self) -> der::Result<Vec<u8>> {
        let request_list = self
            .cert_ids()
            .map(|cert_id| wire::Request { cert_id: *cert_id })
            .collect();
        let request_extensions = match &self.nonce {
            Some(nonce) => Some(vec![wire::nonce_extension(nonce)?]),
            None => None,
        };
        wire::OcspRequest {
            tbs_request: wire::TbsRequest {
                request_list,
                request_extensions,
            },
        }
        .to_der()
    }

    /// The first, and mostly only, CertID.
    pub const fn first(&self) -> &CertId {
        &self.first
    }

    /// All CertIDs in the order asked.
    pub fn cert_ids(&self) -> impl ExactSizeIterator<Item = &CertId> + Clone {
        CertIds {
            first: Some(&self.first),
            more: self.more.iter(),
        }
    }

    /// The nonce to echo.
    pub const fn nonce(&self) -> Option<&Nonce> {
        self.nonce.as_ref()
    }
}

#[derive(Clone)]
struct CertIds<'a> {
    first: Option<&'a CertId>,
    more: std::slice::Iter<'a, CertId>,
}

impl<'a> Iterator for CertIds<'a> {
    type Item = &'a CertId;

    fn next(&mut self) -> Option<&'a CertId> {
        self.first.take().or_else(|| self.more.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = usize::from(self.first.is_some()).saturating_add(self.more.len());
        (len, Some(len))
    }
}

impl ExactSizeIterator for CertIds<'_> {}

/// The CertID of a request of the usual shape: one CertID, no extension, no signature. Nearly every request is one, and is
/// read in a few comparisons; what is of any other shape is nothing here, and for [`Request::parse`] to judge.
pub fn usual_cert_id(der: &[u8]) -> Option<CertId> {
    // OCSPRequest, TBSRequest, requestList, Request, CertID: each the whole contents of the one before.
    let mut rest = der;
    for _ in 0..5 {
        let ([SEQUENCE, length], contents) = rest.split_first_chunk()? else {
            return None;
        };
        if usize::from(*length) != contents.len() || *length >= 0x80 {
            return None;
        }
        rest = contents;
    }
    CertId::read_usual(rest)
}

/// TBSRequest.
fn read_tbs(reader: &mut SliceReader<'_>) -> Result<Request, RequestFault> {
    // DER leaves the default version out; clients that write it are understood.
    if explicit(reader, 0, |reader| Ok(u8::decode(reader)?))?.is_some_and(|version| version != 0) {
        return Err(RequestFault::Malformed("version is not v1"));
    }
    explicit(reader, 1, skip_any)?;
    let mut request = reader.sequence(read_request_list)?;
    explicit(reader, 2, |reader| read_extensions(reader, &mut request.nonce))?;
    Ok(request)
}

fn read_request_list(reader: &mut SliceReader<'_>) -> Result<Request, RequestFault> {
    if reader.is_finished() {
        return Err(RequestFault::Malformed("request list is empty"));
    }
    let mut request = Request::new(read_request(reader)?);
    while !reader.is_finished() {
        if request.more.len() + 1 == MAX_CERT_IDS {
            return Err(RequestFault::TooManyCertIds);
        }
        request.more.push(read_request(reader)?);
    }
    Ok(request)
}

fn read_request(reader: &mut SliceReader<'_>) -> Result<CertId, RequestFault> {
    reader.sequence(|reader| {
        let cert_id = CertId::read(reader)?;
        // A nonce belongs into requestExtensions; in a single request it is an extension like any other.
        explicit(reader, 0, |reader| read_extensions(reader, &mut None))?;
        Ok(cert_id)
    })
}

/// Extensions: the nonce is kept, acceptable responses are checked, everything else may be present but not critical.
fn read_extensions(reader: &mut SliceReader<'_>, nonce: &mut Option<Nonce>) -> Result<(), RequestFault> {
    reader.sequence(|reader| {
        if reader.is_finished() {
            return Err(RequestFault::Malformed("extensions are present but empty"));
        }
        let mut seen = Vec::new();
        while !reader.is_finished() {
            let oid = reader.sequence(|reader| read_extension(reader, nonce))?;
            if seen.contains(&oid) {
                return Err(RequestFault::Malformed("extension appears twice"));
            }
            if seen.len() == MAX_EXTENSIONS {
                return Err(RequestFault::Malformed("too many extensions"));
            }
            seen.push(oid);
        }
        Ok(())
    })
}

fn read_extension(
    reader: &mut SliceReader<'_>,
    nonce: &mut Option<Nonce>,
) -> Result<ObjectIdentifier, RequestFault> {
    let oid = ObjectIdentifier::decode(reader)?;
    let critical = if reader.peek_byte() == Some(BOOLEAN) {
        bool::decode(reader)?
    } else {
        false
    };
    let value = <&OctetStringRef>::decode(reader)?.as_bytes();
    if oid == ID_PKIX_OCSP_NONCE {
        *nonce = Some(Nonce::from_extension_value(value)?);
    } else if oid == ID_PKIX_OCSP_RESPONSE {
        check_acceptable_responses(value)?;
    } else if critical {
        return Err(RequestFault::CriticalExtension(oid));
    }
    Ok(oid)
}

/// AcceptableResponses (RFC 6960 §4.4.3): the basic response is the only type there is, so it must be listed.
fn check_acceptable_responses(value: &[u8]) -> Result<(), RequestFault> {
    let mut reader = SliceReader::new(value)?;
    let has_basic = reader.sequence(|reader| {
        let mut has_basic = false;
        while !reader.is_finished() {
            has_basic |= ObjectIdentifier::decode(reader)? == ID_PKIX_OCSP_BASIC;
        }
        Ok::<_, der::Error>(has_basic)
    })?;
    reader.finish()?;
    if has_basic {
        Ok(())
    } else {
        Err(RequestFault::Malformed("client does not accept basic responses"))
    }
}

/// Signature: algorithm, bits, optional certificates; form only.
fn read_signature(reader: &mut SliceReader<'_>) -> Result<(), RequestFault> {
    spki::AlgorithmIdentifierRef::decode(reader)?;
    der::asn1::BitStringRef::decode(reader)?;
    explicit(reader, 0, |reader| {
        reader.sequence(|reader| {
            while !reader.is_finished() {
                Header::peek(reader)?.tag().assert_eq(Tag::Sequence)?;
                reader.tlv_bytes()?;
            }
            Ok(())
        })
    })?;
    Ok(())
}

fn skip_any(reader: &mut SliceReader<'_>) -> Result<(), RequestFault> {
    reader.tlv_bytes()?;
    Ok(())
}

const BOOLEAN: u8 = 0x01;
const SEQUENCE: u8 = 0x30;
const CONTEXT_CONSTRUCTED: u8 = 0xa0;

/// An OPTIONAL field `[number] EXPLICIT`.
fn explicit<'a, T>(
    reader: &mut SliceReader<'a>,
    number: u8,
    read: impl FnOnce(&mut SliceReader<'a>) -> Result<T, RequestFault>,
) -> Result<Option<T>, RequestFault> {
    if reader.peek_byte() != Some(CONTEXT_CONSTRUCTED | number) {
        return Ok(None);
    }
    let header = Header::decode(reader)?;
    reader.read_nested(header.length(), read).map(Some)
}
#[cfg(test)]
mod tests;
