//! A status is known before it is signed.

use pki::lint::{Rule, Severity};

use crate::lint::View;

pub(super) const RULE: Rule<View> = Rule {
    name: "ocsp_this_update_not_after_produced",
    severity: Severity::Error,
    citation: "RFC 6960 §2.4",
    check,
};

fn check(view: &View) -> Result<(), String> {
    match view
        .data
        .statuses
        .iter()
        .find(|status| status.this_update > view.data.produced_at)
    {
        Some(status) => Err(format!("thisUpdate {} is after producedAt", status.this_update)),
        None => Ok(()),
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
        view.data.statuses[0].this_update = sample::after(view.data.produced_at, 1);
        assert!((RULE.check)(&view).is_err());
    }
}
