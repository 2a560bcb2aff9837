//! How policies are written.

use super::*;

#[test]
fn the_documented_shape_is_read_and_numbers_are_written_as_numbers() {
    let json = json!({
        "name": "Prod baseline", "description": "", "is_enabled": true,
        "matching_criteria": { "action": "certificate.generate", "domains": ["*.example.com"] },
        "rules": [
            { "action": "enforce_minimum_key_size", "fail": "hard", "values": { "minimum_bits": "3072" } },
            { "action": "disable_wildcard", "fail": "soft" },
        ],
    });
    let policy: Policy = serde_json::from_value(json).unwrap();
    assert_eq!(policy.problems(), Vec::<String>::new());
    let written = serde_json::to_value(&policy).unwrap();
    assert_eq!(written["rules"][0]["values"]["minimum_bits"], 3072);
    assert_eq!(
        written["rules"][1],
        json!({ "action": "disable_wildcard", "fail": "soft" })
    );
    assert_eq!(serde_json::from_value::<Policy>(written).unwrap(), policy);
}

#[test]
fn what_is_no_rule_is_refused_with_what_there_is() {
    for (rule, word) in [
        (
            json!({ "action": "enforce_nothing", "fail": "hard" }),
            "enforce_values",
        ),
        (json!({ "action": "disable_wildcard", "fail": "maybe" }), "hard"),
        (
            json!({ "action": "disable_wildcard", "fail": "hard", "values": { "a": 1 } }),
            "unknown field",
        ),
        (
            json!({ "action": "disable_wildcard", "fail": "hard", "value": {} }),
            "unknown field",
        ),
        (
            json!({ "action": "enforce_max_validity", "fail": "hard" }),
            "max_days",
        ),
        (
            json!({ "action": "enforce_max_validity", "fail": "hard", "values": { "max_days": "many" } }),
            "number",
        ),
        (
            json!({ "action": "enforce_max_validity", "fail": "hard", "values": { "max_days": -1 } }),
            "max_validity",
        ),
        (
            json!({ "action": "enforce_minimum_key_size", "fail": "hard", "values": { "minimum_bits": 1 } }),
            "between",
        ),
        (
            json!({ "action": "enforce_algorithm", "fail": "hard", "values": { "algorithm": "dsa" } }),
            "rsa, ecdsa",
        ),
        (
            json!({ "action": "enforce_digest", "fail": "hard", "values": { "digests": [] } }),
            "at least one",
        ),
        (
            json!({ "action": "enforce_values", "fail": "hard", "values": { "country": "che" } }),
            "two capital",
        ),
        (json!({ "action": "enforce_values", "fail": "hard" }), "no value"),
        (
            json!({ "action": "enforce_key_usage", "fail": "hard", "values": { "key_usages": ["sign"] } }),
            "cRLSign",
        ),
    ] {
        let error = serde_json::from_value::<PolicyRule>(rule.clone())
            .unwrap_err()
            .to_string();
        assert!(error.contains(word), "{rule}: {error}");
    }
}

#[test]
fn everything_that_is_wrong_with_a_policy_is_told() {
    let json = json!({
        "name": "Wrong", "matching_criteria": { "action": "certificate.generate", "domains": ["*", "a b", "*x.example.com"] },
        "rules": [
            { "action": "block_other_domains", "fail": "hard" },
            { "action": "enforce_renewal_window", "fail": "hard", "values": { "days_before_expiry": 30 } },
        ],
    });
    let error = serde_json::from_value::<Policy>(json.clone())
        .unwrap_err()
        .to_string();
    for part in [
        "`a b` is no domain",
        "`*x.example.com` is no domain",
        "block_other_domains needs the domains",
        "enforce_renewal_window is about certificate.renew",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    for (member, value, word) in [
        ("rules", json!([]), "no rules"),
        ("extra", json!(1), "unknown field `extra`"),
        (
            "matching_criteria",
            json!({ "action": "certificate.revoke" }),
            "certificate.renew",
        ),
        (
            "matching_criteria",
            json!({ "action": "certificate.renew", "domain": "a" }),
            "unknown field `domain`",
        ),
        (
            "matching_criteria",
            json!({ "action": "certificate.renew", "domains": vec!["a.example"; MAX_POLICY_PARTS + 1] }),
            "more than",
        ),
    ] {
        let mut json = json.clone();
        json[member] = value;
        let error = serde_json::from_value::<Policy>(json).unwrap_err().to_string();
        assert!(error.contains(word), "{member}: {error}");
    }
}

#[test]
fn every_form_of_a_domain_is_read() {
    let is_read = |domain: &str| {
        let json = json!({
            "name": "a", "matching_criteria": { "action": "certificate.renew", "domains": [domain] },
            "rules": [{ "action": "require_san", "fail": "soft" }],
        });
        serde_json::from_value::<Policy>(json).is_ok()
    };
    for domain in [
        "*",
        "example.com",
        "*.example.com",
        "**.example.com",
        ".example.com",
        "Bücher.Example.",
    ] {
        assert!(is_read(domain), "{domain}");
    }
    for domain in [
        "",
        ".",
        "**",
        "*.",
        "*.*.example.com",
        "***.example.com",
        "10.0.0.1",
        "a..b",
        "xn--a.example",
    ] {
        assert!(!is_read(domain), "{domain}");
    }
}

#[test]
fn numbers_are_written_as_numbers_or_as_text() {
    let rule = |days: Value| {
        let rule =
            json!({ "action": "enforce_max_validity", "fail": "hard", "values": { "max_days": days } });
        serde_json::from_value::<PolicyRule>(rule)
    };
    for days in [json!(365), json!("365"), json!(" 365 ")] {
        let rule = rule(days).unwrap();
        assert_eq!(serde_json::to_value(&rule).unwrap()["values"]["max_days"], 365);
    }
    for days in [
        json!("+365"),
        json!("3e2"),
        json!("0x10"),
        json!(""),
        json!("4294967296"),
        json!(4_294_967_296_u64),
        json!(-1),
        json!(3.5),
        json!(null),
        json!([1]),
        json!(true),
    ] {
        let error = rule(days.clone()).unwrap_err().to_string();
        assert!(error.contains("a whole number"), "{days}: {error}");
    }
}

proptest! {
    #[test]
    fn reading_never_panics(text in ".{0,200}") {
        let _ = serde_json::from_str::<Policy>(&text);
        let rule = json!({ "action": text, "fail": "hard" });
        let _ = serde_json::from_value::<PolicyRule>(rule);
    }

    #[test]
    fn what_is_read_is_written_so_that_it_reads_back(
        days in 1u32.., as_text in any::<bool>(), domain in "[*]{0,3}[.]?[a-z*.-]{0,12}", is_enabled in any::<bool>(),
    ) {
        let days = if as_text { json!(days.to_string()) } else { json!(days) };
        let json = json!({
            "name": "a", "is_enabled": is_enabled,
            "matching_criteria": { "action": "certificate.generate", "domains": [domain] },
            "rules": [{ "action": "enforce_max_validity", "fail": "soft", "values": { "max_days": days } }],
        });
        if let Ok(policy) = serde_json::from_value::<Policy>(json) {
            let written = serde_json::to_string(&policy).unwrap();
            prop_assert_eq!(serde_json::from_str::<Policy>(&written).unwrap(), policy);
        }
    }
}
