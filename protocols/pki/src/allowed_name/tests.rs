#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what broke by panicking"
)]

use proptest::prelude::*;

use super::*;

fn names(entries: &[&str]) -> AllowedNames {
    let entries: Vec<AllowedName> = entries.iter().map(|entry| entry.parse().unwrap()).collect();
    AllowedNames::try_from(entries).unwrap()
}

fn dns(text: &str) -> SubjectAltName {
    SubjectAltName::dns(text.trim_end_matches('.')).unwrap()
}

/// The published vectors of the grammar: pattern, name, whether it is allowed.
#[test]
fn the_vectors_of_the_grammar_hold() {
    for (pattern, name, is_allowed) in [
        ("*.example.com", dns("www.example.com"), true),
        ("*.example.com", dns("WWW.Example.COM."), true),
        ("*.example.com", dns("example.com"), false),
        ("*.example.com", dns("a.b.example.com"), false),
        ("*.example.com", dns("*.example.com"), false),
        ("*.example.com", dns("badexample.com"), false),
        ("*.example.com", dns("www.example.com.evil.test"), false),
        ("**.example.com", dns("a.b.example.com"), true),
        ("**.example.com", dns("example.com"), false),
        ("**.example.com", dns("*.example.com"), false),
        ("=*.example.com", dns("*.example.com"), true),
        ("=*.example.com", dns("*.sub.example.com"), false),
        ("=*.example.com", dns("example.com"), false),
        (
            "ip:10.0.0.0/8",
            SubjectAltName::Ip("10.1.2.3".parse().unwrap()),
            true,
        ),
        (
            "ip:10.0.0.0/8",
            SubjectAltName::Ip("11.1.2.3".parse().unwrap()),
            false,
        ),
        (
            "ip:2001:db8::/32",
            SubjectAltName::Ip("2001:db8::1".parse().unwrap()),
            true,
        ),
        (
            "ip:192.0.2.7",
            SubjectAltName::Ip("192.0.2.7".parse().unwrap()),
            true,
        ),
        ("xn--bcher-kva.example", dns("bücher.example"), true),
        ("bücher.example", dns("xn--bcher-kva.example"), true),
        (
            "email:*@example.com",
            SubjectAltName::email("ops@EXAMPLE.com").unwrap(),
            true,
        ),
        (
            "email:ops@example.com",
            SubjectAltName::email("dev@example.com").unwrap(),
            false,
        ),
        (
            "uri:spiffe://example.com/*",
            SubjectAltName::uri("spiffe://example.com/web").unwrap(),
            true,
        ),
        (
            "uri:spiffe://example.com/*",
            SubjectAltName::uri("spiffe://example.com.evil/web").unwrap(),
            false,
        ),
        (
            "uri:spiffe://example.com/a/*",
            SubjectAltName::uri("spiffe://example.com/a/../b").unwrap(),
            false,
        ),
        (
            "uri:spiffe://example.com/a/*",
            SubjectAltName::uri("spiffe://example.com/a/%2E%2e/b").unwrap(),
            false,
        ),
    ] {
        let uncovered = names(&[pattern]).uncovered(std::slice::from_ref(&name)).len();
        assert_eq!(uncovered == 0, is_allowed, "{pattern} {name}");
    }
    // An address that is written as a name of the DNS is none.
    assert!(SubjectAltName::dns("10.1.2.3").is_err());
}

#[test]
fn every_name_that_is_not_covered_is_told() {
    let list = names(&["a.example.com", "*.b.example.com"]);
    let asked = [
        dns("a.example.com"),
        dns("c.example.com"),
        dns("x.b.example.com"),
        dns("b.example.com"),
    ];
    assert_eq!(list.uncovered(&asked), [&asked[1], &asked[3]]);
    assert_eq!(AllowedNames::default().uncovered(&asked).len(), 4);
}

#[test]
fn a_list_is_read_in_all_its_forms_and_written_as_text() {
    let json = r#"["*.example.com", {"pattern":"example.com","wildcard":true},
        {"domain":"Example.ORG","exact":true,"subdomains":"any","wildcard":true}, "ip:10.0.0.0/8"]"#;
    let list: AllowedNames = serde_json::from_str(json).unwrap();
    let text = serde_json::to_string(&list).unwrap();
    assert_eq!(
        text,
        r#"["*.example.com","example.com|=*.example.com","example.org|**.example.org|=*.example.org","ip:10.0.0.0/8"]"#
    );
    assert_eq!(serde_json::from_str::<AllowedNames>(&text).unwrap(), list);
    assert_eq!(
        AllowedName::from_broad("*.example.org").unwrap(),
        *list.iter().nth(2).unwrap()
    );
}

#[test]
fn what_means_nothing_is_refused() {
    for text in [
        "",
        "*",
        "*.",
        "**",
        "*.*.example.com",
        "a.*.example.com",
        "w*.example.com",
        "=example.com*",
        "***.example.com",
        "ip:10.0.0.0/33",
        "ip:host",
        "email:@example.com",
        "email:*",
        "email:a*@example.com",
        "uri:*",
        "uri:spiffe:*",
        "uri:spiffe://*",
        "uri:spiffe://a*",
        "uri:spiffe://a/*/b",
        "a..example.com",
        "-a.example.com",
        "10.0.0.1",
        "a.example.com|*.other.example",
    ] {
        assert!(text.parse::<AllowedName>().is_err(), "{text}");
    }
    for json in [
        r#"{"domain":"example.com"}"#,
        r#"{"domain":"example.com","exakt":true}"#,
        "{}",
        "1",
    ] {
        assert!(serde_json::from_str::<AllowedName>(json).is_err(), "{json}");
    }
}

#[test]
fn public_suffixes_are_seen() {
    let is_public = |name: &str| name == "com" || name == "co.uk";
    let covers = |text: &str| {
        text.parse::<AllowedName>()
            .unwrap()
            .covers_public_suffix(&is_public)
    };
    assert!(covers("*.com") && covers("**.co.uk") && covers("=*.co.uk") && covers("email:*@co.uk"));
    assert!(!covers("*.example.com") && !covers("email:a@co.uk") && !covers("ip:10.0.0.0/8"));
}

#[test]
fn the_common_name_repeats_a_name_or_not() {
    let asked = [
        dns("a.example.com"),
        SubjectAltName::Ip("192.0.2.7".parse().unwrap()),
    ];
    assert!(repeats_a_name("A.example.com", &asked) && repeats_a_name("192.0.2.7", &asked));
    assert!(!repeats_a_name("b.example.com", &asked) && !repeats_a_name("", &asked));
    assert!(lies_under("a.b.example.com", "example.com") && lies_under("*.example.com", "example.com"));
    assert!(!lies_under("badexample.com", "example.com"));
}

proptest! {
    #[test]
    fn reading_never_panics(text in ".{0,80}") {
        if let Ok(name) = text.parse::<AllowedName>() {
            prop_assert_eq!(name.to_string().parse::<AllowedName>().unwrap(), name);
        }
    }

    #[test]
    fn case_and_a_trailing_dot_change_nothing(label in "[a-z][a-z0-9]{0,8}", deeper in proptest::bool::ANY) {
        let entry: AllowedName = "*.example.com".parse().unwrap();
        let name = if deeper { format!("x.{label}.example.com") } else { format!("{label}.example.com") };
        let upper = SubjectAltName::Dns(format!("{}.", name.to_ascii_uppercase()));
        prop_assert_eq!(entry.covers(&dns(&name)), !deeper);
        prop_assert_eq!(entry.covers(&upper), !deeper);
    }
}
