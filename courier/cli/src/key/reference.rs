//! A key that stays in a token, as the text that stands where its file would be (RFC 7512): token, label and identifier, and no PIN.
//!
//! The identifier is the fingerprint of the public key. So whether a certificate is for the key is seen without asking the token.

use std::fmt;
use std::str::FromStr;

use pki::KeyFingerprint;

/// What the text begins with.
const SCHEME: &str = "pkcs11:";
/// Longest text that is looked at.
const MAX_LEN: usize = 2048;
/// Longest value, in octets: each of them escaped, a reference is as short as [`MAX_LEN`] still.
const MAX_VALUE: usize = 300;

/// Where a private key is in a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyReference {
    /// The label of the token.
    pub token: String,
    /// The label of the key (CKA_LABEL).
    pub object: String,
    /// Its CKA_ID: SHA-256 of the SubjectPublicKeyInfo.
    pub id: KeyFingerprint,
}

/// The text is no reference that a courier wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is no reference to a key in a token that a courier wrote (pkcs11:token=…;object=…;id=…;type=private)"
)]
pub struct NoReference;

impl KeyReference {
    /// Whether a text means to be one.
    pub fn is_meant(text: &[u8]) -> bool {
        text.starts_with(SCHEME.as_bytes())
    }

    /// What a file has.
    pub fn read(text: &[u8]) -> Result<Self, NoReference> {
        let text = std::str::from_utf8(text).map_err(|_| NoReference)?;
        text.trim_end().parse()
    }
}

impl fmt::Display for KeyReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (token, object) = (escaped(&self.token), escaped(&self.object));
        write!(f, "{SCHEME}token={token};object={object};id=")?;
        // RFC 7512 §2.3: the whole identifier should be percent-encoded.
        self.id.0.iter().try_for_each(|octet| write!(f, "%{octet:02X}"))?;
        f.write_str(";type=private")
    }
}

impl FromStr for KeyReference {
    type Err = NoReference;

    fn from_str(text: &str) -> Result<Self, NoReference> {
        let path = text.strip_prefix(SCHEME).filter(|_| text.len() <= MAX_LEN);
        let (mut token, mut object, mut id, mut class) = (None, None, None, None);
        for attribute in path.ok_or(NoReference)?.split(';') {
            let (name, value) = attribute.split_once('=').ok_or(NoReference)?;
            let place = match name {
                "token" => &mut token,
                "object" => &mut object,
                "id" => &mut id,
                "type" => &mut class,
                _ => return Err(NoReference),
            };
            if place.replace(plain(value).ok_or(NoReference)?).is_some() {
                return Err(NoReference);
            }
        }
        let text = |octets: Option<Vec<u8>>| String::from_utf8(octets?).ok();
        let id = id.and_then(|id| <[u8; 32]>::try_from(id).ok());
        match (text(token), text(object), id, text(class).as_deref()) {
            (Some(token), Some(object), Some(id), Some("private")) => Ok(Self {
                token,
                object,
                id: KeyFingerprint(id),
            }),
            _ => Err(NoReference),
        }
    }
}

/// Everything but the unreserved characters of RFC 3986 §2.3 percent-encoded.
fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            out.push(char::from(octet));
        } else {
            let _ = write!(out, "%{octet:02X}");
        }
    }
    out
}

/// The octets behind percent-encoding, as far as a value is no longer than it may be.
fn plain(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    let digit = |octet: Option<u8>| {
        char::from(octet?)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    while let Some(octet) = rest.next() {
        out.push(match octet {
            b'%' => digit(rest.next())? << 4 | digit(rest.next())?,
            b'?' | b'#' => return None,
            other => other,
        });
    }
    Some(out).filter(|octets| octets.len() <= MAX_VALUE)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use proptest::prelude::{any, proptest};

    use super::*;

    #[test]
    fn a_reference_names_token_label_and_identifier_and_nothing_else() {
        let reference = KeyReference {
            token: "Host token; 1".to_owned(),
            object: "web01-0a1b2c3d4e5f".to_owned(),
            id: KeyFingerprint([0xab; 32]),
        };
        let text = reference.to_string();
        let id = "%AB".repeat(32);
        assert_eq!(
            text,
            format!("pkcs11:token=Host%20token%3B%201;object=web01-0a1b2c3d4e5f;id={id};type=private")
        );
        assert_eq!(
            KeyReference::read(format!("{text}\n").as_bytes()).unwrap(),
            reference
        );
        let lower = text.to_lowercase().replace("host", "Host");
        assert_eq!(lower.parse::<KeyReference>().unwrap(), reference);
    }

    #[test]
    fn what_a_courier_does_not_write_is_refused() {
        let id = format!("id={}", "%ab".repeat(32));
        for text in [
            String::new(),
            "pkcs11:".to_owned(),
            format!("pkcs11:token=a;object=b;{id}"),
            format!("pkcs11:token=a;object=b;{id};type=cert"),
            "pkcs11:token=a;object=b;id=%ab;type=private".to_owned(),
            format!("pkcs11:token=a;token=a;object=b;{id};type=private"),
            format!("pkcs11:token=a;object=b;{id};type=private?pin-value=1234"),
            format!("pkcs11:token=%a;object=b;{id};type=private"),
            format!("pkcs11:token={};object=b;{id};type=private", "a".repeat(4096)),
            format!(
                "pkcs11:token=a;object={};{id};type=private",
                "a".repeat(MAX_VALUE + 1)
            ),
            format!("PKCS11:token=a;object=b;{id};type=private"),
        ] {
            assert_eq!(KeyReference::read(text.as_bytes()), Err(NoReference), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_and_nothing_panics(token in "\\PC{0,32}", object in "\\PC{0,64}", id in any::<[u8; 32]>(), other in any::<Vec<u8>>()) {
            let reference = KeyReference { token, object, id: KeyFingerprint(id) };
            assert_eq!(reference.to_string().parse(), Ok(reference));
            let _ = KeyReference::read(&[SCHEME.as_bytes(), &other].concat());
        }
    }
}
