//! The subject's key can be read and is not weak: right curve, point on it, modulus long enough, not one of the broken
//! families. The key type decides; this rule repeats its word.

use crate::lint::{CertificateView, Rule, Severity};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "subject_key",
    severity: Severity::Error,
    citation: "RFC 5280 §4.1.2.7",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    view.key
        .as_ref()
        .map(|_| ())
        .map_err(|fault| format!("the subject's public key cannot be used: {fault}"))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops at the first surprise"
    )]

    use crate::PublicKey;

    use super::*;
    use crate::lint::certificate::sample;

    #[test]
    fn a_key_that_cannot_be_read_is_found() {
        let mut view = sample::leaf();
        assert_eq!(check(&view), Ok(()));
        view.key = PublicKey::from_spki_der(&[0x30, 0x00]).map_err(|fault| fault.to_string());
        assert!(check(&view).is_err());
    }
}
