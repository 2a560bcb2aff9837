//! Entries stand in rising order of serial number, each serial once. The order is our own promise, which lets a list be kept
//! and searched without sorting it again; the once is everybody's.

use crate::lint::crl::magnitude;
use crate::lint::{CrlView, Rule, Severity};

pub(super) const RULE: Rule<CrlView> = Rule {
    name: "crl_entries_sorted",
    severity: Severity::Error,
    citation: "RFC 5280 §5.3",
    check,
};

fn check(view: &CrlView) -> Result<(), String> {
    let key = |serial: &'_ [u8]| (magnitude(serial).len(), magnitude(serial).to_vec());
    let mut last: Option<&[u8]> = None;
    for entry in view.entries() {
        if let Some(last) = last {
            let (a, b) = (magnitude(last), magnitude(&entry.serial));
            match (a.len(), a).cmp(&(b.len(), b)) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => {
                    return Err(format!("the serial number {:02x?} stands twice", key(last).1));
                }
                std::cmp::Ordering::Greater => {
                    return Err("the entries are not in rising order of serial number".to_owned());
                }
            }
        }
        last = Some(&entry.serial);
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
    fn repeated_and_unsorted_entries_are_found() {
        let good = sample::full();
        assert_eq!(check(&good), Ok(()));
        let mut view = good.clone();
        view.entries.as_mut().unwrap().reverse();
        assert!(check(&view).is_err());
        let mut view = good;
        let entries = view.entries.as_mut().unwrap();
        entries.insert(0, entries[0].clone());
        assert!(check(&view).is_err());
    }
}
