//! removeFromCRL is a word of delta CRLs; a certificate taken off hold is `good` again.

use pki::crl::RevocationReason;
use pki::lint::{Rule, Severity};

use crate::lint::View;
use crate::status::{CertStatus, SingleStatus};

pub(super) const RULE: Rule<View> = Rule {
    name: "ocsp_reason_not_remove_from_crl",
    severity: Severity::Error,
    citation: "RFC 5280 §5.3.1",
    check,
};

fn check(view: &View) -> Result<(), String> {
    let has_reason = |status: &SingleStatus| {
        matches!(
            status.status,
            CertStatus::Revoked {
                reason: Some(RevocationReason::RemoveFromCrl),
                ..
            }
        )
    };
    if view.data.statuses.iter().any(has_reason) {
        Err("removeFromCRL is no reason for a revoked status".to_owned())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::sample;
    use crate::status::CertStatus;
    use pki::crl::RevocationReason;
    #[test]
    fn passes() {
        assert_eq!((RULE.check)(&sample::view()), Ok(()));
    }

    #[test]
    fn fails() {
        let mut view = sample::view();
        let at = view.data.produced_at;
        view.data.statuses[1].status = CertStatus::Revoked {
            at,
            reason: Some(RevocationReason::RemoveFromCrl),
        };
        assert!((RULE.check)(&view).is_err());
    }
}
