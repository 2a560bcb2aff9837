//! The ready profiles: right, readable, and giving the same bytes every time.

use jiff::SignedDuration;
use pki::profile::Profile;

use crate::fixture::{build, issue_ready, issuing, key, now, order, ready, root, testdata};

const NAMES: [&str; 9] = [
    "tls-server",
    "tls-client",
    "device",
    "smime",
    "code-signing",
    "timestamping",
    "sub-ca",
    "root",
    "ocsp-signer",
];

#[test]
fn all_are_there_and_right() {
    let names: Vec<&str> = Profile::ready()
        .iter()
        .map(|profile| profile.name.as_str())
        .collect();
    assert_eq!(names, NAMES);
    for profile in Profile::ready() {
        assert_eq!(profile.check(), [], "{}", profile.name);
        assert!(!profile.description.is_empty(), "{}", profile.name);
    }
    assert!(Profile::ready_named("no-such").is_none());
}

#[test]
fn they_survive_being_written_and_read() {
    for profile in Profile::ready() {
        let text = serde_json::to_string_pretty(profile).unwrap();
        assert_eq!(
            serde_json::from_str::<Profile>(&text).unwrap(),
            *profile,
            "{text}"
        );
    }
}

#[test]
fn their_stored_form_of_the_first_release_is_still_read() {
    for name in NAMES {
        let path = testdata(&format!("stored/{name}.json"));
        let written = format!("{}\n", serde_json::to_string_pretty(&ready(name)).unwrap());
        if std::env::var_os("BLESS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &written).unwrap();
        }
        let stored = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            serde_json::from_str::<Profile>(&stored).unwrap(),
            ready(name),
            "{name}"
        );
    }
}

#[test]
fn a_profile_needs_little() {
    let text = r#"{"name": "bare", "default_validity": "30d", "max_ttl": "90d"}"#;
    let profile: Profile = serde_json::from_str(text).unwrap();
    assert_eq!(profile.check(), []);
    assert_eq!(profile.backdate.to_string(), "5m");
    assert_eq!(profile.short_lived_below.to_string(), "1h");
    assert!(profile.pointers.crl && profile.pointers.ocsp && profile.pointers.ca_issuers);
}

#[test]
fn unknown_keys_are_refused_at_every_level() {
    for text in [
        r#"{"name": "x", "default_validity": "30d", "max_ttl": "90d", "maxttl": "1d"}"#,
        r#"{"name": "x", "default_validity": "30d", "max_ttl": "90d", "names": {"dnss": []}}"#,
        r#"{"name": "x", "default_validity": "30d", "max_ttl": "90d", "subject": {"x": []}}"#,
        r#"{"name": "x", "default_validity": "30d", "max_ttl": "90d", "pointers": {"x": true}}"#,
        r#"{"name": "x", "default_validity": "30d", "max_ttl": "90d", "authority": {"x": 1}}"#,
        r#"{"name": "x", "default_validity": "30d", "max_ttl": "90d", "authority": {"name_constraints": {"x": []}}}"#,
        r#"{"name": "x", "default_validity": "30d", "max_ttl": "90d", "certificate_policies": [{"oid": "1.2.3", "x": 1}]}"#,
    ] {
        let fault = serde_json::from_str::<Profile>(text).unwrap_err().to_string();
        assert!(fault.contains("unknown field"), "{fault}");
    }
}

#[test]
fn the_same_arguments_give_the_same_bytes() {
    for name in NAMES {
        let profile = ready(name);
        let order = order(&profile);
        let mut view = issuing().view;
        view.path_length = None;
        let bytes = crate::fixture::build_below(&profile, &order, &view).unwrap();
        assert_eq!(
            crate::fixture::build_below(&profile, &order, &view).unwrap(),
            bytes
        );
        let path = testdata(&format!("golden/{name}.tbs.der"));
        if std::env::var_os("BLESS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &bytes).unwrap();
        }
        assert_eq!(
            std::fs::read(&path).unwrap(),
            bytes,
            "{name}: BLESS=1 writes the new bytes"
        );
    }
}

#[test]
fn each_gives_a_certificate_that_verifies_in_its_chain() {
    for name in NAMES {
        let certificate = issue_ready(name);
        let issuing = issuing().certificate;
        let root = root().certificate;
        let chain = match name {
            "root" => vec![certificate],
            "sub-ca" => vec![certificate, root],
            _ => vec![certificate, issuing, root],
        };
        pki::chain::verify(&chain, now() + SignedDuration::from_secs(1))
            .unwrap_or_else(|fault| panic!("{name}: {fault}"));
    }
}

#[test]
fn an_rsa_server_may_transport_keys_and_an_elliptic_one_may_not() {
    let profile = ready("tls-server");
    for (name, transports) in [
        ("leaf-rsa2048", true),
        ("leaf-p256", false),
        ("leaf-ed25519", false),
    ] {
        let mut order = order(&profile);
        order.public_key = key(name);
        let certificate = issuing().issue(&profile, &order);
        assert_eq!(
            certificate.key_usage().unwrap().key_encipherment(),
            transports,
            "{name}"
        );
        assert!(certificate.key_usage().unwrap().digital_signature());
    }
}

#[test]
fn a_root_is_self_signed_and_points_nowhere() {
    let root = root().certificate;
    assert!(root.is_self_signed() && root.is_ca());
    assert_eq!(root.path_len(), None);
    assert_eq!(root.authority_key_id(), None);
    assert_eq!(root.subject_key_id().unwrap(), root.public_key().key_id());
    assert!(root.crl_urls().is_empty() && root.ocsp_urls().is_empty() && root.ca_issuer_urls().is_empty());
}

#[test]
fn a_leaf_points_at_its_issuer() {
    let leaf = issue_ready("tls-server");
    let issuer = issuing();
    assert_eq!(leaf.authority_key_id(), issuer.certificate.subject_key_id());
    assert_eq!(leaf.issuer(), issuer.certificate.subject());
    assert_eq!(leaf.crl_urls(), issuer.view.urls.crl);
    assert_eq!(leaf.ocsp_urls(), issuer.view.urls.ocsp);
    assert_eq!(leaf.ca_issuer_urls(), issuer.view.urls.ca_issuers);
    assert!(build(&ready("tls-server"), &order(&ready("tls-server"))).is_ok());
}
