//! authorityKeyIdentifier holds the issuer's subjectKeyIdentifier and is not critical; only a self-signed certificate may
//! go without.

use x509_cert::ext::pkix::AuthorityKeyIdentifier;

use crate::lint::{CertificateView, Rule, Severity};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "authority_key_id",
    severity: Severity::Error,
    citation: "RFC 5280 §4.2.1.1",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    match view.extension::<AuthorityKeyIdentifier>() {
        None if view.is_self_signed() => Ok(()),
        None => Err("authorityKeyIdentifier is missing".to_owned()),
        Some((true, _)) => Err("authorityKeyIdentifier is critical".to_owned()),
        Some((false, id)) => match id.key_identifier {
            None => Err("authorityKeyIdentifier has no keyIdentifier".to_owned()),
            Some(key_id) if key_id.as_bytes() == view.signer.key_id => Ok(()),
            Some(_) => Err("authorityKeyIdentifier is not the issuer's subjectKeyIdentifier".to_owned()),
        },
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
    fn it_points_at_the_issuer() {
        let mut view = sample::leaf();
        assert_eq!(check(&view), Ok(()));
        assert_eq!(check(&sample::of("root")), Ok(()));
        let written = view
            .raw(AuthorityKeyIdentifier::OID)
            .unwrap()
            .extn_value
            .as_bytes()
            .to_vec();
        sample::set(&mut view, AuthorityKeyIdentifier::OID, true, &written);
        assert!(check(&view).is_err());
        sample::set(
            &mut view,
            AuthorityKeyIdentifier::OID,
            false,
            &[0x30, 0x03, 0x80, 0x01, 0x07],
        );
        assert!(check(&view).is_err());
        sample::set(&mut view, AuthorityKeyIdentifier::OID, false, &[0x30, 0x00]);
        assert!(check(&view).is_err());
        sample::remove(&mut view, AuthorityKeyIdentifier::OID);
        assert!(check(&view).is_err());
    }
}
