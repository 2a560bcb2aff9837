//! Key algorithms as couriers write them: `ec-256`, `rsa-3072`, `ed25519`.

use pki::KeyAlgorithm;

/// The algorithm of a name; nothing when there is none of that name. The names of the rest of the appliance (`ec-p256`) are
/// taken as well.
pub(crate) fn parse(name: &str) -> Option<KeyAlgorithm> {
    match name {
        "ec-256" => Some(KeyAlgorithm::P256),
        "ec-384" => Some(KeyAlgorithm::P384),
        "ec-521" => Some(KeyAlgorithm::P521),
        other => other.parse().ok(),
    }
}

/// The name of an algorithm.
pub(crate) fn of(algorithm: KeyAlgorithm) -> String {
    match algorithm {
        KeyAlgorithm::P256 => "ec-256".to_owned(),
        KeyAlgorithm::P384 => "ec-384".to_owned(),
        KeyAlgorithm::P521 => "ec-521".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for name in ["ec-256", "ec-384", "ec-521", "rsa-2048", "rsa-4096", "ed25519"] {
            assert_eq!(of(parse(name).unwrap()), name);
        }
        assert_eq!(parse("ec-p384"), parse("ec-384"));
        assert_eq!(parse("dsa-1024"), None);
    }
}
