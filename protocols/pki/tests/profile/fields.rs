//! Every field of a profile has an effect, and every effect is seen here: the table is held against the fields.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use pki::profile::{AuthorityPolicy, CertificatePolicy, NameConstraintsPolicy, Order, Pointers, Profile};
use pki::{Certificate, DistinguishedName};
use x509_parser::prelude::{FromDer, TbsCertificate};

use crate::fixture::{build, build_below, hours, issuing, key, names, now, order, ready, refusal};

/// Key path, and what shows that the field does something.
const EFFECTS: &[(&str, fn())] = &[
    ("name", name),
    ("description", description),
    ("key_algorithms", key_algorithms),
    ("extended_key_usages", extended_key_usages),
    ("names.required", names_required),
    ("names.max_count", names_max_count),
    ("names.wildcards", names_wildcards),
    ("names.dns", names_dns),
    ("names.ip", names_ip),
    ("names.email", names_email),
    ("names.uri", names_uri),
    ("names.upn", names_upn),
    ("subject.allowed", subject_allowed),
    ("subject.taken", subject_taken),
    ("subject.required", subject_required),
    ("subject.common_name_in_names", subject_common_name_in_names),
    ("default_validity", default_validity),
    ("max_ttl", max_ttl),
    ("backdate", backdate),
    ("short_lived_below", short_lived_below),
    ("must_staple", must_staple),
    ("ocsp_no_check", ocsp_no_check),
    ("microsoft_sid", microsoft_sid),
    ("pointers.ca_issuers", pointers_ca_issuers),
    ("pointers.ocsp", pointers_ocsp),
    ("pointers.crl", pointers_crl),
    ("certificate_policies.oid", certificate_policies_oid),
    ("certificate_policies.cps", certificate_policies_cps),
    (
        "certificate_policies.user_notice",
        certificate_policies_user_notice,
    ),
    ("authority.path_length", authority_path_length),
    ("authority.name_constraints.permitted", name_constraints_permitted),
    ("authority.name_constraints.excluded", name_constraints_excluded),
];

#[test]
fn every_field_has_an_effect() {
    for (path, effect) in EFFECTS {
        eprintln!("{path}");
        effect();
    }
}

#[test]
fn the_table_names_every_field() {
    let full = Profile {
        certificate_policies: vec![policy()],
        authority: Some(AuthorityPolicy {
            path_length: Some(0),
            ..AuthorityPolicy::default()
        }),
        ..server()
    };
    let mut paths = BTreeSet::new();
    collect("", &serde_json::to_value(full).unwrap(), &mut paths);
    let named: BTreeSet<String> = EFFECTS.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(paths, named);
}

/// The key paths of every value that is not an object.
fn collect(path: &str, value: &serde_json::Value, paths: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                collect(&path, value, paths);
            }
        }
        serde_json::Value::Array(list) if list.first().is_some_and(serde_json::Value::is_object) => {
            collect(path, &list[0], paths);
        }
        _ => {
            paths.insert(path.to_owned());
        }
    }
}

fn server() -> Profile {
    ready("tls-server")
}

fn policy() -> CertificatePolicy {
    CertificatePolicy {
        oid: "1.3.6.1.4.1.32473.1".to_owned(),
        cps: Some("https://pki.example.com/cps".to_owned()),
        user_notice: Some("For internal use.".to_owned()),
    }
}

/// The certificate of a TLS server under this profile.
fn issued(profile: &Profile) -> Certificate {
    issuing().issue(profile, &order(profile))
}

/// Criticality and value of an extension, read by another parser from the TBS bytes.
fn extension(tbs: &[u8], oid: &str) -> Option<(bool, Vec<u8>)> {
    let (_, parsed) = TbsCertificate::from_der(tbs).unwrap();
    let found = parsed
        .extensions()
        .iter()
        .find(|extension| extension.oid.to_id_string() == oid)?;
    Some((found.critical, found.value.to_vec()))
}

fn problem_paths(profile: &Profile) -> Vec<String> {
    profile
        .check()
        .into_iter()
        .map(|problem| problem.key_path)
        .collect()
}

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

fn name() {
    for wrong in ["", "Upper", "with space", "ü", &"x".repeat(65)] {
        assert_eq!(
            problem_paths(&Profile {
                name: wrong.to_owned(),
                ..server()
            }),
            ["name"],
            "{wrong}"
        );
    }
}

fn description() {
    let profile = Profile {
        description: "two\nlines".to_owned(),
        ..server()
    };
    assert_eq!(problem_paths(&profile), ["description"]);
}

fn key_algorithms() {
    let mut profile = server();
    let order = Order {
        public_key: key("leaf-rsa2432"),
        ..order(&profile)
    };
    assert_eq!(refusal(&profile, &order), "key_algorithm_not_allowed");
    profile.key_algorithms.push("rsa-2432".parse().unwrap());
    assert!(build(&profile, &order).is_ok());
    profile.key_algorithms.clear();
    assert_eq!(problem_paths(&profile), ["key_algorithms"]);
}

fn extended_key_usages() {
    let mut profile = server();
    let key_usage = |profile: &Profile| issued(profile).key_usage().unwrap().0.bits();
    assert_eq!(issued(&profile).extended_key_usage().len(), 1);
    assert_eq!(key_usage(&profile), 0b1);
    profile
        .extended_key_usages
        .push("emailProtection".parse().unwrap());
    profile.names.email = vec!["*".parse().unwrap()];
    let mut both = order(&profile);
    both.names.extend(names(&["email:a@example.com"]));
    let certificate = issuing().issue(&profile, &both);
    assert_eq!(certificate.extended_key_usage().len(), 2);
    assert_eq!(certificate.key_usage().unwrap().0.bits(), 0b11);
    profile.extended_key_usages.clear();
    assert!(issued(&profile).extended_key_usage().is_empty());
    for alone in ["timeStamping", "OCSPSigning"] {
        profile.extended_key_usages = vec!["serverAuth".parse().unwrap(), alone.parse().unwrap()];
        assert_eq!(problem_paths(&profile), ["extended_key_usages"], "{alone}");
    }
}

fn names_required() {
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

fn names_max_count() {
    let mut profile = server();
    profile.names.max_count = 2;
    accepts(&profile, &["dns:a.example", "dns:b.example"]);
    assert_eq!(
        names_refusal(&profile, &["dns:a.example", "dns:b.example", "dns:c.example"]),
        "san_too_many"
    );
}

fn names_wildcards() {
    let mut profile = server();
    accepts(&profile, &["dns:*.a.example"]);
    profile.names.wildcards = false;
    assert_eq!(
        names_refusal(&profile, &["dns:*.a.example"]),
        "wildcard_not_allowed"
    );
}

fn names_dns() {
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

fn names_ip() {
    let mut profile = server();
    profile.names.ip = vec!["10.0.0.0/8".parse().unwrap()];
    accepts(&profile, &["ip:10.1.2.3"]);
    assert_eq!(names_refusal(&profile, &["ip:192.0.2.1"]), "san_not_allowed");
    profile.names.ip.clear();
    assert_eq!(names_refusal(&profile, &["ip:10.1.2.3"]), "san_type_not_allowed");
}

fn names_email() {
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

fn names_uri() {
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

fn names_upn() {
    let mut profile = server();
    assert_eq!(
        names_refusal(&profile, &["upn:a@corp.example"]),
        "san_type_not_allowed"
    );
    profile.names.upn = vec!["*@corp.example".parse().unwrap()];
    accepts(&profile, &["upn:a@corp.example"]);
}

fn subject_allowed() {
    let mut profile = server();
    assert!(build(&profile, &order(&profile)).is_ok());
    profile.subject.allowed = vec!["CN".parse().unwrap()];
    assert_eq!(
        refusal(&profile, &order(&profile)),
        "subject_attribute_not_allowed"
    );
}

fn subject_taken() {
    let mut profile = server();
    assert_eq!(issued(&profile).subject().to_string(), "CN=www.example.com");
    profile.subject.taken = vec!["CN".parse().unwrap(), "O".parse().unwrap(), "C".parse().unwrap()];
    assert_eq!(
        issued(&profile).subject().to_string(),
        "CN=www.example.com,O=Example,C=CH"
    );
    profile.subject.taken.clear();
    let tbs = build(&profile, &order(&profile)).unwrap();
    assert!(
        extension(&tbs, "2.5.29.17").unwrap().0,
        "the names are critical without a subject"
    );
    profile.subject.taken = vec!["title".parse().unwrap()];
    assert_eq!(problem_paths(&profile), ["subject.taken"]);
}

fn subject_required() {
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

fn subject_common_name_in_names() {
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

fn default_validity() {
    let profile = Profile {
        default_validity: "7d".parse().unwrap(),
        ..server()
    };
    assert_eq!(
        issued(&profile).not_after(),
        now() + SignedDuration::from_hours(7 * 24)
    );
    let wish = Order {
        validity: Some(hours(48)),
        ..order(&profile)
    };
    assert_eq!(
        issuing().issue(&profile, &wish).not_after(),
        now() + SignedDuration::from_hours(48)
    );
    let none = Order {
        validity: Some(hours(0)),
        ..order(&profile)
    };
    assert_eq!(refusal(&profile, &none), "validity_invalid");
}

fn max_ttl() {
    let profile = Profile {
        default_validity: "1d".parse().unwrap(),
        max_ttl: "10d".parse().unwrap(),
        ..server()
    };
    let wish = Order {
        validity: Some(hours(24 * 365)),
        ..order(&profile)
    };
    assert_eq!(
        issuing().issue(&profile, &wish).not_after(),
        now() + SignedDuration::from_hours(240)
    );
    let long = Profile {
        max_ttl: "100y".parse().unwrap(),
        ..profile
    };
    let wish = Order {
        validity: Some(hours(24 * 365 * 90)),
        ..order(&long)
    };
    assert_eq!(
        issuing().issue(&long, &wish).not_after(),
        issuing().certificate.not_after(),
        "the issuer's own end"
    );
    let mut view = issuing().view;
    view.not_after = now();
    assert_eq!(
        build_below(&long, &wish, &view).unwrap_err().code,
        "issuer_expired"
    );
}

fn backdate() {
    let mut view = issuing().view;
    view.not_before = now() - SignedDuration::from_hours(48);
    let not_before = |backdate: &str| {
        let profile = Profile {
            backdate: backdate.parse().unwrap(),
            ..server()
        };
        let tbs = build_below(&profile, &order(&profile), &view).unwrap();
        TbsCertificate::from_der(&tbs)
            .unwrap()
            .1
            .validity
            .not_before
            .timestamp()
            - now().as_second()
    };
    assert_eq!(not_before("0s"), 0);
    assert_eq!(not_before("5m"), -300);
    assert_eq!(not_before("1h"), -3600);
    assert_eq!(not_before("3d"), -48 * 3600, "not before the issuer's own start");
}

fn short_lived_below() {
    let oids = ["2.5.29.56", "2.5.29.31", "1.3.6.1.5.5.7.1.24"];
    let has = |profile: &Profile, minutes: u64| {
        let order = Order {
            validity: Some(std::time::Duration::from_secs(minutes * 60)),
            ..order(profile)
        };
        let tbs = build(profile, &order).unwrap();
        let certificate = issuing().issue(profile, &order);
        (
            oids.map(|oid| extension(&tbs, oid).is_some()),
            !certificate.ocsp_urls().is_empty(),
        )
    };
    let mut profile = Profile {
        must_staple: true,
        ..server()
    };
    assert_eq!(has(&profile, 59), ([true, false, false], false));
    assert_eq!(has(&profile, 60), ([false, true, true], true));
    profile.short_lived_below = "0s".parse().unwrap();
    assert_eq!(has(&profile, 59), ([false, true, true], true));
    let wish = Order {
        validity: Some(hours(1) / 2),
        ..order(&profile)
    };
    let short = issuing().issue(&server(), &wish);
    assert_eq!(
        short.ca_issuer_urls().len(),
        1,
        "the issuer's certificate is still told"
    );
}

fn must_staple() {
    assert!(!issued(&server()).must_staple());
    let profile = Profile {
        must_staple: true,
        ..server()
    };
    assert_eq!(profile.check(), []);
    assert!(issued(&profile).must_staple());
    let pointers = Pointers {
        ocsp: false,
        ..profile.pointers
    };
    assert_eq!(problem_paths(&Profile { pointers, ..profile }), ["must_staple"]);
}

fn ocsp_no_check() {
    const NO_CHECK: &str = "1.3.6.1.5.5.7.48.1.5";
    let mut profile = ready("ocsp-signer");
    let written = |profile: &Profile| extension(&build(profile, &order(profile)).unwrap(), NO_CHECK);
    assert_eq!(written(&profile), Some((false, vec![0x05, 0x00])));
    profile.ocsp_no_check = false;
    assert_eq!(written(&profile), None);
    assert_eq!(
        problem_paths(&Profile {
            ocsp_no_check: true,
            ..server()
        }),
        ["ocsp_no_check"]
    );
}

fn microsoft_sid() {
    const SID: &str = "1.3.6.1.4.1.311.25.2";
    let mut profile = ready("tls-client");
    let sid = |text: &str| Order {
        ms_sid: Some(text.to_owned()),
        ..order(&profile)
    };
    let identified = sid("S-1-5-21-1004336348-1177238915-682003330-512");
    let (critical, value) = extension(&build(&profile, &identified).unwrap(), SID).unwrap();
    assert!(!critical);
    let head = b"\x30\x3e\xa0\x3c\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x19\x02\x01\xa0\x2e\x04\x2c";
    assert_eq!(
        value,
        [&head[..], b"S-1-5-21-1004336348-1177238915-682003330-512"].concat()
    );
    for wrong in ["", "S-1-", "S-1-5-x", "1-5-21", "S-1-5-21\0"] {
        assert_eq!(refusal(&profile, &sid(wrong)), "ms_sid_invalid", "{wrong:?}");
    }
    assert_eq!(extension(&build(&profile, &order(&profile)).unwrap(), SID), None);
    profile.microsoft_sid = false;
    assert_eq!(extension(&build(&profile, &identified).unwrap(), SID), None);
}

fn pointers_ca_issuers() {
    let pointers = Pointers {
        ca_issuers: false,
        ..Pointers::default()
    };
    let certificate = issued(&Profile { pointers, ..server() });
    assert!(certificate.ca_issuer_urls().is_empty());
    assert!(!certificate.ocsp_urls().is_empty() && !certificate.crl_urls().is_empty());
}

fn pointers_ocsp() {
    let pointers = Pointers {
        ocsp: false,
        ..Pointers::default()
    };
    let certificate = issued(&Profile { pointers, ..server() });
    assert!(certificate.ocsp_urls().is_empty());
    assert!(!certificate.ca_issuer_urls().is_empty() && !certificate.crl_urls().is_empty());
}

fn pointers_crl() {
    let pointers = Pointers {
        crl: false,
        ..Pointers::default()
    };
    let certificate = issued(&Profile { pointers, ..server() });
    assert!(certificate.crl_urls().is_empty());
    assert!(!certificate.ca_issuer_urls().is_empty() && !certificate.ocsp_urls().is_empty());
}

/// The value of certificatePolicies under a profile with this policy.
fn policies(policy: CertificatePolicy) -> Vec<u8> {
    let profile = Profile {
        certificate_policies: vec![policy],
        ..server()
    };
    assert_eq!(profile.check(), []);
    issued(&profile);
    let (critical, value) = extension(&build(&profile, &order(&profile)).unwrap(), "2.5.29.32").unwrap();
    assert!(!critical);
    value
}

fn certificate_policies_oid() {
    let bare = CertificatePolicy {
        cps: None,
        user_notice: None,
        ..policy()
    };
    assert_eq!(
        policies(bare),
        b"\x30\x0d\x30\x0b\x06\x09\x2b\x06\x01\x04\x01\x81\xfd\x59\x01"
    );
    assert_eq!(
        extension(&build(&server(), &order(&server())).unwrap(), "2.5.29.32"),
        None
    );
    let wrong = CertificatePolicy {
        oid: "1.2.x".to_owned(),
        ..policy()
    };
    let profile = Profile {
        certificate_policies: vec![policy(), wrong, policy()],
        ..server()
    };
    assert_eq!(
        problem_paths(&profile),
        ["certificate_policies[1].oid", "certificate_policies"]
    );
}

fn certificate_policies_cps() {
    let cps = CertificatePolicy {
        user_notice: None,
        ..policy()
    };
    let value = policies(cps.clone());
    assert!(value.ends_with(b"\x06\x08\x2b\x06\x01\x05\x05\x07\x02\x01\x16\x1bhttps://pki.example.com/cps"));
    let wrong = CertificatePolicy {
        cps: Some("pki.example.com".to_owned()),
        ..cps
    };
    let profile = Profile {
        certificate_policies: vec![wrong],
        ..server()
    };
    assert_eq!(problem_paths(&profile), ["certificate_policies[0].cps"]);
}

fn certificate_policies_user_notice() {
    let notice = CertificatePolicy {
        cps: None,
        ..policy()
    };
    let value = policies(notice.clone());
    assert!(value.ends_with(b"\x06\x08\x2b\x06\x01\x05\x05\x07\x02\x02\x30\x13\x0c\x11For internal use."));
    let wrong = CertificatePolicy {
        user_notice: Some("x".repeat(201)),
        ..notice
    };
    let profile = Profile {
        certificate_policies: vec![wrong],
        ..server()
    };
    assert_eq!(problem_paths(&profile), ["certificate_policies[0].user_notice"]);
}

/// The authority's certificate below a root with this much path left.
fn sub_ca(authority: AuthorityPolicy, above: Option<u8>) -> Result<Vec<u8>, &'static str> {
    let profile = Profile {
        authority: Some(authority),
        ..ready("sub-ca")
    };
    assert_eq!(profile.check(), []);
    let mut view = crate::fixture::root().view;
    view.path_length = above;
    build_below(&profile, &order(&profile), &view).map_err(|refusal| refusal.code)
}

fn authority_path_length() {
    let with = |path_length| AuthorityPolicy {
        path_length,
        ..AuthorityPolicy::default()
    };
    let written = |path_length, above| {
        let tbs = sub_ca(with(path_length), above)?;
        let (critical, value) = extension(&tbs, "2.5.29.19").unwrap();
        assert!(critical);
        Ok(value.get(7).copied())
    };
    assert_eq!(written(None, None), Ok(None));
    assert_eq!(written(Some(3), None), Ok(Some(3)));
    assert_eq!(written(Some(3), Some(2)), Ok(Some(1)));
    assert_eq!(written(None, Some(2)), Ok(Some(1)));
    assert_eq!(written(Some(0), Some(2)), Ok(Some(0)));
    assert_eq!(written(Some(0), Some(0)), Err("path_length_exhausted"));
}

fn constraints(permitted: &[&str], excluded: &[&str]) -> Option<(bool, Vec<u8>)> {
    let parse = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
    let name_constraints = NameConstraintsPolicy {
        permitted: parse(permitted),
        excluded: parse(excluded),
    };
    let tbs = sub_ca(
        AuthorityPolicy {
            name_constraints,
            ..AuthorityPolicy::default()
        },
        None,
    )
    .unwrap();
    extension(&tbs, "2.5.29.30")
}

fn name_constraints_permitted() {
    assert_eq!(constraints(&[], &[]), None);
    let expected =
        b"\x30\x1d\xa0\x1b\x30\x0d\x82\x0bexample.com\x30\x0a\x87\x08\x0a\x00\x00\x00\xff\x00\x00\x00";
    assert_eq!(
        constraints(&["dns:example.com", "ip:10.0.0.0/8"], &[]),
        Some((true, expected.to_vec()))
    );
}

fn name_constraints_excluded() {
    let expected = b"\x30\x11\xa1\x0f\x30\x0d\x81\x0bexample.com";
    assert_eq!(
        constraints(&[], &["email:example.com"]),
        Some((true, expected.to_vec()))
    );
    assert!(
        constraints(&["dn:O=Example,C=CH"], &["uri:.example.com"])
            .unwrap()
            .0
    );
}

#[test]
fn all_problems_are_told_at_once() {
    let profile = Profile {
        name: "No".to_owned(),
        default_validity: "2y".parse().unwrap(),
        backdate: "30d".parse().unwrap(),
        short_lived_below: "30d".parse().unwrap(),
        microsoft_sid: true,
        must_staple: true,
        ocsp_no_check: true,
        ..ready("sub-ca")
    };
    let profile = Profile {
        max_ttl: "1y".parse().unwrap(),
        ..profile
    };
    let paths = problem_paths(&profile);
    let expected = [
        "name",
        "default_validity",
        "backdate",
        "short_lived_below",
        "must_staple",
        "ocsp_no_check",
        "microsoft_sid",
    ];
    assert_eq!(paths, expected);
}
