//! How names are written when they are asked for: the one form in which registered domains, allowed names, policies and the
//! certificate see them.
//!
//! The dot that may end a name of the DNS (RFC 1034 §3.1) says nothing and stands in no certificate: it is left out where a name is
//! given by itself, and refused where it stands in something larger, which is certified as it is.

use pki::allowed_name::requested_dns;
use pki::profile::AttributeType;
use pki::{DistinguishedName, SanFault, SubjectAltName};

use super::checks::wrong;
use crate::error::Result;

/// A name as it was written in an order.
pub(super) fn name(text: &str) -> std::result::Result<SubjectAltName, SanFault> {
    match text.strip_prefix("dns:") {
        Some(host) => requested_dns(host),
        None => text.parse(),
    }
}

/// Refuses a common name or a URI whose host would be looked at in one form and certified in another.
pub(super) fn check(subject: &DistinguishedName, names: &[SubjectAltName]) -> Result<()> {
    for name in names {
        match name {
            SubjectAltName::Uri(uri) if host_of(uri).ends_with('.') => {
                let problem = format!("{uri}: its host ends in a dot, write it without");
                return Err(wrong("validation_error", "sans.uri", problem));
            }
            SubjectAltName::Dns(host) if requested_dns(host).as_ref() != Ok(name) => {
                let problem = format!("{host}: what begins with `xn--` is no A-label");
                return Err(wrong("validation_error", "sans.dns", problem));
            }
            _ => {}
        }
    }
    let common_names = subject.values_of(AttributeType::COMMON_NAME.oid());
    let is_dotted_host = |text: &String| text.ends_with('.') && requested_dns(text).is_ok();
    match common_names.into_iter().find(is_dotted_host) {
        None => Ok(()),
        Some(text) => {
            let problem = format!("{text}: a host that ends in a dot, write it without");
            Err(wrong("validation_error", "subject.common_name", problem))
        }
    }
}

/// The host of a URI; empty when it has none.
pub(super) fn host_of(uri: &str) -> &str {
    let authority = uri.split_once("://").map_or("", |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    host.split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    #[test]
    fn the_dot_at_the_end_is_left_out_or_refused() {
        let subject = |text: &str| DistinguishedName::parse(text).unwrap();
        let host = name("dns:WWW.Example.COM.").unwrap();
        assert_eq!(host.to_string(), "dns:www.example.com");
        assert!(name("dns:www.example.com..").is_err() && name("dns:.").is_err());
        assert!(check(&subject("CN=www.example.com"), std::slice::from_ref(&host)).is_ok());
        assert!(check(&subject("CN=www.example.com."), std::slice::from_ref(&host)).is_err());
        assert!(check(&subject("CN=Example Ltd."), &[]).is_ok());
        for (uri, is_good) in [
            ("uri:https://a.example.com/x.", true),
            ("uri:https://a.example.com./x", false),
            ("uri:https://me@a.example.com.:8443", false),
            ("uri:urn:example:x.", true),
        ] {
            let names = [name(uri).unwrap()];
            assert_eq!(check(&subject(""), &names).is_ok(), is_good, "{uri}");
        }
    }

    #[test]
    fn what_only_looks_like_an_a_label_is_refused() {
        let odd = SubjectAltName::dns("xn--a.example.com").unwrap();
        assert!(check(&DistinguishedName::empty(), &[odd]).is_err());
        assert!(name("dns:xn--a.example.com").is_err());
    }
}
