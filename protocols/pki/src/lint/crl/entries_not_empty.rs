//! When nothing is revoked the list of entries is absent, not empty.

use crate::lint::{CrlView, Rule, Severity};

pub(super) const RULE: Rule<CrlView> = Rule {
    name: "crl_entries_not_empty",
    severity: Severity::Error,
    citation: "RFC 5280 §5.1.2.6",
    check,
};

fn check(view: &CrlView) -> Result<(), String> {
    if view.entries.as_ref().is_some_and(Vec::is_empty) {
        Err("the list of entries is there but empty".to_owned())
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
    use crate::lint::crl::sample;

    #[test]
    fn an_empty_list_of_entries_is_found() {
        let mut view = sample::full();
        assert_eq!(check(&view), Ok(()));
        view.entries = None;
        assert_eq!(check(&view), Ok(()));
        view.entries = Some(Vec::new());
        assert!(check(&view).is_err());
    }
}
