//! Times through the year 2049 are UTCTime, later ones GeneralizedTime.

use crate::lint::{CertificateView, Rule, Severity};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "validity_encoding",
    severity: Severity::Error,
    citation: "RFC 5280 §4.1.2.5",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    let wrong = [("notBefore", view.not_before), ("notAfter", view.not_after)]
        .into_iter()
        .find(|(_, time)| !time.is_of_right_type());
    wrong.map_or(Ok(()), |(field, time)| {
        Err(format!("{field} {} is written as {}", time.at, time.tag))
    })
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops at the first surprise"
    )]

    use der::Tag;

    use super::*;
    use crate::lint::certificate::sample;

    #[test]
    fn the_year_2050_divides_the_types() {
        let mut view = sample::leaf();
        assert_eq!(check(&view), Ok(()));
        view.not_after.tag = Tag::GeneralizedTime;
        assert!(check(&view).is_err());
        view.not_after.at = "2050-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(check(&view), Ok(()));
        view.not_after.tag = Tag::UtcTime;
        assert!(check(&view).is_err());
        view.not_after.at = "2049-12-31T23:59:59Z".parse().unwrap();
        assert_eq!(check(&view), Ok(()));
    }
}
