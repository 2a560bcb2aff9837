//! A key is allowed only what its kind can do: RSA keys may transport keys, ECDSA keys agree on them, Ed25519 and ML-DSA
//! keys only sign.

use x509_cert::ext::pkix::KeyUsages;

use crate::KeyAlgorithm;
use crate::lint::{CertificateView, Rule, Severity};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "key_usage_fits_key",
    severity: Severity::Error,
    citation: "RFC 8410 §5, RFC 8813 §3, RFC 9881 §5",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    let (Some(usage), Ok(key)) = (view.key_usage(), &view.key) else {
        return Ok(());
    };
    let signing =
        KeyUsages::DigitalSignature | KeyUsages::NonRepudiation | KeyUsages::KeyCertSign | KeyUsages::CRLSign;
    let able = match key.algorithm() {
        KeyAlgorithm::Rsa(_) => signing | KeyUsages::KeyEncipherment | KeyUsages::DataEncipherment,
        KeyAlgorithm::P256 | KeyAlgorithm::P384 | KeyAlgorithm::P521 => {
            signing | KeyUsages::KeyAgreement | KeyUsages::EncipherOnly | KeyUsages::DecipherOnly
        }
        KeyAlgorithm::Ed25519 | KeyAlgorithm::MlDsa44 | KeyAlgorithm::MlDsa65 | KeyAlgorithm::MlDsa87 => {
            signing
        }
    };
    let beyond = usage.0 - able;
    if beyond.is_empty() {
        Ok(())
    } else {
        let bits: Vec<String> = beyond.into_iter().map(|bit| format!("{bit:?}")).collect();
        Err(format!("a {} key cannot do {}", key.algorithm(), bits.join(", ")))
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
    use x509_cert::ext::pkix::KeyUsage;

    use super::*;
    use crate::lint::certificate::sample;

    #[test]
    fn an_elliptic_key_transports_no_keys() {
        let mut view = sample::leaf();
        assert_eq!(check(&view), Ok(()));
        sample::set(&mut view, KeyUsage::OID, true, &[0x03, 0x02, 0x05, 0xa0]);
        assert!(check(&view).is_err());
        sample::set(&mut view, KeyUsage::OID, true, &[0x03, 0x02, 0x03, 0x88]);
        assert_eq!(check(&view), Ok(()));
    }
}
