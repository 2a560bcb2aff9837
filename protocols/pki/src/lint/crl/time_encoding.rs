//! Times through the year 2049 are UTCTime, later ones GeneralizedTime, in the list and in its entries.

use crate::lint::crl_view::EntryView;
use crate::lint::time_field::TimeField;
use crate::lint::{CrlView, Rule, Severity};

pub(super) const RULE: Rule<CrlView> = Rule {
    name: "crl_time_encoding",
    severity: Severity::Error,
    citation: "RFC 5280 §5.1.2.4, §5.1.2.5, §5.1.2.6",
    check,
};

pub(super) const ENTRY_RULE: Rule<EntryView> = RULE.of_each(check_entry);

fn check(view: &CrlView) -> Result<(), String> {
    std::iter::once(view.this_update)
        .chain(view.next_update)
        .try_for_each(check_time)?;
    view.entries().iter().try_for_each(check_entry)
}

fn check_entry(entry: &EntryView) -> Result<(), String> {
    check_time(entry.revoked_at)
}

fn check_time(time: TimeField) -> Result<(), String> {
    if time.is_of_right_type() {
        return Ok(());
    }
    Err(format!("the time {} is written as {}", time.at, time.tag))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops at the first surprise"
    )]

    use der::Tag;

    use super::*;
    use crate::lint::crl::sample;

    #[test]
    fn every_time_has_its_type() {
        let good = sample::full();
        assert_eq!(check(&good), Ok(()));
        let mut view = good.clone();
        view.this_update.tag = Tag::GeneralizedTime;
        assert!(check(&view).is_err());
        let mut view = good.clone();
        view.next_update.as_mut().unwrap().tag = Tag::GeneralizedTime;
        assert!(check(&view).is_err());
        let mut view = good;
        view.entries.as_mut().unwrap()[0].revoked_at.at = "2050-01-01T00:00:00Z".parse().unwrap();
        assert!(check(&view).is_err());
    }
}
