//! What a certificate says of itself, read leniently: an inventory also lists those that nothing here would take.

use der::oid::AssociatedOid as _;
use der::{Decode as _, Encode as _};
use jiff::Timestamp;
use x509_cert::Certificate as Syntax;
use x509_cert::ext::pkix::SubjectAltName as SubjectAltNameSyntax;
use x509_cert::name::Name;
use x509_cert::spki::SubjectPublicKeyInfoOwned;
use x509_cert::time::Time;

use super::{Certificate, CertificateFault, MAX_CERTIFICATE_LEN};
use crate::key::{PublicKey, RSA, weak};
use crate::name::DistinguishedName;
use crate::san::SubjectAltName;

/// Longest text of a name, in characters.
const MOST_NAME: usize = 1024;

/// What a certificate says of itself. Nothing of it is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// The subject, as RFC 4514 writes it.
    pub subject: String,
    /// The issuer, as RFC 4514 writes it.
    pub issuer: String,
    /// The serial, big-endian, without zeros in front.
    pub serial: Vec<u8>,
    /// The first instant at which it is good.
    pub not_before: Timestamp,
    /// The last one.
    pub not_after: Timestamp,
    /// The subject alternative names that are known here, as `dns:a.example.com`.
    pub names: Vec<String>,
    /// The kind of its key, as `ec-p256`, or the identifier of its algorithm.
    pub key: String,
    /// Why nothing here would take it, if so: a weak key, an unknown algorithm, what is not as RFC 5280 has it.
    pub fault: Option<CertificateFault>,
}

impl Outline {
    /// Reads DER.
    pub fn of_der(der: &[u8]) -> Result<Self, CertificateFault> {
        if der.len() > MAX_CERTIFICATE_LEN {
            return Err(CertificateFault::TooLong);
        }
        let lenient = Syntax::from_der(der)?;
        let tbs = lenient.tbs_certificate();
        let strict = Certificate::from_der(der);
        let spki = tbs.subject_public_key_info();
        let key = match &strict {
            Ok(certificate) => certificate.public_key().algorithm().to_string(),
            Err(_) => kind_of(spki)?,
        };
        let serial = tbs.serial_number().as_bytes();
        let zeros = serial.iter().take_while(|octet| **octet == 0).count();
        Ok(Self {
            subject: shown(tbs.subject()),
            issuer: shown(tbs.issuer()),
            serial: serial.get(zeros..).unwrap_or_default().to_vec(),
            not_before: instant(tbs.validity().not_before)?,
            not_after: instant(tbs.validity().not_after)?,
            names: names(&lenient),
            key,
            fault: strict.err(),
        })
    }
}

/// The kind of a key that may be one that nothing here would take.
fn kind_of(spki: &SubjectPublicKeyInfoOwned) -> Result<String, CertificateFault> {
    if let Ok(key) = PublicKey::from_spki_der(&spki.to_der()?) {
        return Ok(key.algorithm().to_string());
    }
    let modulus = weak::modulus(spki.subject_public_key.raw_bytes());
    let Some([first, rest @ ..]) = modulus.filter(|_| spki.algorithm.oid == RSA) else {
        return Ok(weak::name_of(spki.algorithm.oid));
    };
    let length = 8 * rest.len() + first.checked_ilog2().map_or(0, |top| top as usize + 1);
    Ok(format!("rsa-{length}"))
}

fn names(certificate: &Syntax) -> Vec<String> {
    let extensions = certificate.tbs_certificate().extensions();
    let extension = extensions
        .into_iter()
        .flatten()
        .find(|one| one.extn_id == SubjectAltNameSyntax::OID);
    let syntax = extension.and_then(|one| SubjectAltNameSyntax::from_der(one.extn_value.as_bytes()).ok());
    let names = syntax.into_iter().flat_map(|syntax| syntax.0);
    names
        .filter_map(|name| Some(SubjectAltName::from_general_name(&name).ok()?.to_string()))
        .collect()
}

/// A name as text of one line.
fn shown(name: &Name) -> String {
    let own = name.to_der().ok();
    let own = own.and_then(|der| DistinguishedName::from_der(&der).ok());
    let text = own.map_or_else(|| name.to_string(), |own| own.to_string());
    let one = |each: char| {
        if each.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            each
        }
    };
    text.chars().take(MOST_NAME).map(one).collect()
}

fn instant(time: Time) -> Result<Timestamp, CertificateFault> {
    let malformed = || CertificateFault::Malformed("its validity is out of range".to_owned());
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).map_err(|_| malformed())?;
    Timestamp::from_second(seconds).map_err(|_| malformed())
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test says what broke by panicking"
    )]

    use super::*;
    use crate::pem;

    /// `openssl req -x509 -newkey rsa:1024 -nodes -keyout /dev/null -subj "/CN=old.example.com" -days 3650
    /// -addext "subjectAltName=DNS:old.example.com,IP:192.0.2.1"`
    const WEAK: &str = include_str!("outline/weak.crt");

    #[test]
    fn a_certificate_with_a_weak_key_is_outlined_with_what_is_wrong() {
        let der = &pem::decode(WEAK.as_bytes()).unwrap()[0].der;
        let outline = Outline::of_der(der).unwrap();
        assert_eq!(
            (outline.subject.as_str(), &outline.subject),
            ("CN=old.example.com", &outline.issuer)
        );
        assert_eq!(outline.names, ["dns:old.example.com", "ip:192.0.2.1"]);
        assert!(outline.not_before < outline.not_after && !outline.serial.is_empty());
        assert_eq!(outline.key, "rsa-1024");
        assert!(
            matches!(outline.fault, Some(CertificateFault::Key(_))),
            "{:?}",
            outline.fault
        );
        for end in 0..der.len() {
            assert!(Outline::of_der(&der[..end]).is_err(), "{end}");
        }
    }
}
