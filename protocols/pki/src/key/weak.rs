//! Keys that exist but must not be certified.

use const_oid::ObjectIdentifier;
use der::asn1::UintRef;
use der::{Decode, Sequence};

use super::{KeyAlgorithm, KeyFault, blocklist};

/// RSAPublicKey, RFC 8017 §A.1.1.
#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    public_exponent: UintRef<'a>,
}

/// Primes of the ROCA fingerprint (CVE-2017-15361): keys of the flawed library have a modulus that is a power of 65537
/// modulo each of these, which a sound key has with a chance below 2^-27.
const ROCA_PRIMES: &[u32] = &[
    11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157,
];

/// Checks an RSA key and gives its kind.
pub(super) fn rsa(bits: &[u8]) -> Result<KeyAlgorithm, KeyFault> {
    let key = RsaPublicKey::from_der(bits)
        .map_err(|_| KeyFault::Malformed("it is not the DER of an RSAPublicKey"))?;
    let modulus = key.modulus.as_bytes();
    let length = modulus
        .first()
        .map_or(0, |first| modulus.len() * 8 - first.leading_zeros() as usize);
    let length =
        u16::try_from(length).map_err(|_| KeyFault::Malformed("its modulus is longer than 8192 bits"))?;
    if length < 2048 {
        return Err(KeyFault::Weak("an RSA modulus has at least 2048 bits"));
    }
    if length > 8192 {
        return Err(KeyFault::Malformed("its modulus is longer than 8192 bits"));
    }
    exponent(key.public_exponent.as_bytes())?;
    if (2..752)
        .filter(|divisor| is_prime(*divisor))
        .any(|prime| remainder(modulus, prime) == 0)
    {
        return Err(KeyFault::Weak("its modulus has a small factor"));
    }
    if ROCA_PRIMES
        .iter()
        .all(|prime| is_power_of_65537(remainder(modulus, *prime), *prime))
    {
        return Err(KeyFault::Weak(
            "it was made by the library of CVE-2017-15361 (ROCA)",
        ));
    }
    if blocklist::is_built_in(modulus) {
        return Err(KeyFault::Weak(
            "its private half is public, as of keys of Debian's OpenSSL of 2008 (CVE-2008-0166)",
        ));
    }
    Ok(KeyAlgorithm::Rsa(length))
}

/// The modulus of an RSA key, big-endian without leading zeros.
pub(crate) fn modulus(bits: &[u8]) -> Option<&[u8]> {
    RsaPublicKey::from_der(bits)
        .ok()
        .map(|key| key.modulus.as_bytes())
}

/// FIPS 186-5 §A.1.1: odd and above 2^16; the verifier's own limit is 33 bits.
fn exponent(octets: &[u8]) -> Result<(), KeyFault> {
    if octets.len() > 8 {
        return Err(KeyFault::Weak("its public exponent is out of range"));
    }
    let exponent = octets
        .iter()
        .fold(0_u64, |value, octet| (value << 8) | u64::from(*octet));
    if exponent < 65_537 || exponent % 2 == 0 || exponent >= 1 << 33 {
        return Err(KeyFault::Weak(
            "its public exponent must be odd, at least 65537 and below 2^33",
        ));
    }
    Ok(())
}

/// Lengths and encodings that the arithmetic check would let pass or report unclearly.
pub(super) fn octets(algorithm: KeyAlgorithm, bits: &[u8]) -> Result<(), KeyFault> {
    let expected = match algorithm {
        KeyAlgorithm::Rsa(_) => return Ok(()),
        KeyAlgorithm::P256 => 65,
        KeyAlgorithm::P384 => 97,
        KeyAlgorithm::P521 => 133,
        KeyAlgorithm::Ed25519 => 32,
        KeyAlgorithm::MlDsa44 => 1312,
        KeyAlgorithm::MlDsa65 => 1952,
        KeyAlgorithm::MlDsa87 => 2592,
    };
    if matches!(
        algorithm,
        KeyAlgorithm::P256 | KeyAlgorithm::P384 | KeyAlgorithm::P521
    ) && bits.first() != Some(&4)
    {
        return Err(KeyFault::Malformed("its point is not in uncompressed form"));
    }
    if bits.len() != expected {
        return Err(KeyFault::Malformed("its length is not that of its kind"));
    }
    if algorithm == KeyAlgorithm::Ed25519 && is_small_order(bits) {
        return Err(KeyFault::Weak("its point has a small order"));
    }
    Ok(())
}

/// The eight points of small order on edwards25519 and the encodings of them that a lenient decoder takes, by their
/// y coordinate without the sign bit.
fn is_small_order(bits: &[u8]) -> bool {
    const Y: &[[u8; 32]] = &[
        little_endian(0, 0),
        little_endian(1, 0),
        // the two coordinates of order 8
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
            0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
            0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
        // p - 1, p, p + 1
        little_endian(0xec, 0xff),
        little_endian(0xed, 0xff),
        little_endian(0xee, 0xff),
    ];
    Y.iter().any(|y| {
        bits.iter().zip(y).enumerate().all(|(index, (ours, theirs))| {
            let ours = if index == 31 { ours & 0x7f } else { *ours };
            ours == *theirs
        })
    })
}

const fn little_endian(low: u8, middle: u8) -> [u8; 32] {
    let mut y = [middle; 32];
    y[0] = low;
    if middle == 0xff {
        y[31] = 0x7f;
    }
    y
}

fn remainder(octets: &[u8], divisor: u32) -> u32 {
    octets
        .iter()
        .fold(0, |rest, octet| ((rest << 8) | u32::from(*octet)) % divisor)
}

fn is_prime(number: u32) -> bool {
    (2..number)
        .take_while(|divisor| divisor * divisor <= number)
        .all(|divisor| !number.is_multiple_of(divisor))
}

fn is_power_of_65537(residue: u32, prime: u32) -> bool {
    let generator = 65_537 % prime;
    std::iter::successors(Some(1), |power| Some(power * generator % prime))
        .take(prime as usize)
        .any(|power| power == residue)
}

/// A readable name for kinds that people know.
pub(crate) fn name_of(oid: ObjectIdentifier) -> String {
    let known = match oid.to_string().as_str() {
        "1.2.840.10045.3.1.1" => "EC on P-192",
        "1.3.132.0.33" => "EC on P-224",
        "1.3.132.0.10" => "EC on secp256k1",
        "1.2.840.10040.4.1" => "DSA",
        "1.3.101.113" => "Ed448",
        "1.2.840.113549.1.1.10" => "RSA restricted to PSS",
        _ => return oid.to_string(),
    };
    known.to_owned()
}
