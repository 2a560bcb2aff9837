//! The TBSCertList, written straight from its entries (RFC 5280 §5.1).

use jiff::Timestamp;

use super::{CrlParts, RevocationReason, RevokedEntry, SortedEntries};
use crate::encode::{self, SEQUENCE};
use crate::name::DistinguishedName;
use crate::signature_algorithm::SignatureAlgorithm;
use crate::tbs::{CrlTbs, Tbs};
use crate::time;

/// What a CRL says.
#[derive(Clone, Debug)]
pub struct CrlInput<'a> {
    /// The subject of the issuing authority.
    pub issuer: &'a DistinguishedName,
    /// Its subjectKeyIdentifier.
    pub authority_key_id: &'a [u8],
    /// How it will be signed.
    pub algorithm: SignatureAlgorithm,
    /// The CRL number; must rise strictly.
    pub number: u64,
    /// When it is made.
    pub this_update: Timestamp,
    /// When the next one comes at the latest.
    pub next_update: Timestamp,
    /// What the CRL covers, when that is not everything the issuer issued.
    pub distribution_point: Option<IssuingDistributionPoint>,
    /// The number of the full CRL this delta stands on; absent for a full CRL.
    pub delta_base: Option<u64>,
    /// Where the newest delta to this full CRL is (RFC 5280 §5.2.6).
    pub freshest: Option<String>,
}

/// IssuingDistributionPoint, RFC 5280 §5.2.5.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssuingDistributionPoint {
    /// Where the CRL is; the same as in the certificates it covers.
    pub urls: Vec<String>,
    /// Only end-entity certificates.
    pub only_user_certificates: bool,
    /// Only certificates of authorities.
    pub only_ca_certificates: bool,
}

/// The bytes to sign, in one piece: for lists of a size to be held twice. The entries are sorted by serial, each serial
/// once.
pub fn build(input: &CrlInput<'_>, entries: &[RevokedEntry]) -> Tbs<CrlTbs> {
    let mut list = Vec::with_capacity(entries.len() * 48);
    for entry in entries {
        entry_der(entry, &mut list);
    }
    let (mut der, tail) = around(input, list.len());
    der.extend(list);
    der.extend(tail);
    Tbs::new(der, input.algorithm)
}

/// The bytes to sign, around entries that are in DER already: nothing is copied or sorted but what stands around them.
pub fn build_around(input: &CrlInput<'_>, entries: SortedEntries) -> CrlParts {
    let (head, tail) = around(input, entries.octets());
    CrlParts::new(head, entries, tail, input.algorithm)
}

/// What stands before and after this many octets of entries.
fn around(input: &CrlInput<'_>, octets: usize) -> (Vec<u8>, Vec<u8>) {
    let tail = encode::wrap(0xa0, &[&encode::wrap(SEQUENCE, &[&extensions(input)])]);
    let mut fields = [
        &[0x02, 0x01, 0x01],
        input.algorithm.identifier_der(),
        input.issuer.der(),
        &time::to_der(input.this_update),
        &time::to_der(input.next_update),
    ]
    .concat();
    // RFC 5280 §5.1.2.6: without revoked certificates the list is absent.
    if octets > 0 {
        fields.push(SEQUENCE);
        encode::length(&mut fields, octets);
    }
    let mut head = Vec::with_capacity(fields.len() + 6);
    head.push(SEQUENCE);
    encode::length(&mut head, fields.len() + octets + tail.len());
    head.extend(fields);
    (head, tail)
}

fn extensions(input: &CrlInput<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let key_id = encode::wrap(SEQUENCE, &[&encode::wrap(0x80, &[input.authority_key_id])]);
    extension(&mut out, 0x23, false, &key_id);
    extension(
        &mut out,
        0x14,
        false,
        &encode::unsigned(&input.number.to_be_bytes()),
    );
    if let Some(base) = input.delta_base {
        extension(&mut out, 0x1b, true, &encode::unsigned(&base.to_be_bytes()));
    }
    if let Some(point) = &input.distribution_point {
        extension(&mut out, 0x1c, true, &distribution_point(point));
    }
    if let Some(address) = &input.freshest {
        extension(&mut out, 0x2e, false, &freshest(address));
    }
    out
}

/// FreshestCRL, RFC 5280 §5.2.6: a list of one distribution point with one address.
fn freshest(address: &str) -> Vec<u8> {
    let name = encode::wrap(0xa0, &[&encode::wrap(0x86, &[address.as_bytes()])]);
    encode::wrap(
        SEQUENCE,
        &[&encode::wrap(SEQUENCE, &[&encode::wrap(0xa0, &[&name])])],
    )
}

/// One extension of the arc id-ce (2.5.29).
fn extension(out: &mut Vec<u8>, last_arc: u8, critical: bool, value: &[u8]) {
    let critical: &[u8] = if critical { &[0x01, 0x01, 0xff] } else { &[] };
    let oid = [0x06, 0x03, 0x55, 0x1d, last_arc];
    out.extend(encode::wrap(
        SEQUENCE,
        &[&oid, critical, &encode::wrap(0x04, &[value])],
    ));
}

fn distribution_point(point: &IssuingDistributionPoint) -> Vec<u8> {
    let mut fields = Vec::new();
    if !point.urls.is_empty() {
        let names: Vec<u8> = point
            .urls
            .iter()
            .flat_map(|url| encode::wrap(0x86, &[url.as_bytes()]))
            .collect();
        fields.extend(encode::wrap(0xa0, &[&encode::wrap(0xa0, &[&names])]));
    }
    if point.only_user_certificates {
        fields.extend([0x81, 0x01, 0xff]);
    }
    if point.only_ca_certificates {
        fields.extend([0x82, 0x01, 0xff]);
    }
    encode::wrap(SEQUENCE, &[&fields])
}

/// Appends one entry of revokedCertificates.
pub fn entry_der(entry: &RevokedEntry, out: &mut Vec<u8>) {
    let mut extensions = Vec::new();
    // RFC 5280 §5.3.1: unspecified is said by leaving the code out.
    if let Some(reason) = entry
        .reason
        .filter(|reason| *reason != RevocationReason::Unspecified)
    {
        extension(&mut extensions, 0x15, false, &[0x0a, 0x01, reason.code()]);
    }
    if let Some(date) = entry.invalidity_date {
        extension(&mut extensions, 0x18, false, &time::generalized(date));
    }
    let extensions = if extensions.is_empty() {
        extensions
    } else {
        encode::wrap(SEQUENCE, &[&extensions])
    };
    let serial = encode::unsigned(entry.serial.as_bytes());
    let contents = [serial.as_slice(), &time::to_der(entry.revoked_at), &extensions].concat();
    encode::element(out, SEQUENCE, &contents);
}
