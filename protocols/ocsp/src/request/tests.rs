use der::Encode;
use der::asn1::OctetString;
use pki::Serial;
use proptest::prelude::*;

use super::*;
use crate::cert_id::{HashAlgorithm, IssuerHash};
use crate::fault::ErrorStatus;

const SHA1: &[u8] = include_bytes!("../../testdata/request/sha1.der");
const SHA256: &[u8] = include_bytes!("../../testdata/request/sha256.der");
const SHA512: &[u8] = include_bytes!("../../testdata/request/sha512.der");
const NONCE: &[u8] = include_bytes!("../../testdata/request/nonce.der");
const SEVERAL: &[u8] = include_bytes!("../../testdata/request/several.der");
const SIGNED: &[u8] = include_bytes!("../../testdata/request/signed.der");
const GNUTLS: &[u8] = include_bytes!("../../testdata/request/gnutls.der");

const GOOD: [u8; 16] = [
    0x5a, 0x1b, 0x2c, 0x3d, 0x4e, 0x5f, 0x60, 0x71, 0x82, 0x93, 0xa4, 0xb5, 0xc6, 0xd7, 0xe8, 0xf9,
];

#[test]
fn reads_one_sha1_cert_id() {
    let request = Request::parse(SHA1).unwrap();
    assert_eq!(request.cert_ids().len(), 1);
    assert_eq!(request.first().hash_algorithm(), HashAlgorithm::Sha1);
    assert_eq!(request.first().serial().as_bytes(), GOOD);
    assert_eq!(request.nonce(), None);
    assert_eq!(request.to_der().unwrap(), SHA1);
}

#[test]
fn reads_one_sha256_cert_id() {
    let request = Request::parse(SHA256).unwrap();
    assert_eq!(request.first().hash_algorithm(), HashAlgorithm::Sha256);
    assert_eq!(request.first().serial().as_bytes(), GOOD);
    assert_eq!(request.to_der().unwrap(), SHA256);
}

#[test]
fn reads_several_cert_ids_in_order_and_the_nonce() {
    let request = Request::parse(SEVERAL).unwrap();
    let serials: Vec<_> = request
        .cert_ids()
        .map(|id| id.serial().as_bytes().to_vec())
        .collect();
    assert_eq!(serials, [GOOD.to_vec(), vec![0x61], vec![0x62]]);
    let algorithms: Vec<_> = request.cert_ids().map(CertId::hash_algorithm).collect();
    assert_eq!(
        algorithms,
        [HashAlgorithm::Sha1, HashAlgorithm::Sha256, HashAlgorithm::Sha256]
    );
    assert_eq!(request.nonce().unwrap().as_bytes().len(), 16);
    assert_eq!(request.to_der().unwrap(), SEVERAL);
}

#[test]
fn reads_the_nonce() {
    let request = Request::parse(NONCE).unwrap();
    assert_eq!(request.nonce().unwrap().as_bytes(), &NONCE[NONCE.len() - 16..]);
}

#[test]
fn ignores_requestor_name_and_signature() {
    assert_eq!(Request::parse(SIGNED).unwrap(), Request::parse(SHA1).unwrap());
}

#[test]
fn reads_what_gnutls_writes() {
    let request = Request::parse(GNUTLS).unwrap();
    assert!(
        request
            .first()
            .names_same_certificate(Request::parse(SHA1).unwrap().first())
    );
}

#[test]
fn answers_unauthorized_to_another_hash() {
    let fault = Request::parse(SHA512).unwrap_err();
    assert_eq!(fault, RequestFault::UnsupportedHash);
    assert_eq!(fault.status(), ErrorStatus::Unauthorized);
}

#[test]
fn keeps_the_spelling_of_the_algorithm() {
    let absent = der_of(&[&[0x30, 0x07, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a]]);
    let with_null = der_of(&[&[0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00]]);
    let (absent, with_null) = (cert_id_with(&absent, &[1]), cert_id_with(&with_null, &[1]));
    let one = Request::parse(&request_of(&[absent])).unwrap();
    let other = Request::parse(&request_of(&[with_null])).unwrap();
    assert_ne!(one.first(), other.first());
    assert!(one.first().names_same_certificate(other.first()));
    assert_eq!(
        one.to_der().unwrap(),
        request_of(&[cert_id_with(&der_of(&[SHA1_ABSENT]), &[1])])
    );
}

#[test]
fn refuses_every_truncation_and_every_extension_by_an_octet() {
    for whole in [SHA1, SHA256, NONCE, SEVERAL, SIGNED, GNUTLS] {
        for length in 0..whole.len() {
            let fault = Request::parse(&whole[..length]).unwrap_err();
            assert_eq!(
                fault.status(),
                ErrorStatus::MalformedRequest,
                "at {length} of {}",
                whole.len()
            );
        }
        let mut longer = whole.to_vec();
        longer.push(0);
        assert!(Request::parse(&longer).is_err());
    }
}

#[test]
fn refuses_too_long_a_request() {
    assert_eq!(
        Request::parse(&vec![0x30; MAX_REQUEST_LEN + 1]),
        Err(RequestFault::TooLong)
    );
}

#[test]
fn bounds_the_number_of_cert_ids() {
    let cert_id = cert_id_with(SHA1_ABSENT, &[1]);
    let at_bound = request_of(&vec![cert_id.clone(); MAX_CERT_IDS]);
    assert_eq!(Request::parse(&at_bound).unwrap().cert_ids().len(), MAX_CERT_IDS);
    let over = request_of(&vec![cert_id; MAX_CERT_IDS + 1]);
    assert_eq!(Request::parse(&over), Err(RequestFault::TooManyCertIds));
}

#[test]
fn refuses_an_empty_request_list() {
    assert_eq!(
        Request::parse(&request_of(&[])),
        malformed("request list is empty")
    );
}

#[test]
fn refuses_serials_that_no_certificate_has() {
    for serial in [&[0][..], &[0x01; 21], &[0x7f; 21]] {
        let request = request_of(&[cert_id_with(SHA1_ABSENT, serial)]);
        assert_eq!(
            Request::parse(&request),
            malformed("serial is zero or longer than 20 octets"),
            "{serial:02x?}"
        );
    }
    // Negative, and with a needless leading zero.
    for serial in [&[0x80][..], &[0x00, 0x01]] {
        let request = request_of(&[cert_id_with(SHA1_ABSENT, serial)]);
        assert!(
            matches!(Request::parse(&request), Err(RequestFault::Der(_))),
            "{serial:02x?}"
        );
    }
    let longest = request_of(&[cert_id_with(SHA1_ABSENT, &[0x7f; 20])]);
    assert_eq!(
        Request::parse(&longest).unwrap().first().serial().as_bytes(),
        [0x7f; 20]
    );
}

#[test]
fn refuses_hashes_of_another_length() {
    let cert_id = sequence(&[SHA1_ABSENT, &octets(&[1; 19]), &octets(&[2; 20]), &integer(&[1])]);
    assert_eq!(
        Request::parse(&request_of(&[cert_id])),
        malformed("issuer hash has the wrong length")
    );
}

#[test]
fn understands_an_explicit_version_v1_only() {
    let list = sequence(&[&sequence(&[&cert_id_with(SHA1_ABSENT, &[1])])]);
    let with_version = |version| sequence(&[&sequence(&[&[0xa0, 3, 2, 1, version], &list])]);
    assert!(Request::parse(&with_version(0)).is_ok());
    assert_eq!(Request::parse(&with_version(1)), malformed("version is not v1"));
}

#[test]
fn refuses_critical_extensions_it_does_not_know() {
    let unknown = ObjectIdentifier::new_unwrap("1.2.3.4");
    let harmless = with_extensions(&[extension(unknown, false, &[0x05, 0x00])]);
    assert!(Request::parse(&harmless).is_ok());
    let critical = with_extensions(&[extension(unknown, true, &[0x05, 0x00])]);
    let fault = Request::parse(&critical).unwrap_err();
    assert_eq!(fault, RequestFault::CriticalExtension(unknown));
    assert_eq!(fault.status(), ErrorStatus::MalformedRequest);
    let single = single_extensions(&[extension(unknown, true, &[0x05, 0x00])]);
    assert_eq!(
        Request::parse(&single),
        Err(RequestFault::CriticalExtension(unknown))
    );
}

#[test]
fn reads_a_critical_nonce() {
    let request = with_extensions(&[extension(ID_PKIX_OCSP_NONCE, true, &octets(&[7; 32]))]);
    assert_eq!(
        Request::parse(&request).unwrap().nonce().unwrap().as_bytes(),
        [7; 32]
    );
}

#[test]
fn bounds_the_nonce() {
    for length in [1, 32, 128] {
        let request = with_extensions(&[extension(ID_PKIX_OCSP_NONCE, false, &octets(&vec![7; length]))]);
        assert_eq!(
            Request::parse(&request)
                .unwrap()
                .nonce()
                .unwrap()
                .as_bytes()
                .len(),
            length
        );
    }
    for length in [0, 129] {
        let request = with_extensions(&[extension(ID_PKIX_OCSP_NONCE, false, &octets(&vec![7; length]))]);
        assert_eq!(Request::parse(&request), Err(RequestFault::Nonce));
    }
    let bare = with_extensions(&[extension(ID_PKIX_OCSP_NONCE, false, &[7; 32])]);
    assert!(Request::parse(&bare).is_err());
}

#[test]
fn refuses_extensions_that_repeat_or_are_empty() {
    let nonce = extension(ID_PKIX_OCSP_NONCE, false, &octets(&[7; 32]));
    let twice = with_extensions(&[nonce.clone(), nonce]);
    assert_eq!(Request::parse(&twice), malformed("extension appears twice"));
    assert_eq!(
        Request::parse(&with_extensions(&[])),
        malformed("extensions are present but empty")
    );
    let many: Vec<_> = (0..=MAX_EXTENSIONS)
        .map(|arc| extension(format!("1.2.3.{arc}").parse().unwrap(), false, &[0x05, 0x00]))
        .collect();
    assert_eq!(
        Request::parse(&with_extensions(&many)),
        malformed("too many extensions")
    );
    assert!(Request::parse(&with_extensions(&many[..MAX_EXTENSIONS])).is_ok());
}

#[test]
fn wants_clients_to_accept_basic_responses() {
    let accepts = |oid: ObjectIdentifier| {
        let value = sequence(&[&oid.to_der().unwrap()]);
        Request::parse(&with_extensions(&[extension(
            ID_PKIX_OCSP_RESPONSE,
            false,
            &value,
        )]))
    };
    assert!(accepts(ID_PKIX_OCSP_BASIC).is_ok());
    assert_eq!(
        accepts(ID_PKIX_OCSP_NONCE),
        malformed("client does not accept basic responses")
    );
}

fn any_cert_id() -> impl Strategy<Value = CertId> {
    let serial = prop::collection::vec(any::<u8>(), 1..=19)
        .prop_filter_map("zero is no serial", |octets| Serial::from_unsigned(&octets).ok());
    let issuer = prop_oneof![
        (any::<[u8; 20]>(), any::<[u8; 20]>()).prop_map(|(name, key)| IssuerHash::Sha1 { name, key }),
        (any::<[u8; 32]>(), any::<[u8; 32]>()).prop_map(|(name, key)| IssuerHash::Sha256 { name, key }),
    ];
    (issuer, serial).prop_map(|(issuer, serial)| CertId::new(issuer, serial))
}

proptest! {
    #[test]
    fn round_trips(
        cert_ids in prop::collection::vec(any_cert_id(), 1..6),
        nonce in prop::option::of(prop::collection::vec(any::<u8>(), 1..=128)),
    ) {
        let mut request = Request::new(cert_ids[0]);
        for cert_id in &cert_ids[1..] {
            request = request.with_cert_id(*cert_id);
        }
        if let Some(nonce) = nonce {
            request = request.with_nonce(Nonce::new(&nonce).unwrap());
        }
        let der = request.to_der().unwrap();
        let read = Request::parse(&der).unwrap();
        prop_assert_eq!(&read, &request);
        prop_assert_eq!(read.cert_ids().copied().collect::<Vec<_>>(), cert_ids);
    }

    #[test]
    fn never_panics_on_noise(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Request::parse(&octets);
    }

    #[test]
    fn never_panics_on_damage(at in 0..NONCE.len(), to in any::<u8>(), cut in 0..=NONCE.len()) {
        for whole in [SHA1, NONCE, SEVERAL, SIGNED] {
            let mut damaged = whole.to_vec();
            damaged[at % whole.len()] = to;
            damaged.truncate(damaged.len() - cut % whole.len());
            let _ = Request::parse(&damaged);
        }
    }
}

const SHA1_ABSENT: &[u8] = &[0x30, 0x07, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a];

fn malformed(what: &'static str) -> Result<Request, RequestFault> {
    Err(RequestFault::Malformed(what))
}

fn der_of(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut out = vec![tag];
    der::Length::try_from(content.len())
        .unwrap()
        .encode_to_vec(&mut out)
        .unwrap();
    out.extend(content);
    out
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, parts)
}

fn octets(content: &[u8]) -> Vec<u8> {
    OctetString::new(content).unwrap().to_der().unwrap()
}

fn integer(content: &[u8]) -> Vec<u8> {
    tlv(0x02, &[content])
}

fn cert_id_with(algorithm: &[u8], serial: &[u8]) -> Vec<u8> {
    sequence(&[algorithm, &octets(&[1; 20]), &octets(&[2; 20]), &integer(serial)])
}

fn request_of(cert_ids: &[Vec<u8>]) -> Vec<u8> {
    let list: Vec<u8> = cert_ids.iter().flat_map(|cert_id| sequence(&[cert_id])).collect();
    sequence(&[&sequence(&[&sequence(&[&list])])])
}

fn extension(oid: ObjectIdentifier, critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[0x01, 0x01, 0xff] } else { &[] };
    sequence(&[&oid.to_der().unwrap(), critical, &octets(value)])
}

fn with_extensions(extensions: &[Vec<u8>]) -> Vec<u8> {
    let list = sequence(&[&sequence(&[&cert_id_with(SHA1_ABSENT, &[1])])]);
    sequence(&[&sequence(&[
        &list,
        &tlv(0xa2, &[&sequence(&[&extensions.concat()])]),
    ])])
}

fn single_extensions(extensions: &[Vec<u8>]) -> Vec<u8> {
    let extensions = tlv(0xa0, &[&sequence(&[&extensions.concat()])]);
    sequence(&[&sequence(&[&sequence(&[&sequence(&[
        &cert_id_with(SHA1_ABSENT, &[1]),
        &extensions,
    ])])])])
}

/// The short way reads what the strict reader reads, and never anything else: every vector, cut off anywhere, with every
/// octet changed to what could matter.
#[test]
fn the_usual_shape_is_read_as_the_strict_reader_reads_it() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/request");
    let (mut usual, mut judged) = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "der") {
            continue;
        }
        let der = std::fs::read(path).unwrap();
        usual += usize::from(usual_cert_id(&der).is_some());
        let mut judge = |der: &[u8]| {
            judged += 1;
            if let Some(cert_id) = usual_cert_id(der) {
                assert_eq!(Request::parse_any(der), Ok(Request::new(cert_id)), "{der:02x?}");
            }
        };
        for length in 0..der.len() {
            judge(&der[..length]);
        }
        for place in 0..der.len() {
            for value in [
                0x00,
                0x01,
                0x02,
                0x04,
                0x05,
                0x06,
                0x30,
                0x7f,
                0x80,
                0x81,
                0xff,
                der[place].wrapping_add(1),
            ] {
                let mut changed = der.clone();
                changed[place] = value;
                judge(&changed);
            }
        }
    }
    assert!(usual >= 2 && judged > 5000, "{usual} usual, {judged} judged");
}
