//! Serial numbers have at most 20 octets, counted as they are encoded: with the leading zero of a value whose top bit is set.

use crate::lint::{CertificateView, Rule, Severity};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "serial_length",
    severity: Severity::Error,
    citation: "RFC 5280 §4.1.2.2",
    check,
};

/// The most octets of contents.
const LONGEST: usize = 20;

fn check(view: &CertificateView) -> Result<(), String> {
    let length = view.serial.len();
    if length > LONGEST {
        Err(format!(
            "the serial number has {length} octets, at most {LONGEST} are allowed"
        ))
    } else {
        Ok(())
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
    fn twenty_octets_pass_and_twenty_one_do_not() {
        let mut view = sample::leaf();
        assert_eq!(check(&view), Ok(()));
        view.serial = vec![0x7f; 20];
        assert_eq!(check(&view), Ok(()));
        view.serial = [vec![0x00], vec![0xff; 20]].concat();
        assert!(check(&view).is_err());
    }
}
