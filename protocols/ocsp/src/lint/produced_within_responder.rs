//! The signer's certificate is valid at producedAt.

use pki::lint::{Rule, Severity};

use crate::lint::View;

pub(super) const RULE: Rule<View> = Rule {
    name: "ocsp_produced_within_responder",
    severity: Severity::Error,
    citation: "RFC 6960 §4.2.2.2",
    check,
};

fn check(view: &View) -> Result<(), String> {
    let produced_at = view.data.produced_at;
    if view.responder.not_before <= produced_at && produced_at <= view.responder.not_after {
        Ok(())
    } else {
        Err(format!(
            "produced at {produced_at}, when the signer's certificate is not valid"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::sample;

    #[test]
    fn passes() {
        assert_eq!((RULE.check)(&sample::view()), Ok(()));
    }

    #[test]
    fn fails() {
        let mut view = sample::view();
        view.data.produced_at = sample::after(view.responder.not_after, 1);
        assert!((RULE.check)(&view).is_err());
    }

    #[test]
    fn fails_before_the_certificate() {
        let mut view = sample::view();
        view.data.produced_at = sample::after(view.responder.not_before, -1);
        assert!((RULE.check)(&view).is_err());
    }
}
