//! An S/MIME certificate has a mailbox among its subject alternative names.

use x509_cert::ext::pkix::name::GeneralName;

use crate::lint::{CertificateView, Rule, Severity};
use crate::profile::ExtendedKeyUsage;

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "mail_names",
    severity: Severity::Error,
    citation: "RFC 8550 §3",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    let has_mailbox = view
        .names()
        .iter()
        .any(|name| matches!(name, GeneralName::Rfc822Name(_)));
    if !has_mailbox && !view.is_authority() && view.has_purpose(ExtendedKeyUsage::EmailProtection) {
        return Err("an S/MIME certificate has no mailbox among its subject alternative names".to_owned());
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
    fn a_mail_certificate_without_a_mailbox_is_found() {
        let mut view = sample::of("smime");
        assert_eq!(check(&view), Ok(()));
        sample::set_names(&mut view, sample::leaf().names().clone());
        assert!(check(&view).is_err());
    }
}
