//! A revocation that is reported has happened. A clock set back shows here.

use pki::lint::{Rule, Severity};

use crate::lint::View;
use crate::status::CertStatus;

pub(super) const RULE: Rule<View> = Rule {
    name: "ocsp_revoked_before_produced",
    severity: Severity::Warning,
    citation: "RFC 6960 §4.2.1",
    check,
};

fn check(view: &View) -> Result<(), String> {
    for status in &view.data.statuses {
        match status.status {
            CertStatus::Revoked { at, .. } if at > view.data.produced_at => {
                return Err(format!("revocationTime {at} is after producedAt"));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::sample;
    use crate::status::CertStatus;
    #[test]
    fn passes() {
        assert_eq!((RULE.check)(&sample::view()), Ok(()));
    }

    #[test]
    fn fails() {
        let mut view = sample::view();
        let at = sample::after(view.data.produced_at, 1);
        view.data.statuses[1].status = CertStatus::Revoked { at, reason: None };
        assert!((RULE.check)(&view).is_err());
    }
}
