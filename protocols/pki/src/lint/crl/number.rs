//! The CRL number is there, has at most 20 octets, and is greater than the last one of the scope.

use x509_cert::ext::pkix::CrlNumber;

use crate::lint::crl::magnitude;
use crate::lint::{CrlView, Rule, Severity};

pub(super) const RULE: Rule<CrlView> = Rule {
    name: "crl_number",
    severity: Severity::Error,
    citation: "RFC 5280 §5.2.3",
    check,
};

fn check(view: &CrlView) -> Result<(), String> {
    let Some((_, CrlNumber(number))) = view.extension::<CrlNumber>() else {
        return Err("the CRL number is missing".to_owned());
    };
    let number = magnitude(number.as_bytes());
    if number.len() > 20 || (number.len() == 20 && number.first().is_some_and(|first| first & 0x80 != 0)) {
        return Err("the CRL number has more than 20 octets".to_owned());
    }
    let Some(previous) = view.previous_number else {
        return Ok(());
    };
    let octets = previous.to_be_bytes();
    let octets = magnitude(&octets);
    if (number.len(), number) > (octets.len(), octets) {
        Ok(())
    } else {
        Err(format!(
            "the CRL number is not greater than the last one, {previous}"
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

    use const_oid::AssociatedOid;

    use super::*;
    use crate::lint::crl::sample;

    #[test]
    fn numbers_rise() {
        let mut view = sample::full();
        assert_eq!(check(&view), Ok(()));
        for (previous, is_right) in [(6, true), (0, true), (7, false), (8, false), (256, false)] {
            view.previous_number = Some(previous);
            assert_eq!(check(&view).is_ok(), is_right, "{previous:?}");
        }
    }

    #[test]
    fn missing_and_overlong_numbers_are_found() {
        let mut view = sample::full();
        sample::set(
            &mut view,
            CrlNumber::OID,
            false,
            &[&[0x02, 0x15, 0x00][..], &[0xff; 20]].concat(),
        );
        assert!(check(&view).is_err());
        sample::remove(&mut view, CrlNumber::OID);
        assert!(check(&view).is_err());
    }
}
