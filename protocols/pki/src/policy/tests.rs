#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test says what broke by panicking"
)]

mod broad;
mod written;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::profile::Profile;

struct Asked {
    action: Action,
    names: Vec<SubjectAltName>,
    subject: DistinguishedName,
    key: KeyAlgorithm,
    validity_days: u32,
    asks_for_ca: bool,
    replaced: Option<Timestamp>,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            action: Action::Generate,
            names: vec![SubjectAltName::dns("www.example.com").unwrap()],
            subject: DistinguishedName::parse("CN=www.example.com").unwrap(),
            key: KeyAlgorithm::P256,
            validity_days: 90,
            asks_for_ca: false,
            replaced: None,
        }
    }
}

fn policy(rule: Value) -> Policy {
    let json = json!({
        "name": "Baseline",
        "matching_criteria": { "action": "certificate.generate", "domains": ["*.example.com"] },
        "rules": [rule],
    });
    serde_json::from_value(json).unwrap()
}

fn request(asked: &Asked) -> Request<'_> {
    Request {
        action: asked.action,
        names: &asked.names,
        subject: &asked.subject,
        key: asked.key,
        signature: Some(SignatureAlgorithm::EcdsaSha256),
        validity_days: asked.validity_days,
        profile: Profile::ready_named("tls-server").unwrap(),
        asks_for_ca: asked.asks_for_ca,
        replaced_not_after: asked.replaced,
        now: "2030-01-01T00:00:00Z".parse().unwrap(),
    }
}

fn hold(policies: &[Policy], asked: &Asked) -> Judgement {
    judge(policies, &request(asked))
}

/// The fields that break a rule, written hard and soft.
fn fields(action: &str, values: Value, asked: &Asked) -> Vec<String> {
    let of = |fail: &str| {
        hold(
            &[policy(
                json!({ "action": action, "fail": fail, "values": values }),
            )],
            asked,
        )
    };
    let (hard, soft) = (of("hard"), of("soft"));
    assert_eq!(hard.hard, soft.soft, "{action}");
    assert!(hard.soft.is_empty() && soft.hard.is_empty());
    assert!(
        hard.hard
            .iter()
            .all(|violation| violation.rule == action && violation.policy == "Baseline")
    );
    hard.hard.into_iter().map(|violation| violation.field).collect()
}

fn named(names: &[&str]) -> Asked {
    let names = names.iter().map(|name| match name.split_once(':') {
        Some(("ip", address)) => SubjectAltName::Ip(address.parse().unwrap()),
        Some(("email", address)) => SubjectAltName::email(address).unwrap(),
        _ => SubjectAltName::dns(name).unwrap(),
    });
    Asked {
        names: names.collect(),
        subject: DistinguishedName::empty(),
        ..Asked::default()
    }
}

#[test]
fn every_rule_is_kept_and_broken() {
    let none: [&str; 0] = [];
    let asked = Asked::default;
    assert_eq!(fields("disable_wildcard", json!({}), &asked()), none);
    assert_eq!(
        fields("disable_wildcard", json!({}), &named(&["*.example.com"])),
        ["dns:*.example.com"]
    );
    assert_eq!(
        fields("block_subdomains", json!({}), &named(&["example.com"])),
        none
    );
    assert_eq!(
        fields("block_subdomains", json!({}), &asked()),
        ["dns:www.example.com"]
    );
    assert_eq!(fields("block_other_domains", json!({}), &asked()), none);
    let other = named(&["www.example.com", "www.example.org", "ip:192.0.2.1"]);
    assert_eq!(
        fields("block_other_domains", json!({}), &other),
        ["dns:www.example.org", "ip:192.0.2.1"]
    );
    assert_eq!(
        fields(
            "enforce_domain_suffix",
            json!({ "suffix": ".example.com" }),
            &asked()
        ),
        none
    );
    assert_eq!(
        fields(
            "enforce_domain_suffix",
            json!({ "suffixes": ["example.com"] }),
            &other
        ),
        ["dns:www.example.org", "ip:192.0.2.1"]
    );
    assert_eq!(fields("block_ip_in_san", json!({}), &asked()), none);
    assert_eq!(fields("block_ip_in_san", json!({}), &other), ["ip:192.0.2.1"]);
    assert_eq!(
        fields("block_email_in_san", json!({}), &named(&["email:a@example.com"])),
        ["email:a@example.com"]
    );
    assert_eq!(
        fields("enforce_max_san_count", json!({ "max_count": "3" }), &other),
        none
    );
    assert_eq!(
        fields("enforce_max_san_count", json!({ "max_count": 2 }), &other),
        ["sans"]
    );
    assert_eq!(
        fields("enforce_max_validity", json!({ "max_days": "90" }), &asked()),
        none
    );
    assert_eq!(
        fields("enforce_max_validity", json!({ "max_days": 89 }), &asked()),
        ["validity_days"]
    );
    assert_eq!(
        fields("enforce_min_validity", json!({ "min_days": 90 }), &asked()),
        none
    );
    assert_eq!(
        fields("enforce_min_validity", json!({ "min_days": "91" }), &asked()),
        ["validity_days"]
    );
    assert_eq!(fields("block_ca_flag", json!({}), &asked()), none);
    let ca = Asked {
        asks_for_ca: true,
        ..asked()
    };
    assert_eq!(fields("block_ca_flag", json!({}), &ca), ["csr"]);
}

#[test]
fn rules_about_the_key_are_kept_and_broken() {
    let none: [&str; 0] = [];
    let of = |key| Asked {
        key,
        ..Asked::default()
    };
    let size = |bits: u32, key| {
        fields(
            "enforce_minimum_key_size",
            json!({ "minimum_bits": bits.to_string() }),
            &of(key),
        )
    };
    assert_eq!(size(3072, KeyAlgorithm::P256), none);
    assert_eq!(size(384, KeyAlgorithm::P256), ["key"]);
    assert_eq!(size(4096, KeyAlgorithm::P256), ["key"]);
    assert_eq!(size(3072, KeyAlgorithm::Rsa(3072)), none);
    assert_eq!(size(3072, KeyAlgorithm::Rsa(2048)), ["key"]);
    assert_eq!(
        fields(
            "enforce_algorithm",
            json!({ "algorithm": "ecdsa" }),
            &of(KeyAlgorithm::P384)
        ),
        none
    );
    assert_eq!(
        fields(
            "enforce_algorithm",
            json!({ "algorithm": "rsa" }),
            &of(KeyAlgorithm::P384)
        ),
        ["key"]
    );
    assert_eq!(
        fields("enforce_digest", json!({ "digest": "sha256" }), &Asked::default()),
        none
    );
    assert_eq!(
        fields(
            "enforce_digest",
            json!({ "digests": ["sha384"] }),
            &Asked::default()
        ),
        ["digest"]
    );
    let usage = |uses: &[&str], key| fields("enforce_key_usage", json!({ "key_usages": uses }), &of(key));
    assert_eq!(usage(&["digitalSignature"], KeyAlgorithm::P256), none);
    assert_eq!(
        usage(&["digitalSignature"], KeyAlgorithm::Rsa(2048)),
        ["key_usage"]
    );
    let purposes = |all: &[&str]| {
        fields(
            "enforce_certificate_purpose",
            json!({ "purposes": all }),
            &Asked::default(),
        )
    };
    assert_eq!(purposes(&["serverAuth", "clientAuth"]), none);
    assert_eq!(purposes(&["clientAuth"]), ["extended_key_usage"]);
}

#[test]
fn names_are_required_where_a_policy_is_about_everything() {
    let mut policy = policy(json!({ "action": "require_san", "fail": "hard" }));
    policy.matching_criteria.domains.clear();
    let nameless = Asked {
        names: Vec::new(),
        ..Asked::default()
    };
    assert_eq!(hold(std::slice::from_ref(&policy), &nameless).hard.len(), 1);
    assert_eq!(hold(&[policy], &Asked::default()).hard, []);
}

#[test]
fn renewals_wait_for_their_window() {
    let policy: Policy = serde_json::from_value(json!({
        "name": "Renewals",
        "matching_criteria": { "action": "certificate.renew", "domains": ["*.example.com"] },
        "rules": [
            { "action": "enforce_renewal_window", "fail": "hard", "values": { "days_before_expiry": "30" } },
        ],
    }))
    .unwrap();
    let ends = |text: &str| Asked {
        action: Action::Renew,
        replaced: Some(text.parse().unwrap()),
        ..Asked::default()
    };
    assert_eq!(
        hold(std::slice::from_ref(&policy), &ends("2030-01-31T00:00:00Z")).hard,
        []
    );
    for (end, days) in [
        ("2030-01-31T00:00:01Z", "30 days"),
        ("2030-02-01T00:00:01Z", "31 days"),
    ] {
        let judgement = hold(std::slice::from_ref(&policy), &ends(end));
        assert_eq!(judgement.hard[0].field, "replaces");
        assert!(judgement.hard[0].message.contains(days), "{judgement:?}");
    }
    assert_eq!(
        hold(std::slice::from_ref(&policy), &ends("2029-12-31T00:00:00Z")).hard,
        []
    );
    assert_eq!(
        hold(&[policy], &Asked::default()).hard,
        [],
        "it is about renewals alone"
    );
}

#[test]
fn values_are_put_in_where_there_are_none_and_held_against_those_that_are() {
    let values = json!({ "organization": "Example AG", "country": "CH", "organizational_unit": "Web" });
    let policy = policy(json!({ "action": "enforce_values", "fail": "hard", "values": values }));
    let judgement = hold(std::slice::from_ref(&policy), &Asked::default());
    assert_eq!(judgement.hard, []);
    assert_eq!(
        judgement.subject.to_string(),
        "CN=www.example.com,OU=Web,O=Example AG,C=CH"
    );
    let asked = Asked {
        subject: DistinguishedName::parse("CN=www.example.com,O=Other,C=CH").unwrap(),
        ..Asked::default()
    };
    let judgement = hold(std::slice::from_ref(&policy), &asked);
    assert_eq!(
        judgement
            .hard
            .iter()
            .map(|one| one.field.as_str())
            .collect::<Vec<_>>(),
        ["subject.organization"]
    );
    // Two policies that want different things cannot both be kept.
    let mut other = policy.clone();
    other.rules = vec![
        serde_json::from_value(
            json!({ "action": "enforce_values", "fail": "soft", "values": { "organization": "Two" } }),
        )
        .unwrap(),
    ];
    let judgement = hold(&[policy, other], &Asked::default());
    assert_eq!((judgement.hard.len(), judgement.soft.len()), (0, 1));
}

#[test]
fn of_several_policies_each_has_to_be_kept() {
    let long =
        policy(json!({ "action": "enforce_max_validity", "fail": "hard", "values": { "max_days": 397 } }));
    let short =
        policy(json!({ "action": "enforce_max_validity", "fail": "hard", "values": { "max_days": 47 } }));
    let off = Policy {
        is_enabled: false,
        ..short.clone()
    };
    assert_eq!(hold(&[long.clone(), off], &Asked::default()).hard, []);
    assert_eq!(
        hold(&[long, short], &Asked::default()).hard[0].message,
        "90, at most 47"
    );
}

#[test]
fn a_policy_is_about_the_apex_and_everything_below_and_nothing_beside() {
    let rule = json!({ "action": "block_ip_in_san", "fail": "hard" });
    let with_ip = |name: &str| named(&[name, "ip:192.0.2.1"]);
    for (name, is_about) in [
        ("example.com", true),
        ("a.b.example.com", true),
        ("*.example.com", true),
        ("badexample.com", false),
        ("example.com.evil.test", false),
    ] {
        assert_eq!(
            hold(&[policy(rule.clone())], &with_ip(name)).hard.len() == 1,
            is_about,
            "{name}"
        );
    }
}

proptest! {
    #[test]
    fn a_longer_life_never_breaks_fewer_maximums(days in 1u32..800, more in 0u32..800, most in 1u32..800) {
        let policy = policy(json!({ "action": "enforce_max_validity", "fail": "hard", "values": { "max_days": most } }));
        let broken = |validity_days| hold(std::slice::from_ref(&policy), &Asked { validity_days, ..Asked::default() }).hard.len();
        prop_assert!(broken(days) <= broken(days + more));
    }
}
