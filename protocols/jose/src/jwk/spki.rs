//! Keys as SubjectPublicKeyInfo (RFC 5280 §4.1.2.7, RFC 5480, RFC 8410), and the checks that `pki` makes of them.

use pki::encode::{self, SEQUENCE};
use pki::{KeyAlgorithm, PublicKey};

use super::{Curve, KeyFault, Material};

/// The algorithm identifiers, whole.
const RSA: &[u8] = &[
    0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0,
];
const P256: &[u8] = &[
    0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7,
];
const P384: &[u8] = &[
    0x30, 0x10, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 5, 0x2b, 0x81, 4, 0, 0x22,
];
const P521: &[u8] = &[
    0x30, 0x10, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 5, 0x2b, 0x81, 4, 0, 0x23,
];
const ED25519: &[u8] = &[0x30, 5, 6, 3, 0x2b, 0x65, 0x70];
const X25519: &[u8] = &[0x30, 5, 6, 3, 0x2b, 0x65, 0x6e];

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;

/// What stands before the 32 octets of an X25519 key.
const X25519_HEAD: &[u8] = &[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 3, 0x21, 0];

pub(super) fn write(material: &Material) -> Vec<u8> {
    match material {
        Material::Rsa { modulus, exponent } => {
            let (modulus, exponent) = (encode::unsigned(modulus), encode::unsigned(exponent));
            let key = encode::wrap(SEQUENCE, &[&modulus, &exponent]);
            encode::wrap(SEQUENCE, &[RSA, &encode::wrap(BIT_STRING, &[&[0], &key])])
        }
        Material::Curve { curve, point } => {
            let (algorithm, form): (_, &[u8]) = match curve {
                Curve::P256 => (P256, &[4]),
                Curve::P384 => (P384, &[4]),
                Curve::P521 => (P521, &[4]),
                Curve::Ed25519 => (ED25519, &[]),
                Curve::X25519 => (X25519, &[]),
            };
            encode::wrap(
                SEQUENCE,
                &[algorithm, &encode::wrap(BIT_STRING, &[&[0], form, point])],
            )
        }
    }
}

/// What `pki` says of the key; it knows no X25519, of which any 32 octets are a key.
pub(super) fn check(material: &Material) -> Result<(), KeyFault> {
    if let Material::Curve {
        curve: Curve::X25519,
        point,
    } = material
    {
        return if point.len() == 32 {
            Ok(())
        } else {
            Err(KeyFault::Malformed("its length is not that of its kind"))
        };
    }
    PublicKey::from_spki_der(&write(material))?;
    Ok(())
}

pub(super) fn read(spki: &[u8]) -> Result<Material, KeyFault> {
    if let Some(point) = spki.strip_prefix(X25519_HEAD) {
        let material = Material::Curve {
            curve: Curve::X25519,
            point: point.to_vec(),
        };
        check(&material)?;
        return Ok(material);
    }
    let key = PublicKey::from_spki_der(spki)?;
    let bits = key.key_bits();
    let curve = match key.algorithm() {
        KeyAlgorithm::Rsa(_) => return rsa(bits).ok_or(KeyFault::Malformed("it is no RSAPublicKey")),
        KeyAlgorithm::P256 => Curve::P256,
        KeyAlgorithm::P384 => Curve::P384,
        KeyAlgorithm::P521 => Curve::P521,
        KeyAlgorithm::Ed25519 => Curve::Ed25519,
        _ => return Err(KeyFault::Unsupported),
    };
    let point = if curve.is_okp() {
        bits
    } else {
        bits.get(1..).unwrap_or_default()
    };
    Ok(Material::Curve {
        curve,
        point: point.to_vec(),
    })
}

/// RFC 8017 appendix A.1.1. That it is DER was checked before.
fn rsa(bits: &[u8]) -> Option<Material> {
    let (contents, _) = element(bits, SEQUENCE)?;
    let (modulus, rest) = element(contents, INTEGER)?;
    let (exponent, _) = element(rest, INTEGER)?;
    Some(Material::Rsa {
        modulus: magnitude(modulus),
        exponent: magnitude(exponent),
    })
}

fn magnitude(integer: &[u8]) -> Vec<u8> {
    integer.iter().copied().skip_while(|octet| *octet == 0).collect()
}

/// The contents of the element at the front, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    if *first != tag {
        return None;
    }
    if *length < 0x80 {
        return rest.split_at_checked(usize::from(*length));
    }
    let (octets, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
    if octets.len() > 2 {
        return None;
    }
    let length = octets
        .iter()
        .fold(0, |length, octet| length << 8 | usize::from(*octet));
    rest.split_at_checked(length)
}
