//! Certificates in PEM or DER, alone or as a bundle: reading, every view of one, putting a chain in order.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pki::Certificate;

fuzz_target!(|input: &[u8]| {
    let Ok(certificates) = Certificate::parse_all(input) else {
        return;
    };
    for certificate in &certificates {
        let again = Certificate::parse(certificate.pem().as_bytes()).expect("what was read is read again");
        assert_eq!(again.der(), certificate.der());
        let _ = certificate.summary();
        let _ = certificate.subject_alt_names();
        let _ = certificate.key_usage();
        let _ = certificate.extended_key_usage();
        let _ = (certificate.authority_key_id(), certificate.subject_key_id());
        let _ = (
            certificate.crl_urls(),
            certificate.ocsp_urls(),
            certificate.ca_issuer_urls(),
        );
        let _ = (
            certificate.is_ca(),
            certificate.path_len(),
            certificate.must_staple(),
        );
        let _ = certificate.is_self_signed();
    }
    let mut bundle = certificates.into_iter();
    let Some(leaf) = bundle.next() else { return };
    let at = leaf.not_before();
    if let Ok(chain) = pki::chain::order(leaf, bundle.collect()) {
        let _ = pki::chain::verify(&chain, at);
    }
});
