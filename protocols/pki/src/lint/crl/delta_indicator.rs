//! The base of a delta list is older than the list itself.

use x509_cert::ext::pkix::{BaseCrlNumber, CrlNumber};

use crate::lint::crl::magnitude;
use crate::lint::{CrlView, Rule, Severity};

pub(super) const RULE: Rule<CrlView> = Rule {
    name: "crl_delta_indicator",
    severity: Severity::Error,
    citation: "RFC 5280 §5.2.4",
    check,
};

fn check(view: &CrlView) -> Result<(), String> {
    let Some((_, BaseCrlNumber(base))) = view.extension::<BaseCrlNumber>() else {
        return Ok(());
    };
    let number = view.extension::<CrlNumber>().map(|(_, number)| number.0);
    let number = number
        .as_ref()
        .map(|number| magnitude(number.as_bytes()))
        .unwrap_or_default();
    let base = magnitude(base.as_bytes());
    if (base.len(), base) < (number.len(), number) {
        Ok(())
    } else {
        Err("the base of the delta list is not older than the list".to_owned())
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
    fn the_base_is_older() {
        let mut view = sample::full();
        assert_eq!(check(&view), Ok(()));
        sample::set(&mut view, BaseCrlNumber::OID, true, &[0x02, 0x01, 0x06]);
        assert_eq!(check(&view), Ok(()));
        sample::set(&mut view, BaseCrlNumber::OID, true, &[0x02, 0x01, 0x07]);
        assert!(check(&view).is_err());
    }
}
