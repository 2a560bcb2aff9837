#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use proptest::prelude::*;

use super::*;

fn names(entries: &[&str]) -> AllowedNames {
    let entries: Vec<AllowedName> = entries.iter().map(|entry| entry.parse().unwrap()).collect();
    AllowedNames::try_from(entries).unwrap()
}

fn dns(text: &str) -> SubjectAltName {
    requested_dns(text).unwrap()
}

fn name(text: &str) -> SubjectAltName {
    text.parse().unwrap()
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
        ("ip:10.0.0.0/8", name("ip:10.1.2.3"), true),
        ("ip:10.0.0.0/8", name("ip:11.1.2.3"), false),
        ("ip:2001:db8::/32", name("ip:2001:db8::1"), true),
        ("ip:192.0.2.7", name("ip:192.0.2.7"), true),
        ("xn--bcher-kva.example", dns("bücher.example"), true),
        ("bücher.example", dns("xn--bcher-kva.example"), true),
        ("email:*@example.com", name("email:ops@EXAMPLE.com"), true),
        ("email:ops@example.com", name("email:dev@example.com"), false),
        (
            "uri:spiffe://example.com/*",
            name("uri:spiffe://example.com/web"),
            true,
        ),
        (
            "uri:spiffe://example.com/*",
            name("uri:spiffe://example.com.evil/web"),
            false,
        ),
        (
            "uri:spiffe://example.com/a/*",
            name("uri:spiffe://example.com/a/../b"),
            false,
        ),
        (
            "uri:spiffe://example.com/a/*",
            name("uri:spiffe://example.com/a/%2E%2e/b"),
            false,
        ),
    ] {
        let uncovered = names(&[pattern]).uncovered(std::slice::from_ref(&name)).len();
        assert_eq!(uncovered == 0, is_allowed, "{pattern} {name}");
    }
    let flagged = r#"[{"pattern": "example.com", "wildcard": true}]"#;
    let flagged: AllowedNames = serde_json::from_str(flagged).unwrap();
    for (asked, is_allowed) in [
        ("example.com", true),
        ("*.example.com", true),
        ("*.sub.example.com", false),
        ("www.example.com", false),
    ] {
        let uncovered = flagged.uncovered(&[dns(asked)]).len();
        assert_eq!(uncovered == 0, is_allowed, "{asked}");
    }
    // An address that is written as a name of the DNS is none.
    for text in ["10.1.2.3", "10.1.2.3.", "１０.1.2.3", "::1", "[::1]"] {
        assert!(requested_dns(text).is_err(), "{text}");
    }
}

#[test]
fn names_of_other_types_are_covered_by_entries_of_their_type_alone() {
    for (pattern, asked, is_allowed) in [
        ("ip:10.0.0.0/8", "ip:::ffff:10.1.2.3", false),
        ("ip:::ffff:0:0/96", "ip:::ffff:10.1.2.3", true),
        ("ip:::ffff:0:0/96", "ip:10.1.2.3", false),
        ("ip:::ffff:10.1.2.3", "ip:10.1.2.3", false),
        ("ip:2001:db8::1", "ip:2001:0DB8:0:0::1", true),
        ("ip:10.0.0.0/8", "uri:https://10.1.2.3/", false),
        ("**.example.com", "email:a@x.example.com", false),
        ("**.example.com", "uri:https://x.example.com/", false),
        ("email:*@example.com", "upn:a@example.com", false),
        ("email:*@example.com", "email:a@sub.example.com", false),
        ("email:a|b@example.com", "email:a|b@example.com", true),
        ("email:Ops@example.com", "email:ops@example.com", false),
        ("uri:spiffe://example.com/*", "uri:spiffe://example.com/", false),
        ("uri:spiffe://example.com/*", "uri:SPIFFE://example.com/a", false),
        (
            "uri:spiffe://example.com/*",
            "uri:spiffe://example.com/a/%2e%2e%2fb",
            false,
        ),
        (
            "uri:spiffe://example.com/*",
            "uri:spiffe://example.com/a?b=../c",
            true,
        ),
        ("uri:urn:uuid:1", "uri:urn:uuid:1", true),
        ("uri:urn:uuid:1", "uri:urn:uuid:12", false),
    ] {
        let is_covered = names(&[pattern]).uncovered(&[name(asked)]).is_empty();
        assert_eq!(is_covered, is_allowed, "{pattern} {asked}");
    }
}

#[test]
fn names_are_normalised_or_refused() {
    for (text, normal) in [
        ("WWW.Example.COM.", "dns:www.example.com"),
        ("*.Example.com", "dns:*.example.com"),
        ("Bücher.example", "dns:xn--bcher-kva.example"),
        ("bücher。example", "dns:xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "dns:xn--bcher-kva.example"),
    ] {
        assert_eq!(requested_dns(text).unwrap().to_string(), normal, "{text}");
    }
    let long_label = format!("{}.example", "a".repeat(64));
    let long = format!("{}.example", vec!["a".repeat(60); 5].join("."));
    for text in [
        "",
        ".",
        "a.example..",
        "a..example",
        "a.*.example",
        "*a.example",
        "*",
        "a_b.example",
        "-a.example",
        "a\0.example",
        "a.example\0.evil.test",
        "xn--bücher.example",
        "xn--a.example",
        "xn--.example",
        "xn--99999999.example",
        long_label.as_str(),
        long.as_str(),
    ] {
        assert!(requested_dns(text).is_err(), "{text:?}");
        assert!(text.parse::<AllowedName>().is_err(), "{text:?}");
    }
    // A value of that type that was made otherwise is covered by nothing.
    let unsound = SubjectAltName::Dns("xn--a.example.com".to_owned());
    assert_eq!(names(&["**.example.com"]).uncovered(&[unsound]).len(), 1);
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
        "a.example.com|a.example.com",
        "*.a.example.com|**.a.example.com",
        "a.example.com|*.a.example.com|=*.a.example.com|a.example.com",
        "a.example.com|ip:10.0.0.1",
        "a.example.com|",
        "|",
    ] {
        assert!(text.parse::<AllowedName>().is_err(), "{text}");
    }
    for (json, word) in [
        (r#"{"domain":"example.com"}"#, "covers nothing"),
        (r#"{"domain":"*.example.com","exact":true}"#, "left end"),
        (
            r#"{"domain":"example.com","exakt":true}"#,
            "unknown field `exakt`",
        ),
        (
            r#"{"domain":"example.com","exact":true,"subdomains":"all"}"#,
            "expected one of",
        ),
        (
            r#"{"domain":"example.com","pattern":"example.com"}"#,
            "write a text",
        ),
        (r#"{"pattern":"example.com","exact":true}"#, "write a text"),
        (r#"{"pattern":"ip:10.0.0.1","wildcard":true}"#, "write a text"),
        (r#"{"wildcard":true}"#, "write a text"),
        ("{}", "write a text"),
        ("1", "as text or by its members"),
        (r#""a b""#, "is not a DNS name"),
    ] {
        let error = serde_json::from_str::<AllowedName>(json).unwrap_err().to_string();
        assert!(error.contains(word), "{json}: {error}");
    }
    let many = vec!["a.example.com"; MAX_ALLOWED_NAMES + 1];
    let many = serde_json::to_string(&many).unwrap();
    assert!(serde_json::from_str::<AllowedNames>(&many).is_err());
}

#[test]
fn the_members_of_an_entry_become_an_entry() {
    let members = DomainEntry {
        domain: "Example.ORG.".to_owned(),
        exact: true,
        subdomains: Subdomains::One,
        wildcard: false,
    };
    let entry = AllowedName::try_from(members).unwrap();
    assert_eq!(entry.to_string(), "example.org|*.example.org");
    let json = serde_json::to_value(entry.domain().unwrap()).unwrap();
    let expected = serde_json::json!({
        "domain": "example.org", "exact": true, "subdomains": "one", "wildcard": false,
    });
    assert_eq!(json, expected);
    assert_eq!(serde_json::from_value::<AllowedName>(json).unwrap(), entry);
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
    let list = names(&["*.com", "*.example.com", "com"]);
    assert_eq!(list.too_broad(&is_public, false), [&list.0[0], &list.0[2]]);
    assert_eq!(list.too_broad(&is_public, true), [&list.0[0]; 0]);
}

#[test]
fn the_common_name_repeats_a_name_or_not() {
    let asked = [dns("a.example.com"), name("ip:192.0.2.7")];
    assert!(repeats_a_name("A.example.com", &asked) && repeats_a_name("192.0.2.7", &asked));
    assert!(!repeats_a_name("b.example.com", &asked) && !repeats_a_name("", &asked));
    assert!(repeats_a_name(
        "ops@Example.com",
        &[name("email:ops@example.com")]
    ));
    let strange = |subject: &str| strange_common_names(&DistinguishedName::parse(subject).unwrap(), &asked);
    assert_eq!(strange("CN=a.example.com"), [""; 0]);
    assert_eq!(strange("O=Example"), [""; 0]);
    // Whichever of several somebody reads.
    assert_eq!(strange("CN=a.example.com,CN=b.example.com"), ["b.example.com"]);
    assert_eq!(strange("CN=b.example.com,CN=a.example.com"), ["b.example.com"]);
}

#[test]
fn a_registered_domain_covers_itself_and_all_below() {
    for (asked, is_covered) in [
        ("example.com", true),
        ("EXAMPLE.com.", true),
        ("a.b.example.com", true),
        ("*.example.com", true),
        ("*.b.example.com", true),
        ("badexample.com", false),
        ("example.com.evil.test", false),
        ("*.com", false),
        ("com", false),
        ("", false),
    ] {
        assert_eq!(lies_under(asked, "example.com"), is_covered, "{asked}");
    }
    assert!(!lies_under("example.com", "") && !lies_under("", ""));
}

proptest! {
    #[test]
    fn reading_never_panics(text in ".{0,80}") {
        if let Ok(name) = text.parse::<AllowedName>() {
            prop_assert_eq!(name.to_string().parse::<AllowedName>().unwrap(), name);
        }
        let _ = requested_dns(&text);
        let _ = AllowedName::from_broad(&text);
        let _ = lies_under(&text, "example.com") || lies_under("example.com", &text);
    }

    #[test]
    fn what_looks_like_an_entry_reads_back(
        text in "(ip:|email:|uri:|dns:|=)?[*]{0,2}[.]?[a-z@:/|*.0-9-]{0,30}",
        asked in "[*.a-z0-9-]{0,20}",
    ) {
        if let Ok(entry) = text.parse::<AllowedName>() {
            let written = serde_json::to_string(&entry).unwrap();
            prop_assert_eq!(&serde_json::from_str::<AllowedName>(&written).unwrap(), &entry);
            let broad = AllowedName::from_broad(&text).unwrap();
            if let Ok(asked) = requested_dns(&asked) {
                prop_assert!(!entry.covers(&asked) || broad.covers(&asked));
            }
        }
    }

    #[test]
    fn case_and_a_trailing_dot_change_nothing(
        entry in proptest::sample::select(&["*.example.com", "**.example.com", "example.com", "=*.example.com"][..]),
        labels in "([a-z][a-z0-9]{0,8}[.]){0,3}|[*][.]",
    ) {
        let entry: AllowedName = entry.parse().unwrap();
        let plain = format!("{labels}example.com");
        let is_covered = entry.covers(&dns(&plain));
        for form in [plain.to_ascii_uppercase(), format!("{plain}."), format!("{}.", plain.to_ascii_uppercase())] {
            prop_assert_eq!(entry.covers(&dns(&form)), is_covered, "{}", form);
            prop_assert_eq!(entry.covers(&SubjectAltName::Dns(form)), is_covered);
        }
    }

    #[test]
    fn an_entry_about_a_domain_covers_nothing_beside_it(
        subdomains in proptest::sample::select(&[Subdomains::None, Subdomains::One, Subdomains::Any][..]),
        exact in any::<bool>(),
        asked in "([*][.])?([a-c]{1,2}[.]){0,3}(example[.]com|badexample[.]com|example[.]com[.]evil[.]test)",
    ) {
        let members = DomainEntry { domain: "example.com".to_owned(), exact, subdomains, wildcard: true };
        let entry = AllowedName::try_from(members).unwrap();
        prop_assert!(!entry.covers(&dns(&asked)) || lies_under(&asked, "example.com"));
        // A wildcard below the domain is for nobody.
        prop_assert!(!asked.starts_with("*.") || asked == "*.example.com" || !entry.covers(&dns(&asked)));
    }
}
