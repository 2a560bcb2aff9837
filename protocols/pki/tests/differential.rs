//! The readers of this crate against `x509-parser`, which nobody here wrote: both read the same, and what is accepted
//! here is accepted there.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use std::path::Path;

use pki::{Certificate, Crl, Csr, SubjectAltName};
use proptest::prelude::*;
use proptest::sample::Index;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::error::X509Error;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::revocation_list::CertificateRevocationList;

fn vectors(noun: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(noun);
    let files = std::fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let mut files: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|end| end == "der"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no vectors in {}", folder.display());
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    files
        .into_iter()
        .map(|path| (name(&path), std::fs::read(path).unwrap()))
        .collect()
}

/// A name as both write it.
fn text(name: &GeneralName<'_>) -> Option<String> {
    Some(match name {
        GeneralName::DNSName(text) => format!("dns:{}", text.to_ascii_lowercase()),
        GeneralName::RFC822Name(text) => format!("email:{text}"),
        GeneralName::URI(text) => format!("uri:{text}"),
        GeneralName::IPAddress([a, b, c, d]) => format!("ip:{a}.{b}.{c}.{d}"),
        GeneralName::IPAddress(octets) => {
            format!(
                "ip:{}",
                std::net::Ipv6Addr::from(<[u8; 16]>::try_from(*octets).ok()?)
            )
        }
        GeneralName::OtherName(_, value) => {
            // [0] EXPLICIT UTF8String, as x509-parser leaves it
            let place = value.iter().position(|octet| *octet == 0x0c)?;
            format!("upn:{}", std::str::from_utf8(value.get(place + 2..)?).ok()?)
        }
        _ => return None,
    })
}

fn same_names<'a>(ours: &[SubjectAltName], theirs: impl Iterator<Item = &'a GeneralName<'a>>) {
    // Hosts in mailboxes are kept in lower case here.
    let ours: Vec<String> = ours
        .iter()
        .map(|name| name.to_string().to_ascii_lowercase())
        .collect();
    let theirs: Vec<String> = theirs
        .filter_map(text)
        .map(|name| name.to_ascii_lowercase())
        .collect();
    assert_eq!(ours, theirs);
}

/// Whether a BIT STRING of keyUsage has bits set after its end.
fn has_unused_bits(certificate: &Certificate) -> bool {
    let der = certificate.der();
    let is_usage = |window: &[u8]| window.starts_with(&[0x55, 0x1d, 0x0f]);
    let usage = der
        .windows(12)
        .find(|window| is_usage(window))
        .unwrap_or_default();
    let Some(place) = usage.windows(2).position(|pair| pair == [0x03, 0x02]) else {
        return false;
    };
    matches!(usage.get(place + 2..place + 4), Some([unused, bits]) if bits.trailing_zeros() < u32::from(*unused))
}

fn same_certificate(ours: &Certificate) {
    let (rest, theirs) = X509Certificate::from_der(ours.der()).unwrap();
    assert!(rest.is_empty());
    let serial = theirs.raw_serial();
    assert_eq!(
        ours.serial().as_bytes(),
        serial.strip_prefix(&[0]).unwrap_or(serial)
    );
    assert_eq!(ours.issuer().der(), theirs.issuer().as_raw());
    assert_eq!(ours.subject().der(), theirs.subject().as_raw());
    assert_eq!(ours.public_key().spki_der(), theirs.public_key().raw);
    assert_eq!(
        ours.not_before().as_second(),
        theirs.validity().not_before.timestamp()
    );
    let end = theirs.validity().not_after.timestamp();
    assert_eq!(
        ours.not_after().as_second(),
        end.min(jiff::Timestamp::MAX.as_second())
    );
    let constraints = theirs
        .basic_constraints()
        .unwrap()
        .map(|extension| extension.value);
    assert_eq!(
        ours.is_ca(),
        constraints.is_some_and(|constraints| constraints.ca)
    );
    let path_len = constraints.and_then(|constraints| constraints.path_len_constraint);
    assert_eq!(ours.path_len().map(u32::from), path_len);
    // They want the unused bits of a BIT STRING to be zero (X.690 §11.2.1); `der` ignores them.
    let usage = match theirs.key_usage() {
        Err(X509Error::InvalidExtensions) if has_unused_bits(ours) => return,
        usage => usage.unwrap().map(|extension| *extension.value),
    };
    assert_eq!(
        ours.key_usage()
            .map(|usage| (usage.digital_signature(), usage.key_cert_sign(), usage.crl_sign())),
        usage.map(|usage| (usage.digital_signature(), usage.key_cert_sign(), usage.crl_sign()))
    );
    if let Ok(names) = ours.subject_alt_names() {
        let theirs = theirs
            .subject_alternative_name()
            .unwrap()
            .map(|extension| extension.value);
        same_names(&names, theirs.iter().flat_map(|names| &names.general_names));
    }
}

fn same_request(ours: &Csr) {
    let (rest, theirs) = X509CertificationRequest::from_der(ours.der()).unwrap();
    assert!(rest.is_empty());
    assert_eq!(
        ours.subject().der(),
        theirs.certification_request_info.subject.as_raw()
    );
    assert_eq!(
        ours.public_key().spki_der(),
        theirs.certification_request_info.subject_pki.raw
    );
    if let Ok(names) = ours.subject_alt_names() {
        let extensions: Vec<&ParsedExtension<'_>> =
            theirs.requested_extensions().into_iter().flatten().collect();
        let theirs = extensions.into_iter().filter_map(|extension| match extension {
            ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
            _ => None,
        });
        same_names(&names, theirs.flatten());
    }
}

fn same_list(ours: &Crl) {
    let (rest, theirs) = CertificateRevocationList::from_der(ours.der()).unwrap();
    assert!(rest.is_empty());
    assert_eq!(ours.issuer().der(), theirs.issuer().as_raw());
    assert_eq!(ours.this_update().as_second(), theirs.last_update().timestamp());
    assert_eq!(
        ours.next_update().map(jiff::Timestamp::as_second),
        theirs
            .next_update()
            .map(|time| time.timestamp().min(jiff::Timestamp::MAX.as_second()))
    );
    let number = theirs
        .crl_number()
        .and_then(|number| u64::try_from(number.clone()).ok());
    assert_eq!(ours.number(), number);
    let entry = |entry: &x509_parser::revocation_list::RevokedCertificate<'_>| {
        let serial = entry.raw_serial();
        let serial = serial.strip_prefix(&[0]).unwrap_or(serial).to_vec();
        (
            serial,
            entry.revocation_date.timestamp(),
            entry.reason_code().map(|(_, reason)| reason.0),
        )
    };
    let theirs: Vec<_> = theirs.iter_revoked_certificates().map(entry).collect();
    let ours: Vec<_> = ours.entries().map(Result::unwrap).collect();
    let ours: Vec<_> = ours
        .iter()
        .map(|one| {
            (
                one.serial.as_bytes().to_vec(),
                one.revoked_at.as_second(),
                one.reason.map(pki::RevocationReason::code),
            )
        })
        .collect();
    assert_eq!(ours, theirs);
}

#[test]
fn certificates_read_alike() {
    let read: Vec<_> = [vectors("certificate"), vectors("chain")]
        .concat()
        .iter()
        .filter_map(|(_, der)| Certificate::parse(der).ok())
        .collect();
    assert!(read.len() > 20);
    read.iter().for_each(same_certificate);
}

#[test]
fn requests_read_alike() {
    let read: Vec<_> = vectors("csr")
        .iter()
        .filter_map(|(_, der)| Csr::parse(der).ok())
        .collect();
    assert!(read.len() > 20);
    read.iter().for_each(same_request);
}

#[test]
fn lists_read_alike() {
    let read: Vec<_> = vectors("crl")
        .iter()
        .filter_map(|(_, der)| Crl::parse(der).ok())
        .collect();
    assert!(read.len() > 5);
    read.iter().for_each(same_list);
}

/// Vectors with one octet changed or two swapped, lengths kept: most remain readable.
fn bent(nouns: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let all: Vec<Vec<u8>> = nouns
        .iter()
        .flat_map(|noun| vectors(noun))
        .map(|(_, der)| der)
        .collect();
    (proptest::sample::select(all), any::<Index>(), any::<u8>()).prop_map(|(mut der, place, octet)| {
        let place = place.index(der.len());
        der[place] = octet;
        der
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn bent_certificates_read_alike(der in bent(&["certificate", "chain"])) {
        if let Ok(certificate) = Certificate::parse(&der) {
            same_certificate(&certificate);
        }
    }

    #[test]
    fn bent_requests_read_alike(der in bent(&["csr"])) {
        if let Ok(request) = Csr::parse(&der) {
            same_request(&request);
        }
    }

    #[test]
    fn bent_lists_read_alike(der in bent(&["crl"])) {
        if let Ok(list) = Crl::parse(&der) {
            same_list(&list);
        }
    }
}
