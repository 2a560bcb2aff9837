//! Conforming authorities do not write unique identifiers.

use crate::lint::{CertificateView, Rule, Severity};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "unique_identifiers",
    severity: Severity::Error,
    citation: "RFC 5280 §4.1.2.8",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    if view.has_unique_ids {
        Err("the certificate has a unique identifier".to_owned())
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
    fn unique_identifiers_are_found() {
        let mut view = sample::leaf();
        assert_eq!(check(&view), Ok(()));
        view.has_unique_ids = true;
        assert!(check(&view).is_err());
    }
}
