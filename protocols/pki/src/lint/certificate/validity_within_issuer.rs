//! A certificate does not outlive its issuer's: after that no path to it is valid.
//!
//! notBefore may lie before the issuer's only by accident; the builder never does that, so it is refused as well.

use crate::lint::{CertificateView, Rule, Severity};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "validity_within_issuer",
    severity: Severity::Error,
    citation: "RFC 5280 §6.1.3 (a)(2)",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    if view.not_after.at > view.signer.not_after {
        return Err(format!(
            "notAfter {} lies after the issuer's own {}",
            view.not_after.at, view.signer.not_after
        ));
    }
    if view.not_before.at < view.signer.not_before {
        return Err(format!(
            "notBefore {} lies before the issuer's own {}",
            view.not_before.at, view.signer.not_before
        ));
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
    use crate::lint::certificate::sample;

    #[test]
    fn a_second_beyond_the_issuer_is_found() {
        let mut view = sample::leaf();
        assert_eq!(check(&view), Ok(()));
        view.signer.not_after = view.not_after.at;
        assert_eq!(check(&view), Ok(()));
        view.signer.not_after -= jiff::SignedDuration::from_secs(1);
        assert!(check(&view).is_err());
        let mut view = sample::leaf();
        view.signer.not_before = view.not_before.at + jiff::SignedDuration::from_secs(1);
        assert!(check(&view).is_err());
    }
}
