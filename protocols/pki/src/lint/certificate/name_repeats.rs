//! Each subject alternative name stands once; a second time only makes the certificate larger.

use crate::lint::{CertificateView, Rule, Severity};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "name_repeats",
    severity: Severity::Warning,
    citation: "RFC 5280 §4.2.1.6",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    let names = view.names();
    let repeated = names
        .iter()
        .enumerate()
        .find(|(index, name)| names.iter().skip(index + 1).any(|other| other == *name));
    repeated.map_or(Ok(()), |(index, _)| {
        Err(format!(
            "the subject alternative name number {} stands again",
            index + 1
        ))
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
    fn a_repeated_name_is_found() {
        let mut view = sample::leaf();
        assert_eq!(check(&view), Ok(()));
        let mut names = view.names().clone();
        names.push(names[0].clone());
        sample::set_names(&mut view, names);
        assert!(check(&view).is_err());
    }
}
