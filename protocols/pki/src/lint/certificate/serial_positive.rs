//! Serial numbers are positive integers: neither negative nor zero.

use crate::lint::{CertificateView, Rule, Severity};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "serial_positive",
    severity: Severity::Error,
    citation: "RFC 5280 §4.1.2.2",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    match view.serial.first() {
        Some(first) if first & 0x80 != 0 => Err("the serial number is negative".to_owned()),
        _ if view.serial.iter().all(|octet| *octet == 0) => Err("the serial number is zero".to_owned()),
        _ => Ok(()),
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
    use crate::lint::certificate::sample;

    #[test]
    fn zero_and_negative_serials_are_found() {
        let mut view = sample::leaf();
        assert_eq!(check(&view), Ok(()));
        for serial in [vec![], vec![0x00], vec![0x80], vec![0xff, 0x01]] {
            view.serial = serial;
            assert!(check(&view).is_err(), "{:?}", view.serial);
        }
        view.serial = vec![0x00, 0x80];
        assert_eq!(check(&view), Ok(()));
    }
}
