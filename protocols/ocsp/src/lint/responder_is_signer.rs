//! The responder named is the one whose key signs.

use pki::lint::{Rule, Severity};

use crate::lint::View;
use crate::response_data::ResponderId;

pub(super) const RULE: Rule<View> = Rule {
    name: "ocsp_responder_is_signer",
    severity: Severity::Error,
    citation: "RFC 6960 §4.2.2.3",
    check,
};

fn check(view: &View) -> Result<(), String> {
    match view.data.responder_id {
        ResponderId::ByKey(hash) if hash != view.responder.key_id => {
            Err("the responder named is not the signer".to_owned())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::sample;
    use crate::response_data::ResponderId;
    #[test]
    fn passes() {
        assert_eq!((RULE.check)(&sample::view()), Ok(()));
    }

    #[test]
    fn fails() {
        let mut view = sample::view();
        view.data.responder_id = ResponderId::ByKey([0; 20]);
        assert!((RULE.check)(&view).is_err());
    }
}
