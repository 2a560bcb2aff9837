//! RSA keys whose private half is public: those that Debian's OpenSSL made between 2006 and 2008 (CVE-2008-0166), and demo
//! keys that products shipped.
//!
//! A key is named as Debian's `openssl-blacklist` names it: the lower 80 bits of SHA-1 over `Modulus=…` as `openssl rsa
//! -modulus` prints it. The public exponent does not count, because it changes nothing about who knows the factors. Few
//! keys are built in; [`Blocklist::parse`] reads the complete lists, of hundreds of thousands, that an operator has.

use std::fmt::Write as _;

use aws_lc_rs::digest;

use super::{KeyAlgorithm, PublicKey};

/// Longest list read, in octets: all keys of all sizes and machines stay below half of it.
pub const MAX_BLOCKLIST_LEN: usize = 64 * 1024 * 1024;

/// Checked for every key that is read.
const BUILT_IN: &[u128] = &[
    // CVE-2008-0166, 2048 bits: amd64 with a fresh state file as process 1 and 1000, i386 likewise as process 1, amd64
    // with a state file as process 1 (HARICA's collection), and one from the tests of `badkeys`
    0xfbf3_5818_cc74_c591_ef67,
    0x49d9_6fae_9bfc_0e84_bba3,
    0x64dd_458d_33e2_72c4_7d69,
    0x31e8_48c6_9637_dabf_13c2,
    0xb7ea_d949_2dfd_921f_c4f9,
    // demo keys that went into production: Shibboleth IdP 3.0.0-alpha1, jetty 9.4.6
    0x959a_1a15_3444_578d_010b,
    0x6475_773d_d623_8880_de70,
];

/// A list of keys that must not be certified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blocklist(Vec<u128>);

/// Why a list cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlocklistFault {
    /// Over [`MAX_BLOCKLIST_LEN`].
    #[error("the list of bad keys is longer than {MAX_BLOCKLIST_LEN} octets")]
    TooLong,
    /// A line is neither empty nor a comment nor 20 hexadecimal digits.
    #[error("line {0} of the list of bad keys is not 20 hexadecimal digits")]
    Line(usize),
}

impl Blocklist {
    /// Reads a list in the form of `openssl-blacklist`: 20 hexadecimal digits a line, comments after `#`.
    pub fn parse(text: &str) -> Result<Self, BlocklistFault> {
        if text.len() > MAX_BLOCKLIST_LEN {
            return Err(BlocklistFault::TooLong);
        }
        let mut names = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let is_name = line.len() == 20 && line.bytes().all(|byte| byte.is_ascii_hexdigit());
            let name = u128::from_str_radix(line, 16).ok().filter(|_| is_name);
            names.push(name.ok_or(BlocklistFault::Line(index + 1))?);
        }
        names.sort_unstable();
        names.dedup();
        Ok(Self(names))
    }

    /// How many keys it names.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it names no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it names this key; never for keys other than RSA.
    pub fn contains(&self, key: &PublicKey) -> bool {
        let KeyAlgorithm::Rsa(_) = key.algorithm() else {
            return false;
        };
        super::weak::modulus(key.key_bits())
            .is_some_and(|modulus| self.0.binary_search(&name(modulus)).is_ok())
    }
}

/// Whether a modulus is among the built-in ones.
pub(super) fn is_built_in(modulus: &[u8]) -> bool {
    BUILT_IN.contains(&name(modulus))
}

/// The name of a modulus, given as big-endian octets without leading zeros.
fn name(modulus: &[u8]) -> u128 {
    let mut line = String::with_capacity(modulus.len() * 2 + 9);
    line.push_str("Modulus=");
    for octet in modulus {
        // Writing to a String cannot fail.
        let _ = write!(line, "{octet:02X}");
    }
    line.push('\n');
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, line.as_bytes());
    digest
        .as_ref()
        .iter()
        .skip(10)
        .fold(0, |value, octet| (value << 8) | u128::from(*octet))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_list_names_a_key_by_its_modulus() {
        let key = PublicKey::from_spki_der(include_bytes!("../../testdata/key/rsa-2048.spki.der")).unwrap();
        // testdata/key/README.md tells how the name was made.
        let name = include_str!("../../testdata/key/rsa-2048.modulus-name.txt");
        let list = Blocklist::parse(&format!("# comment\n\n00005890bc78bcbee3ca # one\n{name}")).unwrap();
        assert_eq!(list.len(), 2);
        assert!(list.contains(&key));
        assert!(!Blocklist::parse("00005890bc78bcbee3ca").unwrap().contains(&key));
        assert!(!Blocklist::default().contains(&key));
        let other = PublicKey::from_spki_der(include_bytes!("../../testdata/key/ec-p256.spki.der")).unwrap();
        assert!(!list.contains(&other));
    }

    #[test]
    fn crooked_lists_are_refused() {
        assert_eq!(
            Blocklist::parse("00005890bc78bcbee3ca\n+0005890bc78bcbee3ca"),
            Err(BlocklistFault::Line(2))
        );
        assert_eq!(Blocklist::parse("0x"), Err(BlocklistFault::Line(1)));
        assert_eq!(
            Blocklist::parse("00005890bc78bcbee3c"),
            Err(BlocklistFault::Line(1))
        );
        assert_eq!(
            Blocklist::parse(&" ".repeat(MAX_BLOCKLIST_LEN + 1)),
            Err(BlocklistFault::TooLong)
        );
        assert!(Blocklist::parse("# nothing\n").unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "([0-9a-f]{20}|[ -~]{0,24}|#.{0,9})(\n[0-9a-f]{20}|\n[ -~]{0,24}){0,5}") {
            if let Ok(list) = Blocklist::parse(&text) {
                prop_assert!(list.len() <= text.lines().count());
            }
        }
    }
}
