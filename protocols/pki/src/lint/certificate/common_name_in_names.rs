//! The common name of a TLS server repeats one of its subject alternative names; clients that still read it must not learn
//! something else from it.

use x509_cert::ext::pkix::name::{DirectoryString, GeneralName};

use crate::lint::{CertificateView, Rule, Severity};
use crate::profile::{AttributeType, ExtendedKeyUsage};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "common_name_in_names",
    severity: Severity::Warning,
    citation: "CA/Browser Forum Baseline Requirements §7.1.4.3",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    if view.is_authority() || !view.has_purpose(ExtendedKeyUsage::ServerAuth) {
        return Ok(());
    }
    let names = view.names();
    let stranger = view
        .subject
        .iter()
        .filter(|attribute| attribute.oid == AttributeType::COMMON_NAME.oid())
        .map(|attribute| {
            DirectoryString::try_from(&attribute.value)
                .map(String::from)
                .unwrap_or_default()
        })
        .find(|common_name| !names.iter().any(|name| says(name, common_name)));
    stranger.map_or(Ok(()), |common_name| {
        Err(format!(
            "the common name `{common_name}` is not among the subject alternative names"
        ))
    })
}

fn says(name: &GeneralName, common_name: &str) -> bool {
    match name {
        GeneralName::DnsName(text) => text.as_str().eq_ignore_ascii_case(common_name),
        GeneralName::IpAddress(octets) => match common_name.parse() {
            Ok(std::net::IpAddr::V4(address)) => octets.as_bytes() == address.octets(),
            Ok(std::net::IpAddr::V6(address)) => octets.as_bytes() == address.octets(),
            Err(_) => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops at the first surprise"
    )]

    use super::*;
    use crate::lint::certificate::sample;

    #[test]
    fn a_foreign_common_name_is_found() {
        let mut view = sample::leaf();
        assert_eq!(check(&view), Ok(()));
        view.subject = "CN=other.example".parse().unwrap();
        assert!(check(&view).is_err());
        view.subject = "CN=192.0.2.1".parse().unwrap();
        assert_eq!(check(&view), Ok(()));
        view.subject = "CN=192.0.2.2".parse().unwrap();
        assert!(check(&view).is_err());
    }
}
