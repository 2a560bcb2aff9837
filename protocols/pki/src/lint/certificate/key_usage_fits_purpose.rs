//! Every purpose has a key usage bit under which it can be used; without one the certificate is good for nothing.

use x509_cert::ext::pkix::KeyUsages;

use crate::lint::{CertificateView, Rule, Severity};
use crate::profile::ExtendedKeyUsage;

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "key_usage_fits_purpose",
    severity: Severity::Error,
    citation: "RFC 5280 §4.2.1.12",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    let Some(usage) = view.key_usage() else {
        return Ok(());
    };
    // The purposes of an authority bound what stands below it; its own key signs certificates.
    if view.is_authority() {
        return Ok(());
    }
    let stranger = view.purposes().iter().find(|purpose| {
        let enough = match purpose {
            ExtendedKeyUsage::ServerAuth => {
                KeyUsages::DigitalSignature | KeyUsages::KeyEncipherment | KeyUsages::KeyAgreement
            }
            ExtendedKeyUsage::ClientAuth => KeyUsages::DigitalSignature | KeyUsages::KeyAgreement,
            ExtendedKeyUsage::EmailProtection => {
                KeyUsages::DigitalSignature
                    | KeyUsages::NonRepudiation
                    | KeyUsages::KeyEncipherment
                    | KeyUsages::KeyAgreement
            }
            ExtendedKeyUsage::CodeSigning => KeyUsages::DigitalSignature.into(),
            ExtendedKeyUsage::TimeStamping | ExtendedKeyUsage::OcspSigning => {
                KeyUsages::DigitalSignature | KeyUsages::NonRepudiation
            }
            ExtendedKeyUsage::Other(_) => return false,
        };
        (usage.0 & enough).is_empty()
    });
    stranger.map_or(Ok(()), |purpose| {
        Err(format!("no key usage bit serves the purpose {purpose}"))
    })
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
    fn a_purpose_without_its_bit_is_found() {
        for profile in [
            "tls-server",
            "tls-client",
            "smime",
            "code-signing",
            "timestamping",
            "ocsp-signer",
        ] {
            let mut view = sample::of(profile);
            assert_eq!(check(&view), Ok(()), "{profile}");
            sample::set(&mut view, KeyUsage::OID, true, &[0x03, 0x02, 0x01, 0x06]);
            assert!(check(&view).is_err(), "{profile}");
        }
    }
}
