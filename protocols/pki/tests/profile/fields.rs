//! Every field of a profile has an effect, and every effect is seen here: the table is held against the fields.

use std::collections::BTreeSet;

use pki::Certificate;
use pki::profile::{AuthorityPolicy, CertificatePolicy, Order, Profile};
use x509_parser::prelude::{FromDer, TbsCertificate};

use crate::fixture::{build, issuing, key, names, order, ready, refusal};
use crate::{field_authority, field_extensions, field_names, field_validity};

/// Key path, and what shows that the field does something.
const EFFECTS: &[(&str, fn())] = &[
    ("name", name),
    ("description", description),
    ("key_algorithms", key_algorithms),
    ("extended_key_usages", extended_key_usages),
    ("names.required", field_names::names_required),
    ("names.max_count", field_names::names_max_count),
    ("names.wildcards", field_names::names_wildcards),
    ("names.dns", field_names::names_dns),
    ("names.ip", field_names::names_ip),
    ("names.email", field_names::names_email),
    ("names.uri", field_names::names_uri),
    ("names.upn", field_names::names_upn),
    ("subject.allowed", field_names::subject_allowed),
    ("subject.taken", field_names::subject_taken),
    ("subject.required", field_names::subject_required),
    (
        "subject.common_name_in_names",
        field_names::subject_common_name_in_names,
    ),
    ("default_validity", field_validity::default_validity),
    ("max_ttl", field_validity::max_ttl),
    ("backdate", field_validity::backdate),
    ("short_lived_below", field_validity::short_lived_below),
    ("must_staple", field_extensions::must_staple),
    ("ocsp_no_check", field_extensions::ocsp_no_check),
    ("microsoft_sid", field_extensions::microsoft_sid),
    ("pointers.ca_issuers", field_extensions::pointers_ca_issuers),
    ("pointers.ocsp", field_extensions::pointers_ocsp),
    ("pointers.crl", field_extensions::pointers_crl),
    (
        "certificate_policies.oid",
        field_extensions::certificate_policies_oid,
    ),
    (
        "certificate_policies.cps",
        field_extensions::certificate_policies_cps,
    ),
    (
        "certificate_policies.user_notice",
        field_extensions::certificate_policies_user_notice,
    ),
    ("authority.path_length", field_authority::authority_path_length),
    (
        "authority.name_constraints.permitted",
        field_authority::name_constraints_permitted,
    ),
    (
        "authority.name_constraints.excluded",
        field_authority::name_constraints_excluded,
    ),
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

pub(crate) fn server() -> Profile {
    ready("tls-server")
}

pub(crate) fn policy() -> CertificatePolicy {
    CertificatePolicy {
        oid: "1.3.6.1.4.1.32473.1".to_owned(),
        cps: Some("https://pki.example.com/cps".to_owned()),
        user_notice: Some("For internal use.".to_owned()),
    }
}

/// The certificate of a TLS server under this profile.
pub(crate) fn issued(profile: &Profile) -> Certificate {
    issuing().issue(profile, &order(profile))
}

/// Criticality and value of an extension, read by another parser from the TBS bytes.
pub(crate) fn extension(tbs: &[u8], oid: &str) -> Option<(bool, Vec<u8>)> {
    let (_, parsed) = TbsCertificate::from_der(tbs).unwrap();
    let found = parsed
        .extensions()
        .iter()
        .find(|extension| extension.oid.to_id_string() == oid)?;
    Some((found.critical, found.value.to_vec()))
}

pub(crate) fn problem_paths(profile: &Profile) -> Vec<String> {
    profile
        .check()
        .into_iter()
        .map(|problem| problem.key_path)
        .collect()
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
