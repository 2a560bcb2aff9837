//! Nothing on the list was revoked after the list was made.

use crate::lint::{CrlView, Rule, Severity};

pub(super) const RULE: Rule<CrlView> = Rule {
    name: "crl_entry_dates",
    severity: Severity::Error,
    citation: "RFC 5280 §5.1.2.6",
    check,
};

fn check(view: &CrlView) -> Result<(), String> {
    let wrong = view
        .entries()
        .iter()
        .find(|entry| entry.revoked_at.at > view.this_update.at);
    wrong.map_or(Ok(()), |entry| {
        Err(format!(
            "an entry was revoked at {}, after thisUpdate {}",
            entry.revoked_at.at, view.this_update.at
        ))
    })
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
    fn a_revocation_in_the_future_is_found() {
        let mut view = sample::full();
        assert_eq!(check(&view), Ok(()));
        view.entries.as_mut().unwrap()[0].revoked_at = view.next_update.unwrap();
        assert!(check(&view).is_err());
    }
}
