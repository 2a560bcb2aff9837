//! Reason codes are those of the standard; unspecified is said by leaving the code out, and removeFromCRL stands in delta
//! lists only.

use x509_cert::ext::pkix::BaseCrlNumber;

use crate::lint::crl_view::EntryView;
use crate::lint::{CrlView, Rule, Severity};

pub(super) const RULE: Rule<CrlView> = Rule {
    name: "crl_entry_reasons",
    severity: Severity::Error,
    citation: "RFC 5280 §5.3.1",
    check,
};

/// removeFromCRL: which lists may have it is the list's matter.
pub(super) const ENTRY_RULE: Rule<EntryView> = RULE.of_each(check_entry);

pub(crate) const REMOVE_FROM_CRL: u8 = 8;

fn check(view: &CrlView) -> Result<(), String> {
    view.entries().iter().try_for_each(check_entry)?;
    let is_delta = view.extension::<BaseCrlNumber>().is_some();
    let is_removal = |entry: &EntryView| entry.reason == Some(REMOVE_FROM_CRL);
    if !is_delta && view.entries().iter().any(is_removal) {
        return Err("removeFromCRL stands in a list that is not a delta".to_owned());
    }
    Ok(())
}

fn check_entry(entry: &EntryView) -> Result<(), String> {
    match entry.reason {
        Some(0) => Err("an entry has the reason unspecified, which must be left out".to_owned()),
        None | Some(1..=6 | 8..=10) => Ok(()),
        Some(other) => Err(format!("{other} is not a reason code")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops at the first surprise"
    )]

    use const_oid::AssociatedOid;

    use super::*;
    use crate::lint::crl::sample;

    #[test]
    fn only_legal_reasons_pass() {
        let mut view = sample::full();
        assert_eq!(check(&view), Ok(()));
        for reason in 0..=12 {
            view.entries.as_mut().unwrap()[0].reason = Some(reason);
            assert_eq!(check(&view).is_ok(), matches!(reason, 1..=6 | 9 | 10), "{reason}");
        }
        view.entries.as_mut().unwrap()[0].reason = Some(REMOVE_FROM_CRL);
        sample::set(&mut view, BaseCrlNumber::OID, true, &[0x02, 0x01, 0x06]);
        assert_eq!(check(&view), Ok(()));
    }
}
