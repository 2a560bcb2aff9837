//! The effects of the fields about names and subjects.

use pki::DistinguishedName;
use pki::profile::{Order, Profile};

use crate::fields::{extension, issued, problem_paths, server};
use crate::fixture::{build, names, order, refusal};

/// The code for a TLS server's order with these names.
fn names_refusal(profile: &Profile, texts: &[&str]) -> &'static str {
    refusal(
        profile,
        &Order {
            names: names(texts),
            subject: DistinguishedName::empty(),
            ..order(profile)
        },
    )
}

fn accepts(profile: &Profile, texts: &[&str]) {
    build(
        profile,
        &Order {
            names: names(texts),
            subject: DistinguishedName::empty(),
            ..order(profile)
        },
    )
    .unwrap();
}

pub(crate) fn names_required() {
    let mut profile = server();
    assert_eq!(names_refusal(&profile, &[]), "san_required");
    profile.names.required = false;
    let nameless = Order {
        names: Vec::new(),
        ..order(&profile)
    };
    profile.subject.common_name_in_names = false;
    assert!(build(&profile, &nameless).is_ok());
}

pub(crate) fn names_max_count() {
    let mut profile = server();
    profile.names.max_count = 2;
    accepts(&profile, &["dns:a.example", "dns:b.example"]);
    assert_eq!(
        names_refusal(&profile, &["dns:a.example", "dns:b.example", "dns:c.example"]),
        "san_too_many"
    );
}

pub(crate) fn names_wildcards() {
    let mut profile = server();
    accepts(&profile, &["dns:*.a.example"]);
    profile.names.wildcards = false;
    assert_eq!(
        names_refusal(&profile, &["dns:*.a.example"]),
        "wildcard_not_allowed"
    );
}

pub(crate) fn names_dns() {
    let mut profile = server();
    profile.names.dns = vec![
        "*.a.example".parse().unwrap(),
        "regex:web[0-9]\\.b\\.example".parse().unwrap(),
    ];
    accepts(&profile, &["dns:x.a.example", "dns:web1.b.example"]);
    assert_eq!(names_refusal(&profile, &["dns:x.b.example"]), "san_not_allowed");
    profile.names.dns.clear();
    assert_eq!(
        names_refusal(&profile, &["dns:x.a.example"]),
        "san_type_not_allowed"
    );
}

pub(crate) fn names_ip() {
    let mut profile = server();
    profile.names.ip = vec!["10.0.0.0/8".parse().unwrap()];
    accepts(&profile, &["ip:10.1.2.3"]);
    assert_eq!(names_refusal(&profile, &["ip:192.0.2.1"]), "san_not_allowed");
    profile.names.ip.clear();
    assert_eq!(names_refusal(&profile, &["ip:10.1.2.3"]), "san_type_not_allowed");
}

pub(crate) fn names_email() {
    let mut profile = server();
    assert_eq!(
        names_refusal(&profile, &["email:a@corp.example"]),
        "san_type_not_allowed"
    );
    profile.names.email = vec!["*@corp.example".parse().unwrap()];
    accepts(&profile, &["email:a@corp.example"]);
    assert_eq!(
        names_refusal(&profile, &["email:a@other.example"]),
        "san_not_allowed"
    );
}

pub(crate) fn names_uri() {
    let mut profile = server();
    assert_eq!(
        names_refusal(&profile, &["uri:spiffe://corp.example/a"]),
        "san_type_not_allowed"
    );
    profile.names.uri = vec!["spiffe://corp.example/*".parse().unwrap()];
    accepts(&profile, &["uri:spiffe://corp.example/a"]);
    assert_eq!(
        names_refusal(&profile, &["uri:https://corp.example/a"]),
        "san_not_allowed"
    );
}

pub(crate) fn names_upn() {
    let mut profile = server();
    assert_eq!(
        names_refusal(&profile, &["upn:a@corp.example"]),
        "san_type_not_allowed"
    );
    profile.names.upn = vec!["*@corp.example".parse().unwrap()];
    accepts(&profile, &["upn:a@corp.example"]);
}

pub(crate) fn subject_allowed() {
    let mut profile = server();
    assert!(build(&profile, &order(&profile)).is_ok());
    profile.subject.allowed = vec!["CN".parse().unwrap()];
    assert_eq!(
        refusal(&profile, &order(&profile)),
        "subject_attribute_not_allowed"
    );
}

pub(crate) fn subject_taken() {
    let mut profile = server();
    assert_eq!(issued(&profile).subject().to_string(), "CN=www.example.com");
    profile.subject.taken = vec!["CN".parse().unwrap(), "O".parse().unwrap(), "C".parse().unwrap()];
    assert_eq!(
        issued(&profile).subject().to_string(),
        "CN=www.example.com,O=Example,C=CH"
    );
    // Two attributes in one RDN, in the wrong order (X.690 §11.6): the certificate has them in the right one.
    let unit = b"\x30\x09\x06\x03\x55\x04\x0b\x0c\x02aa".as_slice();
    let organisation = b"\x30\x09\x06\x03\x55\x04\x0a\x0c\x02aa".as_slice();
    let unsorted = [b"\x30\x18\x31\x16".as_slice(), unit, organisation].concat();
    profile.subject.taken = vec!["O".parse().unwrap(), "OU".parse().unwrap()];
    let two = Order {
        subject: DistinguishedName::from_der(&unsorted).unwrap(),
        ..order(&profile)
    };
    let tbs = build(&profile, &two).unwrap();
    let sorted = [organisation, unit].concat();
    assert!(tbs.windows(sorted.len()).any(|octets| octets == sorted));
    profile.subject.taken.clear();
    let tbs = build(&profile, &order(&profile)).unwrap();
    assert!(
        extension(&tbs, "2.5.29.17").unwrap().0,
        "the names are critical without a subject"
    );
    profile.subject.taken = vec!["title".parse().unwrap()];
    assert_eq!(problem_paths(&profile), ["subject.taken"]);
}

pub(crate) fn subject_required() {
    let mut profile = server();
    profile.subject.required = vec!["serialNumber".parse().unwrap()];
    assert_eq!(refusal(&profile, &order(&profile)), "subject_attribute_required");
    let subject = DistinguishedName::parse("CN=www.example.com,2.5.4.5=1234").unwrap();
    assert!(
        build(
            &profile,
            &Order {
                subject,
                ..order(&profile)
            }
        )
        .is_ok()
    );
}

pub(crate) fn subject_common_name_in_names() {
    let mut profile = server();
    let other = Order {
        subject: DistinguishedName::parse("CN=Web server").unwrap(),
        ..order(&profile)
    };
    assert_eq!(refusal(&profile, &other), "common_name_not_in_names");
    let address = Order {
        subject: DistinguishedName::parse("CN=192.0.2.1").unwrap(),
        ..order(&profile)
    };
    assert!(build(&profile, &address).is_ok());
    profile.subject.common_name_in_names = false;
    assert!(build(&profile, &other).is_ok());
}
