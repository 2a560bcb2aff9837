//! A responder that answers `revoked` for serials never issued says so in every response where it does.
//!
//! Such a status is told by its fixed form: on hold since the first second of 1970.

use const_oid::db::rfc6960::ID_PKIX_OCSP_EXTENDED_REVOKE;
use jiff::Timestamp;
use pki::crl::RevocationReason;
use pki::lint::{Rule, Severity};

use crate::lint::View;
use crate::status::{CertStatus, SingleStatus};

pub(super) const RULE: Rule<View> = Rule {
    name: "ocsp_extended_revoke_declared",
    severity: Severity::Error,
    citation: "RFC 6960 §2.2",
    check,
};

fn check(view: &View) -> Result<(), String> {
    let is_never_issued = |status: &SingleStatus| {
        status.status
            == CertStatus::Revoked {
                at: Timestamp::UNIX_EPOCH,
                reason: Some(RevocationReason::CertificateHold),
            }
    };
    let is_declared = view
        .data
        .extensions
        .iter()
        .any(|extension| extension.oid == ID_PKIX_OCSP_EXTENDED_REVOKE);
    if is_declared || !view.data.statuses.iter().any(is_never_issued) {
        Ok(())
    } else {
        Err("a serial never issued is revoked without the extended revoked definition".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::View;
    use crate::lint::sample;
    use crate::response_data::Extension;
    use crate::status::CertStatus;
    use jiff::Timestamp;
    use pki::crl::RevocationReason;
    #[test]
    fn passes() {
        assert_eq!((RULE.check)(&sample::view()), Ok(()));
    }

    fn never_issued() -> View {
        let mut view = sample::view();
        let reason = Some(RevocationReason::CertificateHold);
        view.data.statuses[0].status = CertStatus::Revoked {
            at: Timestamp::UNIX_EPOCH,
            reason,
        };
        view
    }

    #[test]
    fn passes_when_declared() {
        let mut view = never_issued();
        view.data.extensions.push(Extension::extended_revoke());
        assert_eq!((RULE.check)(&view), Ok(()));
    }

    #[test]
    fn fails() {
        assert!((RULE.check)(&never_issued()).is_err());
    }
}
