//! nextUpdate is there and lies after thisUpdate and after now; thisUpdate does not lie in the future.

use crate::lint::{CrlView, Rule, Severity};

pub(super) const RULE: Rule<CrlView> = Rule {
    name: "crl_updates",
    severity: Severity::Error,
    citation: "RFC 5280 §5.1.2.4, §5.1.2.5",
    check,
};

fn check(view: &CrlView) -> Result<(), String> {
    let Some(next_update) = view.next_update else {
        return Err("nextUpdate is missing".to_owned());
    };
    if next_update.at <= view.this_update.at {
        Err(format!(
            "nextUpdate {} does not lie after thisUpdate {}",
            next_update.at, view.this_update.at
        ))
    } else if next_update.at <= view.now {
        Err(format!("nextUpdate {} has passed already", next_update.at))
    } else if view.this_update.at > view.now {
        Err(format!("thisUpdate {} lies in the future", view.this_update.at))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops at the first surprise"
    )]

    use jiff::SignedDuration;

    use super::*;
    use crate::lint::crl::sample;

    #[test]
    fn the_updates_frame_the_present() {
        let good = sample::full();
        assert_eq!(check(&good), Ok(()));
        let mut view = good.clone();
        view.next_update = None;
        assert!(check(&view).is_err());
        let mut view = good.clone();
        view.next_update = Some(view.this_update);
        assert!(check(&view).is_err());
        let mut view = good.clone();
        view.now = view.next_update.unwrap().at;
        assert!(check(&view).is_err());
        let mut view = good;
        view.now = view.this_update.at - SignedDuration::from_secs(1);
        assert!(check(&view).is_err());
    }
}
