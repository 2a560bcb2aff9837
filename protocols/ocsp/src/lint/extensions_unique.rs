//! No extension appears twice.

use pki::lint::{Rule, Severity};

use crate::lint::View;

pub(super) const RULE: Rule<View> = Rule {
    name: "ocsp_extensions_unique",
    severity: Severity::Error,
    citation: "RFC 5280 §4.2",
    check,
};

fn check(view: &View) -> Result<(), String> {
    let extensions = &view.data.extensions;
    for (index, extension) in extensions.iter().enumerate() {
        if extensions
            .iter()
            .skip(index + 1)
            .any(|other| other.oid == extension.oid)
        {
            return Err(format!("extension {} appears twice", extension.oid));
        }
    }
    Ok(())
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
        view.data.extensions = vec![Extension::extended_revoke(), Extension::extended_revoke()];
        assert!((RULE.check)(&view).is_err());
    }
}
