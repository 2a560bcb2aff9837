//! A status is good for some time: nextUpdate is later than thisUpdate.

use pki::lint::{Rule, Severity};

use crate::lint::View;
use crate::status::SingleStatus;

pub(super) const RULE: Rule<View> = Rule {
    name: "ocsp_next_update_after_this_update",
    severity: Severity::Error,
    citation: "RFC 6960 §4.2.2.1",
    check,
};

fn check(view: &View) -> Result<(), String> {
    let is_empty = |status: &&SingleStatus| status.next_update.is_some_and(|next| next <= status.this_update);
    match view.data.statuses.iter().find(is_empty) {
        Some(status) => Err(format!(
            "nextUpdate is not after thisUpdate {}",
            status.this_update
        )),
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
        view.data.statuses[0].next_update = Some(view.data.statuses[0].this_update);
        assert!((RULE.check)(&view).is_err());
    }
}
