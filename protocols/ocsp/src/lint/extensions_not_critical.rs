//! No extension of a response is critical: a client that does not know one may ignore it.

use pki::lint::{Rule, Severity};

use crate::lint::View;

pub(super) const RULE: Rule<View> = Rule {
    name: "ocsp_extensions_not_critical",
    severity: Severity::Warning,
    citation: "RFC 6960 §4.4",
    check,
};

fn check(view: &View) -> Result<(), String> {
    match view.data.extensions.iter().find(|extension| extension.critical) {
        Some(extension) => Err(format!("extension {} is critical", extension.oid)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::sample;
    use crate::response_data::Extension;
    #[test]
    fn passes() {
        assert_eq!((RULE.check)(&sample::view()), Ok(()));
    }

    #[test]
    fn fails() {
        let mut view = sample::view();
        view.data.extensions = vec![Extension {
            critical: true,
            ..Extension::extended_revoke()
        }];
        assert!((RULE.check)(&view).is_err());
    }
}
