//! A server can staple only when its certificate says where the OCSP responder is; the extension is never critical here,
//! and authorities have nothing to staple.

use crate::lint::{CertificateView, Rule, Severity};
use crate::profile::extension_ids::{ACCESS_OCSP, TLS_FEATURE};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "must_staple",
    severity: Severity::Error,
    citation: "RFC 7633 §4",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    let Some(extension) = view.raw(TLS_FEATURE) else {
        return Ok(());
    };
    if extension.critical {
        Err("the TLS feature extension is critical".to_owned())
    } else if view.is_authority() {
        Err("an authority is told to staple".to_owned())
    } else if view.access(ACCESS_OCSP).next().is_none() {
        Err("the server must staple, but no OCSP responder is named".to_owned())
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

    use crate::profile::extension_ids::STATUS_REQUEST;
    use const_oid::AssociatedOid;
    use x509_cert::ext::pkix::AuthorityInfoAccessSyntax;

    use super::*;
    use crate::lint::certificate::sample;

    #[test]
    fn stapling_needs_a_responder() {
        let mut view = sample::leaf();
        assert_eq!(check(&view), Ok(()));
        sample::set(&mut view, TLS_FEATURE, false, STATUS_REQUEST);
        assert_eq!(check(&view), Ok(()));
        sample::set(&mut view, TLS_FEATURE, true, STATUS_REQUEST);
        assert!(check(&view).is_err());
        sample::set(&mut view, TLS_FEATURE, false, STATUS_REQUEST);
        sample::remove(&mut view, AuthorityInfoAccessSyntax::OID);
        assert!(check(&view).is_err());
        let mut view = sample::of("sub-ca");
        sample::set(&mut view, TLS_FEATURE, false, STATUS_REQUEST);
        assert!(check(&view).is_err());
    }
}
