//! A wildcard is the whole left-most label of a DNS name with at least two labels after it, and nothing else.

use x509_cert::ext::pkix::name::GeneralName;

use crate::lint::{CertificateView, Rule, Severity};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "name_wildcard",
    severity: Severity::Error,
    citation: "RFC 9525 §6.3",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    view.names().iter().try_for_each(|name| match name {
        GeneralName::DnsName(text) if text.as_str().contains('*') && !is_wildcard(text.as_str()) => {
            Err(format!("`{}` has its wildcard in the wrong place", text.as_str()))
        }
        _ => Ok(()),
    })
}

fn is_wildcard(text: &str) -> bool {
    text.strip_prefix("*.")
        .is_some_and(|rest| !rest.contains('*') && rest.contains('.'))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops at the first surprise"
    )]

    use der::asn1::Ia5String;

    use super::*;
    use crate::lint::certificate::sample;

    #[test]
    fn only_a_whole_leftmost_label_passes() {
        for (text, is_right) in [
            ("*.example.com", true),
            ("www.example.com", true),
            ("www.*.com", false),
            ("w*.example.com", false),
            ("*.*.example.com", false),
            ("*.com", false),
            ("*", false),
        ] {
            let mut view = sample::leaf();
            sample::set_names(
                &mut view,
                vec![GeneralName::DnsName(Ia5String::new(text).unwrap())],
            );
            assert_eq!(check(&view).is_ok(), is_right, "{text}");
        }
    }
}
