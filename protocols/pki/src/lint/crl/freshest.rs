//! A delta list does not point at a newer delta: only full lists have a freshest CRL.

use const_oid::AssociatedOid as _;
use x509_cert::ext::pkix::{BaseCrlNumber, FreshestCrl};

use crate::lint::{CrlView, Rule, Severity};

pub(super) const RULE: Rule<CrlView> = Rule {
    name: "crl_freshest",
    severity: Severity::Error,
    citation: "RFC 5280 §5.2.6",
    check,
};

fn check(view: &CrlView) -> Result<(), String> {
    let is_delta = view.raw(BaseCrlNumber::OID).is_some();
    if is_delta && view.raw(FreshestCrl::OID).is_some() {
        return Err("a delta list has a freshest CRL".to_owned());
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
    fn only_a_full_list_has_one() {
        let mut view = sample::full();
        sample::set(&mut view, FreshestCrl::OID, false, &[0x30, 0x00]);
        assert_eq!(check(&view), Ok(()));
        sample::set(&mut view, BaseCrlNumber::OID, true, &[0x02, 0x01, 0x06]);
        assert!(check(&view).is_err());
    }
}
