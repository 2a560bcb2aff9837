//! The algorithm in the list is the one it will be signed with, octet for octet, and one the signer's key can do.

use crate::lint::{CrlView, Rule, Severity};

pub(super) const RULE: Rule<CrlView> = Rule {
    name: "crl_signature_algorithm",
    severity: Severity::Error,
    citation: "RFC 5280 §5.1.1.2, §5.1.2.2",
    check,
};

fn check(view: &CrlView) -> Result<(), String> {
    if view.algorithm_der != view.signing_with.identifier_der() {
        return Err(format!(
            "the algorithm field does not say {}, which is what will sign",
            view.signing_with
        ));
    }
    let key = view.signer.public_key.algorithm();
    if view.signing_with.is_usable_with(key) {
        Ok(())
    } else {
        Err(format!("a {key} key cannot sign with {}", view.signing_with))
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops at the first surprise"
    )]

    use crate::SignatureAlgorithm;

    use super::*;
    use crate::lint::crl::sample;

    #[test]
    fn the_field_the_signer_and_its_key_agree() {
        let mut view = sample::full();
        assert_eq!(check(&view), Ok(()));
        view.algorithm_der = SignatureAlgorithm::RsaPkcs1Sha256.identifier_der().to_vec();
        assert!(check(&view).is_err());
        view.signing_with = SignatureAlgorithm::RsaPkcs1Sha256;
        assert!(check(&view).is_err());
    }
}
