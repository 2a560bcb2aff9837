//! The Concat KDF (RFC 7518 §4.6.2, NIST SP 800-56A §5.8.2.1) with SHA-256, for keys of at most one digest.

use aws_lc_rs::digest;
use zeroize::Zeroizing;

/// The first octets of the digest are the key of `bits` bits.
pub(super) fn concat(
    secret: &[u8],
    algorithm: &str,
    apu: &[u8],
    apv: &[u8],
    bits: u32,
) -> Zeroizing<[u8; 32]> {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&1_u32.to_be_bytes());
    context.update(secret);
    for field in [algorithm.as_bytes(), apu, apv] {
        context.update(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
        context.update(field);
    }
    context.update(&bits.to_be_bytes());
    let mut key = Zeroizing::new([0; 32]);
    for (slot, octet) in key.iter_mut().zip(context.finish().as_ref()) {
        *slot = *octet;
    }
    key
}
