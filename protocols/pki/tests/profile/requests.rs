//! From a request to an order: what is taken, and everything that is refused with its code.

use const_oid::{AssociatedOid, ObjectIdentifier};
use der::asn1::{Any, OctetString, SetOfVec};
use der::{Decode, Encode};
use pki::profile::{Order, Profile, order_from_csr};
use pki::{Csr, DistinguishedName, SignatureAlgorithm, Verified};
use x509_cert::attr::Attribute;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages};
use x509_cert::request::CertReqInfo;

use crate::fixture::{key, names, order, ready, sign};

const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CODE_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3");
const MICROSOFT_SID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.25.2");

/// A request of the leaf key.
fn request(subject: &str, texts: &[&str]) -> Verified<Csr> {
    let empty = DistinguishedName::empty();
    let subject = if subject.is_empty() {
        empty
    } else {
        DistinguishedName::parse(subject).unwrap()
    };
    signed(&pki::csr::request_info(
        &subject,
        &key("leaf-p256"),
        false,
        &names(texts),
    ))
}

/// A request of the leaf key with these extensions.
fn request_with(extensions: Vec<Extension>) -> Verified<Csr> {
    let subject = DistinguishedName::parse("CN=www.example.com").unwrap();
    let plain = pki::csr::request_info(
        &subject,
        &key("leaf-p256"),
        false,
        &names(&["dns:www.example.com"]),
    );
    let mut info = CertReqInfo::from_der(&plain).unwrap();
    let attribute = info.attributes.iter().next().unwrap().clone();
    let wanted: Vec<Extension> =
        Decode::from_der(&attribute.values.iter().next().unwrap().to_der().unwrap()).unwrap();
    let all = [wanted, extensions].concat();
    let values = SetOfVec::try_from(vec![Any::from_der(&all.to_der().unwrap()).unwrap()]).unwrap();
    info.attributes = SetOfVec::try_from(vec![Attribute {
        oid: attribute.oid,
        values,
    }])
    .unwrap();
    signed(&info.to_der().unwrap())
}

fn signed(info: &[u8]) -> Verified<Csr> {
    let signature = sign("leaf-p256", info);
    Csr::parse(&pki::csr::assemble(
        info,
        SignatureAlgorithm::EcdsaSha256,
        &signature,
    ))
    .unwrap()
    .verify()
    .unwrap()
}

fn extension<T: Encode + AssociatedOid>(value: &T) -> Extension {
    Extension {
        extn_id: T::OID,
        critical: false,
        extn_value: OctetString::new(value.to_der().unwrap()).unwrap(),
    }
}

fn code(profile: &Profile, csr: &Verified<Csr>) -> &'static str {
    order_from_csr(profile, csr).unwrap_err().code
}

#[test]
fn the_order_has_the_names_subject_and_key_of_the_request() {
    let csr = request(
        "CN=www.example.com,O=Example",
        &["dns:www.example.com", "ip:192.0.2.1"],
    );
    let order = order_from_csr(&ready("tls-server"), &csr).unwrap();
    assert_eq!(order.names, names(&["dns:www.example.com", "ip:192.0.2.1"]));
    assert_eq!(order.subject.to_string(), "CN=www.example.com,O=Example");
    assert_eq!(order.public_key, key("leaf-p256"));
    assert_eq!((order.validity, order.ms_sid), (None, None));
}

#[test]
fn a_repeated_name_is_taken_once() {
    let csr = request("", &["dns:a.example", "dns:a.example", "dns:b.example"]);
    let order = order_from_csr(&ready("tls-server"), &csr).unwrap();
    assert_eq!(order.names, names(&["dns:a.example", "dns:b.example"]));
}

#[test]
fn refusals_have_their_codes() {
    let server = ready("tls-server");
    let many: Vec<String> = (0..101).map(|index| format!("dns:h{index}.example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(code(&server, &request("CN=a.example", &[])), "san_required");
    assert_eq!(
        code(&server, &request("", &["email:a@b.example"])),
        "san_type_not_allowed"
    );
    assert_eq!(code(&server, &request("", &many)), "san_too_many");
    assert_eq!(
        code(&server, &request("CN=b.example", &["dns:a.example"])),
        "common_name_not_in_names"
    );
    assert_eq!(
        code(&server, &request("GN=Eve", &["dns:a.example"])),
        "subject_attribute_not_allowed"
    );
    assert_eq!(
        code(&ready("code-signing"), &request("O=Example", &[])),
        "subject_attribute_required"
    );
    assert_eq!(code(&ready("device"), &request("", &[])), "subject_required");
    let rsa_only = Profile {
        key_algorithms: vec!["rsa-3072".parse().unwrap()],
        ..server
    };
    assert_eq!(
        code(&rsa_only, &request("", &["dns:a.example"])),
        "key_algorithm_not_allowed"
    );
}

#[test]
fn a_thousand_names_are_refused() {
    let many: Vec<String> = (0..1000).map(|index| format!("dns:h{index}.example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(code(&ready("tls-server"), &request("", &many)), "san_too_many");
}

#[test]
fn only_profiles_of_authorities_let_a_request_be_one() {
    let ca = extension(&BasicConstraints {
        ca: true,
        path_len_constraint: None,
    });
    assert_eq!(
        code(&ready("tls-server"), &request_with(vec![ca])),
        "ca_not_allowed"
    );
    let subject = DistinguishedName::parse("CN=Sub").unwrap();
    let csr = signed(&pki::csr::request_info(&subject, &key("leaf-p256"), true, &[]));
    assert!(order_from_csr(&ready("sub-ca"), &csr).is_ok());
    let not_ca = extension(&BasicConstraints {
        ca: false,
        path_len_constraint: None,
    });
    assert!(order_from_csr(&ready("tls-server"), &request_with(vec![not_ca])).is_ok());
}

#[test]
fn purposes_must_be_within_the_profile() {
    let purposes =
        |list: &[ObjectIdentifier]| request_with(vec![extension(&ExtendedKeyUsage(list.to_vec()))]);
    assert!(order_from_csr(&ready("tls-server"), &purposes(&[SERVER_AUTH])).is_ok());
    assert_eq!(
        code(&ready("tls-server"), &purposes(&[SERVER_AUTH, CODE_SIGNING])),
        "eku_not_allowed"
    );
}

#[test]
fn key_usage_bits_are_the_profiles_own_affair() {
    let wanted = KeyUsages::DigitalSignature | KeyUsages::NonRepudiation | KeyUsages::KeyEncipherment;
    let profile = ready("tls-server");
    let order = order_from_csr(&profile, &request_with(vec![extension(&KeyUsage(wanted))])).unwrap();
    let certificate = crate::fixture::issuing().issue(&profile, &order);
    let usage = certificate.key_usage().unwrap();
    assert!(usage.digital_signature() && !usage.non_repudiation() && !usage.key_encipherment());
}

#[test]
fn a_security_identifier_in_a_request_is_never_looked_at() {
    let value =
        b"\x30\x1f\xa0\x1d\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x19\x02\x01\xa0\x0f\x04\x0dS-1-5-21-1-50";
    let sid = Extension {
        extn_id: MICROSOFT_SID,
        critical: false,
        extn_value: OctetString::new(&value[..]).unwrap(),
    };
    let profile = ready("device");
    let order = order_from_csr(&profile, &request_with(vec![sid])).unwrap();
    assert_eq!(order.ms_sid, None);
    let certificate = crate::fixture::issuing().issue(&profile, &order);
    assert!(!certificate.der().windows(5).any(|window| window == b"S-1-5"));
}

#[test]
fn a_request_must_stay_within_an_authorised_order() {
    let profile = ready("tls-server");
    let order = Order {
        names: names(&["dns:a.example", "dns:b.example"]),
        ..order(&profile)
    };
    let covers = |texts: &[&str]| {
        order
            .covers(&profile, &request("", texts))
            .map_err(|refusal| refusal.code)
    };
    assert_eq!(covers(&["dns:a.example"]), Ok(()));
    assert_eq!(covers(&["dns:b.example", "dns:a.example"]), Ok(()));
    assert_eq!(
        covers(&["dns:a.example", "dns:c.example"]),
        Err("name_not_in_order")
    );
    let foreign = Order {
        public_key: key("issuing-p256"),
        ..order.clone()
    };
    let refusal = foreign
        .covers(&profile, &request("", &["dns:a.example"]))
        .unwrap_err();
    assert_eq!(refusal.code, "key_not_in_order");
}
