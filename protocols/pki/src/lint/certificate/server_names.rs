//! A TLS server is known by DNS names, addresses or URIs among its subject alternative names; its common name is not looked at.

use x509_cert::ext::pkix::name::GeneralName;

use crate::lint::{CertificateView, Rule, Severity};
use crate::profile::ExtendedKeyUsage;

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "server_names",
    severity: Severity::Error,
    citation: "RFC 9525 §4.1",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    let has_host = view.names().iter().any(|name| {
        matches!(
            name,
            GeneralName::DnsName(_) | GeneralName::IpAddress(_) | GeneralName::UniformResourceIdentifier(_)
        )
    });
    if !has_host && !view.is_authority() && view.has_purpose(ExtendedKeyUsage::ServerAuth) {
        return Err(
            "a TLS server has no DNS name, address or URI among its subject alternative names".to_owned(),
        );
    }
    Ok(())
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
    fn a_server_without_a_host_is_found() {
        let mut view = sample::leaf();
        assert_eq!(check(&view), Ok(()));
        sample::set_names(&mut view, sample::of("smime").names().clone());
        assert!(check(&view).is_err());
        let mut view = sample::of("tls-client");
        sample::set_names(&mut view, vec![]);
        assert_eq!(check(&view), Ok(()));
    }
}
