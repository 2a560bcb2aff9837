//! An entry has a reason code and an invalidity date at most, neither critical, each well formed and once.

use crate::lint::crl_view::EntryView;
use crate::lint::{CrlView, Rule, Severity};

pub(super) const RULE: Rule<CrlView> = Rule {
    name: "crl_entry_extensions",
    severity: Severity::Error,
    citation: "RFC 5280 §5.3",
    check,
};

pub(super) const ENTRY_RULE: Rule<EntryView> = RULE.of_each(check_entry);

fn check(view: &CrlView) -> Result<(), String> {
    view.entries().iter().try_for_each(check_entry)
}

fn check_entry(entry: &EntryView) -> Result<(), String> {
    entry.fault.as_ref().map_or(Ok(()), |fault| {
        Err(format!("the entry {:02x?} has {fault}", entry.serial))
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
    fn a_faulty_entry_is_found() {
        let mut view = sample::full();
        assert_eq!(check(&view), Ok(()));
        view.entries.as_mut().unwrap()[0].fault = Some("an unknown extension".to_owned());
        assert!(check(&view).is_err());
    }
}
