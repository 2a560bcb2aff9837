//! basicConstraints of an authority is there and critical; the CA flag and keyCertSign stand or fall together.

use x509_cert::ext::pkix::BasicConstraints;

use crate::lint::{CertificateView, Rule, Severity};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "basic_constraints",
    severity: Severity::Error,
    citation: "RFC 5280 §4.2.1.9",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    let constraints = view.extension::<BasicConstraints>();
    let signs = view.key_usage().is_some_and(|usage| usage.key_cert_sign());
    match constraints {
        Some((false, constraints)) if constraints.ca => {
            Err("basicConstraints of an authority is not critical".to_owned())
        }
        Some((_, constraints)) if constraints.ca && !signs => {
            Err("the CA flag is set, but keyCertSign is not".to_owned())
        }
        Some((_, constraints)) if !constraints.ca && signs => {
            Err("keyCertSign is set, but the CA flag is not".to_owned())
        }
        None if signs => Err("keyCertSign is set, but basicConstraints is missing".to_owned()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops at the first surprise"
    )]

    use const_oid::AssociatedOid;

    use super::*;
    use crate::lint::certificate::sample;

    const NOT_CA: &[u8] = &[0x30, 0x00];
    const CA: &[u8] = &[0x30, 0x03, 0x01, 0x01, 0xff];

    #[test]
    fn flag_and_usage_stand_or_fall_together() {
        for profile in ["tls-server", "sub-ca", "root"] {
            assert_eq!(check(&sample::of(profile)), Ok(()), "{profile}");
        }
        let mut view = sample::leaf();
        sample::set(&mut view, BasicConstraints::OID, true, CA);
        assert!(check(&view).is_err());
        let mut view = sample::of("sub-ca");
        sample::set(&mut view, BasicConstraints::OID, true, NOT_CA);
        assert!(check(&view).is_err());
        sample::remove(&mut view, BasicConstraints::OID);
        assert!(check(&view).is_err());
        let mut view = sample::of("sub-ca");
        sample::set(&mut view, BasicConstraints::OID, false, CA);
        assert!(check(&view).is_err());
    }
}
