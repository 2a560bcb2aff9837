//! Only the CA itself, or a certificate with the extended key usage id-kp-OCSPSigning, may sign.

use pki::lint::{Rule, Severity};

use crate::lint::View;

pub(super) const RULE: Rule<View> = Rule {
    name: "ocsp_responder_authorised",
    severity: Severity::Error,
    citation: "RFC 6960 §4.2.2.2",
    check,
};

fn check(view: &View) -> Result<(), String> {
    if view.responder.is_authorised {
        Ok(())
    } else {
        Err("the signer is neither the CA nor a certificate for OCSP signing".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::sample;

    #[test]
    fn passes() {
        assert_eq!((RULE.check)(&sample::view()), Ok(()));
    }

    #[test]
    fn fails() {
        let mut view = sample::view();
        view.responder.is_authorised = false;
        assert!((RULE.check)(&view).is_err());
    }
}
