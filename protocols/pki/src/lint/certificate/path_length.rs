//! A path length is for authorities only, and an authority gets less than its issuer has.

use x509_cert::ext::pkix::BasicConstraints;

use crate::lint::{CertificateView, Rule, Severity};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "path_length",
    severity: Severity::Error,
    citation: "RFC 5280 §4.2.1.9, §6.1.4 (l)",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    let Some((_, constraints)) = view.extension::<BasicConstraints>() else {
        return Ok(());
    };
    if !constraints.ca {
        return match constraints.path_len_constraint {
            Some(length) => Err(format!("an end entity has the path length {length}")),
            None => Ok(()),
        };
    }
    match (view.signer.path_length, constraints.path_len_constraint) {
        _ if view.is_self_signed() => Ok(()),
        (None, _) => Ok(()),
        (Some(0), _) => Err("the issuer's path length allows no authority below it".to_owned()),
        (Some(above), Some(length)) if length < above => Ok(()),
        (Some(above), length) => Err(format!(
            "the path length {length:?} is not below the issuer's {above}"
        )),
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

    #[test]
    fn path_lengths_shrink_on_the_way_down() {
        let mut view = sample::of("sub-ca");
        assert_eq!(check(&view), Ok(()));
        view.signer.path_length = Some(1);
        assert_eq!(check(&view), Ok(()));
        view.signer.path_length = Some(0);
        assert!(check(&view).is_err());
        view.signer.path_length = Some(1);
        sample::set(
            &mut view,
            BasicConstraints::OID,
            true,
            &[0x30, 0x06, 0x01, 0x01, 0xff, 0x02, 0x01, 0x01],
        );
        assert!(check(&view).is_err());
        sample::set(
            &mut view,
            BasicConstraints::OID,
            true,
            &[0x30, 0x03, 0x01, 0x01, 0xff],
        );
        assert!(check(&view).is_err());
    }

    #[test]
    fn an_end_entity_has_none() {
        let mut view = sample::leaf();
        assert_eq!(check(&view), Ok(()));
        sample::set(
            &mut view,
            BasicConstraints::OID,
            true,
            &[0x30, 0x03, 0x02, 0x01, 0x00],
        );
        assert!(check(&view).is_err());
    }
}
