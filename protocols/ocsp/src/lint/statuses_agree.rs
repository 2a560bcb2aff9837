//! One certificate has one status: no CertID appears with two different statuses.

use pki::lint::{Rule, Severity};

use crate::lint::View;

pub(super) const RULE: Rule<View> = Rule {
    name: "ocsp_statuses_agree",
    severity: Severity::Error,
    citation: "RFC 6960 §2.2",
    check,
};

fn check(view: &View) -> Result<(), String> {
    let statuses = &view.data.statuses;
    let contradiction = statuses.iter().enumerate().find(|(index, one)| {
        statuses
            .iter()
            .skip(index + 1)
            .any(|other| other.cert_id.names_same_certificate(&one.cert_id) && other.status != one.status)
    });
    match contradiction {
        Some((_, one)) => Err(format!("serial {} has two statuses", one.cert_id.serial())),
        None => Ok(()),
    }
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

    /// A client that asks twice for the same certificate gets the same answer twice.
    #[test]
    fn passes_a_repeated_status() {
        let mut view = sample::view();
        view.data.statuses.push(view.data.statuses[0].clone());
        assert_eq!((RULE.check)(&view), Ok(()));
    }

    #[test]
    fn fails() {
        let mut view = sample::view();
        let mut other = view.data.statuses[0].clone();
        other.status = CertStatus::Unknown;
        view.data.statuses.push(other);
        assert!((RULE.check)(&view).is_err());
    }
}
