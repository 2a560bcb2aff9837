//! OCSP no-check is for delegated responders, and not critical: in any other certificate it would switch revocation off.

use crate::lint::{CertificateView, Rule, Severity};
use crate::profile::ExtendedKeyUsage;
use crate::profile::extension_ids::OCSP_NO_CHECK;

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "ocsp_no_check",
    severity: Severity::Error,
    citation: "RFC 6960 §4.2.2.2.1",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    let Some(extension) = view.raw(OCSP_NO_CHECK) else {
        return Ok(());
    };
    if extension.critical {
        Err("OCSP no-check is critical".to_owned())
    } else if view.is_authority() || !view.has_purpose(ExtendedKeyUsage::OcspSigning) {
        Err("OCSP no-check stands in a certificate that is not a delegated responder's".to_owned())
    } else {
        Ok(())
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
    fn it_is_for_responders() {
        let mut view = sample::of("ocsp-signer");
        assert_eq!(check(&view), Ok(()));
        sample::set(&mut view, OCSP_NO_CHECK, true, &[0x05, 0x00]);
        assert!(check(&view).is_err());
        let mut view = sample::leaf();
        assert_eq!(check(&view), Ok(()));
        sample::set(&mut view, OCSP_NO_CHECK, false, &[0x05, 0x00]);
        assert!(check(&view).is_err());
    }
}
