//! What policies are about, and what several of them come to.

use super::*;

/// Whether a policy about a domain is about a request.
fn is_about(domain: &str, asked: &Asked) -> bool {
    let mut policy =
        policy(json!({ "action": "enforce_max_validity", "fail": "hard", "values": { "max_days": 1 } }));
    policy.matching_criteria.domains = vec![domain.to_owned()];
    !hold(&[policy], asked).hard.is_empty()
}

#[test]
fn names_of_every_type_and_the_common_name_count() {
    let asked = |name: &str| Asked {
        names: vec![name.parse().unwrap()],
        subject: DistinguishedName::empty(),
        ..Asked::default()
    };
    for name in [
        "dns:www.example.com",
        "email:a@example.com",
        "upn:a@corp.example.com",
        "uri:https://user@www.EXAMPLE.com:8443/x",
        "uri:https://example.com./",
    ] {
        assert!(is_about("*.example.com", &asked(name)), "{name}");
        assert!(!is_about("*.example.org", &asked(name)), "{name}");
        assert!(is_about("*", &asked(name)), "{name}");
    }
    for name in [
        "ip:192.0.2.1",
        "uri:urn:x:example.com",
        "uri:https://example.org/example.com",
    ] {
        assert!(!is_about("*.example.com", &asked(name)), "{name}");
    }
    let nameless = |common_name: &str| Asked {
        names: Vec::new(),
        subject: DistinguishedName::parse(&format!("CN={common_name},CN=Somebody Else")).unwrap(),
        ..Asked::default()
    };
    assert!(is_about("example.com", &nameless("www.example.com")));
    assert!(!is_about("example.com", &nameless("www.example.org")));
    let policy = policy(json!({ "action": "require_san", "fail": "hard" }));
    assert_eq!(
        hold(&[policy], &nameless("www.example.com")).hard[0].field,
        "sans"
    );
}

#[test]
fn a_wildcard_is_about_each_domain_that_it_stands_for() {
    for (domain, name, is_it) in [
        ("secure.example.com", "*.example.com", true),
        ("secure.example.com", "*.secure.example.com", true),
        ("a.secure.example.com", "*.example.com", false),
        ("secure.example.com", "*.example.org", false),
        ("secure.example.com", "www.example.com", false),
    ] {
        assert_eq!(is_about(domain, &named(&[name])), is_it, "{domain} {name}");
    }
    // It lies outside of that domain all the same.
    let mut policy = policy(json!({ "action": "block_other_domains", "fail": "hard" }));
    policy.matching_criteria.domains = vec!["secure.example.com".to_owned()];
    assert_eq!(hold(&[policy], &named(&["*.example.com"])).hard.len(), 1);
}

#[test]
fn a_certificate_without_purposes_has_every_one() {
    let policy = policy(
        json!({ "action": "enforce_certificate_purpose", "fail": "hard", "values": { "purposes": "serverAuth" } }),
    );
    let asked = Asked::default();
    let open = Profile {
        extended_key_usages: Vec::new(),
        ..Profile::ready_named("tls-server").unwrap().clone()
    };
    let mut request = request(&asked);
    assert_eq!(judge([&policy], &request).hard, []);
    request.profile = &open;
    assert_eq!(judge([&policy], &request).hard[0].field, "extended_key_usage");
}

#[test]
fn a_key_may_be_used_for_what_its_profile_says() {
    let profile = |name: &str| Profile::ready_named(name).unwrap();
    let rsa = KeyAlgorithm::Rsa(2048);
    assert_eq!(
        profile("tls-server").key_usages(rsa),
        ["digitalSignature", "keyEncipherment"]
    );
    assert_eq!(
        profile("tls-server").key_usages(KeyAlgorithm::P256),
        ["digitalSignature"]
    );
    assert_eq!(
        profile("root").key_usages(KeyAlgorithm::P256),
        ["keyCertSign", "cRLSign"]
    );
}

#[test]
fn digests_of_keys_that_bring_their_own_are_left_alone() {
    let policy =
        policy(json!({ "action": "enforce_digest", "fail": "hard", "values": { "digest": "sha384" } }));
    let asked = Asked::default();
    let mut request = request(&asked);
    for (signature, broken) in [
        (Some(SignatureAlgorithm::EcdsaSha256), 1),
        (Some(SignatureAlgorithm::RsaPssSha512), 1),
        (Some(SignatureAlgorithm::EcdsaSha384), 0),
        (Some(SignatureAlgorithm::Ed25519), 0),
        (None, 0),
    ] {
        request.signature = signature;
        assert_eq!(judge([&policy], &request).hard.len(), broken, "{signature:?}");
    }
}

fn wants(fail: &str, values: Value) -> Policy {
    policy(json!({ "action": "enforce_values", "fail": fail, "values": values }))
}

#[test]
fn a_value_that_would_only_be_remarked_keeps_no_other_out() {
    let soft = wants("soft", json!({ "organization": "Soft" }));
    let hard = wants("hard", json!({ "organization": "Hard" }));
    for policies in [[soft.clone(), hard.clone()], [hard, soft]] {
        let judgement = hold(&policies, &Asked::default());
        assert_eq!(judgement.subject.to_string(), "CN=www.example.com,O=Hard");
        assert_eq!((judgement.hard.len(), judgement.soft.len()), (0, 1));
    }
    let policies = ["One", "Two"].map(|name| wants("hard", json!({ "organization": name })));
    assert_eq!(hold(&policies, &Asked::default()).hard.len(), 1);
}

#[test]
fn values_stand_where_they_are_usually_written() {
    for (subject, filled) in [
        ("", "OU=Web,O=Example,L=Bern,ST=BE,C=CH"),
        (
            "CN=a.example.com",
            "CN=a.example.com,OU=Web,O=Example,L=Bern,ST=BE,C=CH",
        ),
        (
            "CN=a.example.com,C=CH",
            "CN=a.example.com,OU=Web,O=Example,L=Bern,ST=BE,C=CH",
        ),
        (
            "CN=a.example.com,O=Example,C=CH",
            "CN=a.example.com,OU=Web,O=Example,L=Bern,ST=BE,C=CH",
        ),
        (
            "CN=a,DC=example,DC=com",
            "CN=a,OU=Web,O=Example,L=Bern,ST=BE,C=CH,DC=example,DC=com",
        ),
    ] {
        let asked = Asked {
            subject: DistinguishedName::parse(subject).unwrap(),
            ..Asked::default()
        };
        let values = json!({
            "organization": "Example", "organizational_unit": "Web", "country": "CH", "state": "BE", "locality": "Bern",
        });
        let judgement = hold(&[wants("hard", values)], &asked);
        assert_eq!(judgement.hard, []);
        assert_eq!(judgement.subject.to_string(), filled, "{subject}");
    }
}

#[test]
fn a_value_that_is_no_text_is_none_that_is_wanted() {
    // O=<ff> as OCTET STRING.
    let odd = [
        0x30, 0x0c, 0x31, 0x0a, 0x30, 0x08, 0x06, 0x03, 0x55, 0x04, 0x0a, 0x04, 0x01, 0xff,
    ];
    for subject in [
        DistinguishedName::from_der(&odd).unwrap(),
        DistinguishedName::parse("O=Example,O=Other").unwrap(),
        DistinguishedName::parse("O=example").unwrap(),
    ] {
        let asked = Asked {
            subject: subject.clone(),
            ..Asked::default()
        };
        let judgement = hold(&[wants("hard", json!({ "organization": "Example" }))], &asked);
        assert_eq!(judgement.hard.len(), 1, "{subject}");
        assert_eq!(judgement.subject, subject);
    }
}

fn some_rule() -> impl Strategy<Value = Value> {
    let fail = proptest::sample::select(&["hard", "soft"][..]);
    let rule = prop_oneof![
        (1u32..120).prop_map(|days| ("enforce_max_validity", json!({ "max_days": days }))),
        (1u32..120).prop_map(|days| ("enforce_min_validity", json!({ "min_days": days.to_string() }))),
        (1u32..4).prop_map(|most| ("enforce_max_san_count", json!({ "max_count": most }))),
        (256u32..4096).prop_map(|bits| ("enforce_minimum_key_size", json!({ "minimum_bits": bits }))),
        proptest::sample::select(&["rsa", "ecdsa"][..])
            .prop_map(|kind| ("enforce_algorithm", json!({ "algorithm": kind }))),
        proptest::sample::select(
            &[
                "disable_wildcard",
                "block_subdomains",
                "block_other_domains",
                "block_ip_in_san"
            ][..]
        )
        .prop_map(|name| (name, json!({}))),
        Just((
            "enforce_values",
            json!({ "organization": "Example", "country": "CH" })
        )),
    ];
    (rule, fail).prop_map(|((name, values), fail)| json!({ "action": name, "fail": fail, "values": values }))
}

/// The violations as a multitude.
fn sorted(judgement: &Judgement) -> (Vec<String>, Vec<String>) {
    let told = |violations: &[Violation]| {
        let mut told: Vec<String> = violations.iter().map(|one| format!("{one:?}")).collect();
        told.sort();
        told
    };
    (told(&judgement.hard), told(&judgement.soft))
}

proptest! {
    #[test]
    fn policies_in_any_order_say_the_same(
        rules in proptest::collection::vec(some_rule(), 1..6),
        names in proptest::collection::vec("([*][.])?([ab][.]){0,2}example[.](com|org)|ip:192[.]0[.]2[.][1-9]", 1..4),
    ) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let asked = named(&names);
        let mut policies: Vec<Policy> = rules.into_iter().map(policy).collect();
        let all = hold(&policies, &asked);
        // What more is asked for by a policy breaks no fewer rules.
        let fewer = hold(policies.get(1..).unwrap(), &asked);
        prop_assert!(fewer.hard.len() <= all.hard.len() && fewer.soft.len() <= all.soft.len());
        policies.reverse();
        let turned = hold(&policies, &asked);
        prop_assert_eq!(sorted(&turned), sorted(&all));
        prop_assert_eq!(&turned.subject, &all.subject);
        for policy in &mut policies {
            policy.is_enabled = false;
        }
        prop_assert_eq!(sorted(&hold(&policies, &asked)), (Vec::new(), Vec::new()));
    }

    #[test]
    fn the_subject_that_was_filled_is_as_it_is_wanted(subject in "(CN=[a-z]{1,9})?(,C=CH)?(,O=Ex)?") {
        let asked = Asked {
            subject: DistinguishedName::parse(subject.trim_start_matches(',')).unwrap(),
            ..Asked::default()
        };
        let policy = wants("hard", json!({ "organization": "Ex", "country": "CH", "locality": "Bern" }));
        let first = hold(std::slice::from_ref(&policy), &asked);
        prop_assert_eq!(&first.hard, &[]);
        let again = hold(&[policy], &Asked { subject: first.subject.clone(), ..Asked::default() });
        prop_assert_eq!(again, first);
    }
}
