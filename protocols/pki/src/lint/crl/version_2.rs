//! A list with extensions is version 2, and every list made here has extensions.

use crate::lint::{CrlView, Rule, Severity};

pub(super) const RULE: Rule<CrlView> = Rule {
    name: "crl_version_2",
    severity: Severity::Error,
    citation: "RFC 5280 §5.1.2.1",
    check,
};

fn check(view: &CrlView) -> Result<(), String> {
    if view.version == Some(1) {
        Ok(())
    } else {
        Err(format!(
            "the version field is {:?}, not 1 (version 2)",
            view.version
        ))
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
    use crate::lint::crl::sample;

    #[test]
    fn only_version_2_passes() {
        let mut view = sample::full();
        assert_eq!(check(&view), Ok(()));
        for version in [None, Some(0), Some(2)] {
            view.version = version;
            assert!(check(&view).is_err(), "{version:?}");
        }
    }
}
