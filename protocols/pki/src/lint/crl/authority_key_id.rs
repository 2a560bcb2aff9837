//! authorityKeyIdentifier is there and holds the issuer's subjectKeyIdentifier.

use x509_cert::ext::pkix::AuthorityKeyIdentifier;

use crate::lint::{CrlView, Rule, Severity};

pub(super) const RULE: Rule<CrlView> = Rule {
    name: "crl_authority_key_id",
    severity: Severity::Error,
    citation: "RFC 5280 §5.2.1",
    check,
};

fn check(view: &CrlView) -> Result<(), String> {
    match view
        .extension::<AuthorityKeyIdentifier>()
        .and_then(|(_, id)| id.key_identifier)
    {
        None => Err("authorityKeyIdentifier with a keyIdentifier is missing".to_owned()),
        Some(key_id) if key_id.as_bytes() == view.signer.key_id => Ok(()),
        Some(_) => Err("authorityKeyIdentifier is not the issuer's subjectKeyIdentifier".to_owned()),
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
    use crate::lint::crl::sample;

    #[test]
    fn it_points_at_the_issuer() {
        let mut view = sample::full();
        assert_eq!(check(&view), Ok(()));
        view.signer.key_id.push(0);
        assert!(check(&view).is_err());
        let mut view = sample::full();
        sample::remove(&mut view, AuthorityKeyIdentifier::OID);
        assert!(check(&view).is_err());
    }
}
