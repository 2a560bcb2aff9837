//! A certificate has each extension at most once.

use crate::lint::{CertificateView, Rule, Severity};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "extension_repeats",
    severity: Severity::Error,
    citation: "RFC 5280 §4.2",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    let oids: Vec<_> = view
        .extensions
        .iter()
        .map(|extension| extension.extn_id)
        .collect();
    let repeated = oids
        .iter()
        .enumerate()
        .find(|(index, oid)| oids.iter().skip(index + 1).any(|other| other == *oid));
    repeated.map_or(Ok(()), |(_, oid)| {
        Err(format!("the extension {oid} stands twice"))
    })
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops at the first surprise"
    )]

    use super::*;
    use crate::lint::certificate::sample;

    #[test]
    fn a_repeated_extension_is_found() {
        let mut view = sample::leaf();
        assert_eq!(check(&view), Ok(()));
        view.extensions.push(view.extensions[0].clone());
        assert!(check(&view).is_err());
    }
}
