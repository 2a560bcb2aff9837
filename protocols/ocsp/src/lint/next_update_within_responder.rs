//! A response is not offered for longer than the certificate it is signed with is valid.
//!
//! A client that checks a cached response after the responder's certificate ended refuses it, so the response is
//! shorter-lived than it says.

use pki::lint::{Rule, Severity};

use crate::lint::View;

pub(super) const RULE: Rule<View> = Rule {
    name: "ocsp_next_update_within_responder",
    severity: Severity::Warning,
    citation: "RFC 6960 §4.2.2.2",
    check,
};

fn check(view: &View) -> Result<(), String> {
    let not_after = view.responder.not_after;
    if view
        .data
        .statuses
        .iter()
        .filter_map(|status| status.next_update)
        .any(|next| next > not_after)
    {
        Err(format!(
            "nextUpdate is later than the end of the signer's certificate, {not_after}"
        ))
    } else {
        Ok(())
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
        view.data.statuses[0].next_update = Some(sample::after(view.responder.not_after, 1));
        assert!((RULE.check)(&view).is_err());
    }
}
