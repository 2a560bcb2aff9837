//! Reading a certificate, strictly (RFC 5280 §4.1).

use der::asn1::{AnyRef, UintRef};
use der::{Decode, Reader, SliceReader, Tag, TagNumber, Tagged};

use super::{Certificate, CertificateFault, MAX_CERTIFICATE_LEN};
use crate::extensions::Extensions;
use crate::key::PublicKey;
use crate::name::DistinguishedName;
use crate::serial::Serial;
use crate::signed::Signed;
use crate::{pem, time};

impl Certificate {
    /// Reads one certificate in PEM or DER; of several in a PEM text, the first.
    pub fn parse(input: &[u8]) -> Result<Self, CertificateFault> {
        if pem::is_pem(input) {
            let all = Self::parse_all(input)?;
            return all
                .into_iter()
                .next()
                .ok_or_else(|| CertificateFault::Malformed("no certificate".to_owned()));
        }
        Self::from_der(input)
    }

    /// Reads every CERTIFICATE block of a PEM text, or one certificate in DER.
    pub fn parse_all(input: &[u8]) -> Result<Vec<Self>, CertificateFault> {
        if !pem::is_pem(input) {
            return Ok(vec![Self::from_der(input)?]);
        }
        let blocks = pem::decode(input).map_err(|fault| CertificateFault::Malformed(fault.to_string()))?;
        let is_certificate =
            |label: &str| matches!(label, "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE");
        let found: Vec<Self> = blocks
            .iter()
            .filter(|block| is_certificate(&block.label))
            .map(|block| Self::from_der(&block.der))
            .collect::<Result<_, _>>()?;
        if found.is_empty() {
            return Err(CertificateFault::Malformed(
                "no CERTIFICATE in the PEM text".to_owned(),
            ));
        }
        Ok(found)
    }

    /// Reads DER, strictly.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateFault> {
        Self::from_der_about(der, None)
    }

    /// The same, of a certificate that was made for this key: that it lies on its curve need not be found out again.
    pub fn from_der_for(der: &[u8], key: &PublicKey) -> Result<Self, CertificateFault> {
        Self::from_der_about(der, Some(key))
    }

    fn from_der_about(der: &[u8], key: Option<&PublicKey>) -> Result<Self, CertificateFault> {
        if der.len() > MAX_CERTIFICATE_LEN {
            return Err(CertificateFault::TooLong);
        }
        let signed = Signed::split(der)?;
        let mut reader = SliceReader::new(signed.tbs)?;
        let certificate = reader.sequence(|inner| Self::read_tbs(inner, der, &signed, key))?;
        reader.finish()?;
        Ok(certificate)
    }

    /// TBSCertificate, RFC 5280 §4.1.
    fn read_tbs<'a>(
        reader: &mut impl Reader<'a>,
        der: &[u8],
        signed: &Signed<'_>,
        key: Option<&PublicKey>,
    ) -> Result<Self, CertificateFault> {
        let malformed = |why: &str| CertificateFault::Malformed(why.to_owned());
        let version = AnyRef::decode(reader)?;
        if version.tag() != context(0) || version.value() != [0x02, 0x01, 0x02] {
            return Err(malformed("its version is not 3"));
        }
        let serial = Serial::from_unsigned(UintRef::decode(reader)?.as_bytes())?;
        if reader.tlv_bytes()? != signed.algorithm_der {
            return Err(malformed("its two signature algorithms differ"));
        }
        let algorithm = signed.algorithm().ok_or(CertificateFault::SignatureAlgorithm)?;
        let issuer = DistinguishedName::from_der(reader.tlv_bytes()?)?;
        let (not_before, not_after) = reader.sequence(|validity| {
            let not_before = time::from_der(validity.tlv_bytes()?)?;
            let not_after = time::from_der(validity.tlv_bytes()?)?;
            der::Result::Ok((not_before, not_after))
        })?;
        let subject = DistinguishedName::from_der(reader.tlv_bytes()?)?;
        let public_key = PublicKey::from_spki_der_or(reader.tlv_bytes()?, key)?;
        let mut extensions = Extensions::default();
        while !reader.is_finished() {
            let field = AnyRef::decode(reader)?;
            if field.tag() == context(3) {
                extensions = Extensions::from_der(field.value())?;
                extensions.check_readable()?;
            } else if !matches!(
                field.tag(),
                Tag::ContextSpecific {
                    number: TagNumber(1 | 2),
                    ..
                }
            ) {
                return Err(malformed("there is something after its fields"));
            }
        }
        Ok(Self {
            der: der.to_vec(),
            algorithm,
            serial,
            issuer,
            subject,
            not_before,
            not_after,
            public_key,
            extensions,
        })
    }
}

fn context(number: u32) -> Tag {
    Tag::ContextSpecific {
        constructed: true,
        number: TagNumber(number),
    }
}
