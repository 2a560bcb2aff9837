//! A serial number has room for at least 64 random bits, so that nobody can foretell the bytes a CA will sign.
//!
//! One number cannot show how it was drawn; one that is too short shows that it was counted.

use crate::lint::{CertificateView, Rule, Severity};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "serial_entropy",
    severity: Severity::Error,
    citation: "CA/Browser Forum Baseline Requirements §7.1",
    check,
};

/// The fewest octets of value.
const SHORTEST: usize = 8;

fn check(view: &CertificateView) -> Result<(), String> {
    let octets = view.serial.iter().skip_while(|octet| **octet == 0).count();
    if octets < SHORTEST {
        Err(format!(
            "the serial number has {octets} octets, fewer than 64 random bits need"
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
    fn counted_serials_are_found() {
        let mut view = sample::leaf();
        assert_eq!(check(&view), Ok(()));
        view.serial = vec![0x01];
        assert!(check(&view).is_err());
        view.serial = [vec![0x00; 8], vec![0x01]].concat();
        assert!(check(&view).is_err());
        view.serial = vec![0x11; 8];
        assert_eq!(check(&view), Ok(()));
    }
}
