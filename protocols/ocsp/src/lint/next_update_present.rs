//! nextUpdate is always there, for without it a response cannot be cached.

use pki::lint::{Rule, Severity};

use crate::lint::View;

pub(super) const RULE: Rule<View> = Rule {
    name: "ocsp_next_update_present",
    severity: Severity::Error,
    citation: "RFC 9919 §3.2.4",
    check,
};

fn check(view: &View) -> Result<(), String> {
    if view
        .data
        .statuses
        .iter()
        .all(|status| status.next_update.is_some())
    {
        Ok(())
    } else {
        Err("a status has no nextUpdate".to_owned())
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
        view.data.statuses[0].next_update = None;
        assert!((RULE.check)(&view).is_err());
    }
}
