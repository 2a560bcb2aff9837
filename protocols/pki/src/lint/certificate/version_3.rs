//! A certificate with extensions is version 3, and every certificate made here has extensions.

use crate::lint::{CertificateView, Rule, Severity};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "version_3",
    severity: Severity::Error,
    citation: "RFC 5280 §4.1.2.1",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    match view.version {
        Some(2) => Ok(()),
        Some(other) => Err(format!("the version field is {other}, not 2 (version 3)")),
        None => Err("the version field is absent, which means version 1".to_owned()),
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
    fn only_version_3_passes() {
        let mut view = sample::leaf();
        assert_eq!(check(&view), Ok(()));
        for version in [None, Some(0), Some(1), Some(3)] {
            view.version = version;
            assert!(check(&view).is_err(), "{version:?}");
        }
    }
}
