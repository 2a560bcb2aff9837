//! Every subject alternative name is written as its type demands: host names in LDH letters, addresses of 4 or 16 octets,
//! mailboxes with one @, URIs with a scheme.

use x509_cert::ext::pkix::name::GeneralName;

use crate::lint::{CertificateView, Rule, Severity};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "name_syntax",
    severity: Severity::Error,
    citation: "RFC 5280 §4.2.1.6",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    view.names().iter().try_for_each(|name| match name {
        GeneralName::DnsName(text) => is_host(text.as_str())
            .then_some(())
            .ok_or_else(|| wrong("DNS name", text.as_str())),
        GeneralName::IpAddress(octets) if !matches!(octets.as_bytes().len(), 4 | 16) => {
            Err(format!("an IP address has {} octets", octets.as_bytes().len()))
        }
        GeneralName::Rfc822Name(text) => is_mailbox(text.as_str())
            .then_some(())
            .ok_or_else(|| wrong("mailbox", text.as_str())),
        GeneralName::UniformResourceIdentifier(text) => is_uri(text.as_str())
            .then_some(())
            .ok_or_else(|| wrong("URI", text.as_str())),
        _ => Ok(()),
    })
}

fn wrong(kind: &str, text: &str) -> String {
    format!("`{}` is not a {kind}", text.escape_debug())
}

/// Labels of letters, digits, inner hyphens and underscores (which service names have), a wildcard aside; not an
/// address in disguise.
fn is_host(text: &str) -> bool {
    let labels = text.strip_prefix("*.").unwrap_or(text);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'*'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_address = labels
        .rsplit('.')
        .next()
        .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    text.len() <= 253 && labels.split('.').all(is_label) && !is_address
}

fn is_mailbox(text: &str) -> bool {
    text.split_once('@').is_some_and(|(local, host)| {
        (1..=64).contains(&local.len()) && local.bytes().all(|byte| byte.is_ascii_graphic()) && is_host(host)
    })
}

/// An absolute URI of printable ASCII.
fn is_uri(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, rest)| {
        scheme
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
            && !rest.is_empty()
            && rest.bytes().all(|byte| byte.is_ascii_graphic())
    })
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops at the first surprise"
    )]

    use der::asn1::{Ia5String, OctetString};

    use super::*;
    use crate::lint::certificate::sample;

    #[test]
    fn good_names_pass() {
        assert_eq!(check(&sample::leaf()), Ok(()));
        for host in [
            "a",
            "www.example.com",
            "*.example.com",
            "_sip.example.com",
            "xn--bcher-kva.example",
            "1.example",
        ] {
            assert!(is_host(host), "{host}");
        }
        assert!(is_mailbox("o'neil+tag@example.com"));
        for uri in ["https://example.com/a?b", "urn:uuid:6e1b", "spiffe://trust/ns"] {
            assert!(is_uri(uri), "{uri}");
        }
    }

    #[test]
    fn crooked_names_are_found() {
        let ia5 = |text: &str| Ia5String::new(text).unwrap();
        let long = "a".repeat(64);
        let mut names: Vec<GeneralName> = [
            "",
            ".",
            "a..b",
            "a.",
            "-a.b",
            "a-.b",
            "a b",
            "a\0b",
            "192.0.2.1",
            &long,
        ]
        .into_iter()
        .map(|text| GeneralName::DnsName(ia5(text)))
        .collect();
        names.extend(
            ["a", "@example.com", "a@", "a b@example.com", "a@b@c"]
                .map(|text| GeneralName::Rfc822Name(ia5(text))),
        );
        names.extend(
            ["", "a", "/a/b", ":a", "http:", "http://a b"]
                .map(|text| GeneralName::UniformResourceIdentifier(ia5(text))),
        );
        names.push(GeneralName::IpAddress(OctetString::new(vec![1, 2, 3]).unwrap()));
        for name in names {
            let mut view = sample::leaf();
            sample::set_names(&mut view, vec![name.clone()]);
            assert!(check(&view).is_err(), "{name:?}");
        }
    }
}
