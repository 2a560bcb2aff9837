//! The responder names itself by its key, which is shorter than by its name.

use pki::lint::{Rule, Severity};

use crate::lint::View;
use crate::response_data::ResponderId;

pub(super) const RULE: Rule<View> = Rule {
    name: "ocsp_responder_by_key",
    severity: Severity::Error,
    citation: "RFC 9919 §3.2.2",
    check,
};

fn check(view: &View) -> Result<(), String> {
    match view.data.responder_id {
        ResponderId::ByKey(_) => Ok(()),
        ResponderId::ByName(_) => Err("the responder is named by its subject".to_owned()),
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
        view.data.responder_id = ResponderId::ByName(vec![0x30, 0x00]);
        assert!((RULE.check)(&view).is_err());
    }
}
