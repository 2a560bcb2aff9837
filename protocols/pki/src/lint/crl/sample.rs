//! A revocation list that is right, written by hand, for the tests of the rules to bend.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use const_oid::{AssociatedOid, ObjectIdentifier};
use der::Encode;
use der::asn1::{OctetString, Uint};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, CrlNumber};

use crate::lint::certificate::sample::issuer;
use crate::lint::{CrlContext, CrlView};
use crate::{CrlTbs, Tbs, encode, time};

const NOW: &str = "2026-11-21T12:00:00Z";

/// A full list, number 7, with two entries, without any finding.
pub(crate) fn full() -> CrlView {
    let issuer = issuer();
    let context = CrlContext {
        issuer: &issuer,
        previous_number: None,
        distribution_point: None,
        now: NOW.parse().unwrap(),
    };
    CrlView::read(&tbs(), &context).unwrap()
}

fn tbs() -> Tbs<CrlTbs> {
    let issuer = issuer();
    let at = |text: &str| time::to_der(text.parse().unwrap());
    let extension = |extn_id, der: Vec<u8>| Extension {
        extn_id,
        critical: false,
        extn_value: OctetString::new(der).unwrap(),
    };
    let key_identifier = Some(OctetString::new(issuer.key_id.as_slice()).unwrap());
    let key_id = AuthorityKeyIdentifier {
        key_identifier,
        ..AuthorityKeyIdentifier::default()
    };
    let extensions = vec![
        extension(AuthorityKeyIdentifier::OID, key_id.to_der().unwrap()),
        extension(CrlNumber::OID, Uint::new(&[7]).unwrap().to_der().unwrap()),
    ];
    let reason = vec![extension(
        ObjectIdentifier::new_unwrap("2.5.29.21"),
        vec![0x0a, 0x01, 0x01],
    )];
    let first = [
        encode::unsigned(&[0x11; 16]),
        at("2026-11-20T08:00:00Z"),
        reason.to_der().unwrap(),
    ]
    .concat();
    let second = [encode::unsigned(&[0x12; 16]), at("2026-11-21T08:00:00Z")].concat();
    let entries = [
        encode::wrap(encode::SEQUENCE, &[&first]),
        encode::wrap(encode::SEQUENCE, &[&second]),
    ]
    .concat();
    let der = encode::wrap(
        encode::SEQUENCE,
        &[
            &[0x02, 0x01, 0x01],
            issuer.algorithm.identifier_der(),
            issuer.subject.der(),
            &at(NOW),
            &at("2026-11-28T12:00:00Z"),
            &encode::wrap(encode::SEQUENCE, &[&entries]),
            &encode::wrap(0xa0, &[&extensions.to_der().unwrap()]),
        ],
    );
    Tbs::new(der, issuer.algorithm)
}

/// Puts an extension in the place of the one with its identifier, or at the end.
pub(crate) fn set(view: &mut CrlView, oid: ObjectIdentifier, critical: bool, der: &[u8]) {
    let extension = Extension {
        extn_id: oid,
        critical,
        extn_value: OctetString::new(der).unwrap(),
    };
    match view.extensions.iter_mut().find(|other| other.extn_id == oid) {
        Some(other) => *other = extension,
        None => view.extensions.push(extension),
    }
}

/// Takes an extension away.
pub(crate) fn remove(view: &mut CrlView, oid: ObjectIdentifier) {
    let before = view.extensions.len();
    view.extensions.retain(|extension| extension.extn_id != oid);
    assert!(view.extensions.len() < before, "the sample has no {oid}");
}
