//! A response says something: at least one SingleResponse.

use pki::lint::{Rule, Severity};

use crate::lint::View;

pub(super) const RULE: Rule<View> = Rule {
    name: "ocsp_has_status",
    severity: Severity::Error,
    citation: "RFC 6960 §4.2.1",
    check,
};

fn check(view: &View) -> Result<(), String> {
    if view.data.statuses.is_empty() {
        Err("the response has no status".to_owned())
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
        view.data.statuses.clear();
        assert!((RULE.check)(&view).is_err());
    }
}
