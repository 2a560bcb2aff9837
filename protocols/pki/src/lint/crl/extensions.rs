//! Every extension of the list is one that is made here, stands once, holds the DER of its type, and is critical exactly
//! when the clause says so.

use const_oid::AssociatedOid;
use der::asn1::Uint;
use der::{Decode, Error};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BaseCrlNumber, CrlNumber, FreshestCrl, IssuingDistributionPoint,
};

use crate::lint::crl::ISSUING_DISTRIBUTION_POINT;
use crate::lint::{CrlView, Rule, Severity};

pub(super) const RULE: Rule<CrlView> = Rule {
    name: "crl_extensions",
    severity: Severity::Error,
    citation: "RFC 5280 §5.2",
    check,
};

fn check(view: &CrlView) -> Result<(), String> {
    for (index, extension) in view.extensions.iter().enumerate() {
        let oid = extension.extn_id;
        if view
            .extensions
            .iter()
            .skip(index + 1)
            .any(|other| other.extn_id == oid)
        {
            return Err(format!("the extension {oid} stands twice"));
        }
        let must_be_critical = read(extension)
            .map_err(|cause| format!("the extension {oid} cannot be read: {cause}"))?
            .ok_or_else(|| format!("the extension {oid} is not one of a revocation list"))?;
        if extension.critical != must_be_critical {
            return Err(format!(
                "the extension {oid} is critical: {}, which it must not be",
                extension.critical
            ));
        }
    }
    Ok(())
}

/// Reads the value as the type of its identifier and says whether it must be critical; nothing for a stranger.
fn read(extension: &Extension) -> Result<Option<bool>, Error> {
    let der = extension.extn_value.as_bytes();
    match extension.extn_id {
        AuthorityKeyIdentifier::OID => AuthorityKeyIdentifier::from_der(der).map(|_| Some(false)),
        CrlNumber::OID => Uint::from_der(der).map(|_| Some(false)),
        FreshestCrl::OID => FreshestCrl::from_der(der).map(|_| Some(false)),
        BaseCrlNumber::OID => Uint::from_der(der).map(|_| Some(true)),
        ISSUING_DISTRIBUTION_POINT => IssuingDistributionPoint::from_der(der).map(|_| Some(true)),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops at the first surprise"
    )]

    use const_oid::ObjectIdentifier;

    use super::*;
    use crate::lint::crl::sample;

    #[test]
    fn strangers_repeats_and_wrong_criticality_are_found() {
        let good = sample::full();
        assert_eq!(check(&good), Ok(()));
        let mut view = good.clone();
        view.extensions.push(view.extensions[0].clone());
        assert!(check(&view).is_err());
        let mut view = good.clone();
        view.extensions[0].critical = !view.extensions[0].critical;
        assert!(check(&view).is_err());
        let mut view = good.clone();
        view.extensions[0].extn_id = ObjectIdentifier::new_unwrap("1.2.3");
        assert!(check(&view).is_err());
        let mut view = good;
        view.extensions[0].extn_value = der::asn1::OctetString::new(vec![0x05]).unwrap();
        assert!(check(&view).is_err());
    }
}
