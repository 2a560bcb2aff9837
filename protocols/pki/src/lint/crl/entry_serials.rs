//! Serial numbers of entries are positive and have at most 20 octets, as the certificates they stand for.

use crate::lint::crl_view::EntryView;
use crate::lint::{CrlView, Rule, Severity};

pub(super) const RULE: Rule<CrlView> = Rule {
    name: "crl_entry_serials",
    severity: Severity::Error,
    citation: "RFC 5280 §5.1.2.6",
    check,
};

pub(super) const ENTRY_RULE: Rule<EntryView> = RULE.of_each(check_entry);

fn check(view: &CrlView) -> Result<(), String> {
    view.entries().iter().try_for_each(check_entry)
}

fn check_entry(entry: &EntryView) -> Result<(), String> {
    let serial = &entry.serial;
    if serial.len() > 20
        || serial.first().is_none_or(|first| first & 0x80 != 0)
        || serial.iter().all(|octet| *octet == 0)
    {
        return Err(format!("{serial:02x?} is not a serial number"));
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
    use crate::lint::crl::sample;

    #[test]
    fn zero_negative_and_overlong_serials_are_found() {
        let mut view = sample::full();
        assert_eq!(check(&view), Ok(()));
        for serial in [vec![], vec![0x00], vec![0x80], vec![0x01; 21]] {
            view.entries.as_mut().unwrap()[0].serial = serial.clone().into();
            assert!(check(&view).is_err(), "{serial:?}");
        }
    }
}
