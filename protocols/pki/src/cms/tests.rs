//! Bundles from OpenSSL.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use super::*;
use crate::vectors;
use proptest::prelude::*;

fn chain() -> Vec<Vec<u8>> {
    ["leaf", "issuing", "root"]
        .iter()
        .map(|name| vectors::read(&format!("chain/{name}.der")))
        .collect()
}

fn octets(bundle: Result<Vec<Certificate>, BundleFault>) -> Vec<Vec<u8>> {
    let mut octets: Vec<Vec<u8>> = bundle.unwrap().iter().map(|one| one.der().to_vec()).collect();
    octets.sort();
    octets
}

#[test]
fn what_is_written_is_what_openssl_writes() {
    let chain = chain();
    assert_eq!(
        certs_only(chain.iter().map(Vec::as_slice)),
        vectors::read("cms/chain.p7b")
    );
}

#[test]
fn bundles_are_read() {
    let mut chain = chain();
    chain.sort();
    assert_eq!(octets(parse(&vectors::read("cms/chain.p7b"))), chain);
    assert_eq!(octets(parse(&vectors::read("cms/chain.pem"))), chain);
    assert_eq!(octets(parse(&certs_only([]))), Vec::<Vec<u8>>::new());
    // Lists and signatures beside the certificates are none of its business.
    assert_eq!(
        octets(parse(&vectors::read("cms/with-crl.p7b"))),
        [vectors::read("chain/issuing.der")]
    );
    assert_eq!(
        octets(parse(&vectors::read("cms/signed-with-content.p7m"))),
        [vectors::read("certificate/ec.der")]
    );
}

#[test]
fn other_things_are_refused() {
    assert!(matches!(
        parse(&vectors::read("cms/bad-enveloped.p7m")),
        Err(BundleFault::Malformed(_))
    ));
    assert!(matches!(
        parse(&vectors::read("chain/leaf.der")),
        Err(BundleFault::Malformed(_))
    ));
    assert!(matches!(
        parse(b"-----BEGIN X-----\n-----END X-----\n"),
        Err(BundleFault::Malformed(_))
    ));
    assert_eq!(parse(&vec![0x30; MAX_BUNDLE_LEN + 1]), Err(BundleFault::TooLong));
    let bundle = vectors::read("cms/chain.p7b");
    for end in 0..bundle.len() {
        assert!(parse(&bundle[..end]).is_err(), "cut at {end}");
    }
}

proptest! {
    #[test]
    fn any_octets_are_read_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(parse(&octets).is_err());
    }

    #[test]
    fn a_bent_bundle_is_read_or_refused(octets in vectors::bent("cms", ".p7b")) {
        if let Ok(certificates) = parse(&octets) {
            prop_assert!(certificates.len() < 5);
        }
    }
}
