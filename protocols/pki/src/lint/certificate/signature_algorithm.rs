//! The algorithm in the certificate is the one it will be signed with, octet for octet, and one the signer's key can do.
//!
//! Parameters count: RFC 4055 asks for NULL with RSA, RFC 5758 for none with ECDSA.

use crate::lint::{CertificateView, Rule, Severity};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "signature_algorithm",
    severity: Severity::Error,
    citation: "RFC 5280 §4.1.1.2, §4.1.2.3",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
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
    use crate::lint::certificate::sample;

    #[test]
    fn the_field_the_signer_and_its_key_agree() {
        let mut view = sample::leaf();
        assert_eq!(check(&view), Ok(()));
        view.algorithm_der = SignatureAlgorithm::EcdsaSha384.identifier_der().to_vec();
        assert!(check(&view).is_err());
        let mut view = sample::leaf();
        view.signing_with = SignatureAlgorithm::Ed25519;
        view.algorithm_der = SignatureAlgorithm::Ed25519.identifier_der().to_vec();
        assert!(check(&view).is_err());
    }
}
