//! A certificate ends after it begins, and has not ended before it is signed.

use crate::lint::{CertificateView, Rule, Severity};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "validity_order",
    severity: Severity::Error,
    citation: "RFC 5280 §4.1.2.5",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    if view.not_after.at < view.not_before.at {
        return Err(format!(
            "notAfter {} lies before notBefore {}",
            view.not_after.at, view.not_before.at
        ));
    }
    if view.not_after.at <= view.now {
        return Err(format!("notAfter {} has passed already", view.not_after.at));
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
    fn backward_and_past_validities_are_found() {
        let mut view = sample::leaf();
        assert_eq!(check(&view), Ok(()));
        view.now = view.not_after.at;
        assert!(check(&view).is_err());
        let mut view = sample::leaf();
        std::mem::swap(&mut view.not_before, &mut view.not_after);
        assert!(check(&view).is_err());
    }
}
