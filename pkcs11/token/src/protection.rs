//! What a token says of the protection of a private key: the attributes that decide whether it can leave the token, and what may
//! be done with it (PKCS#11 3.0 §4.9).

use std::collections::BTreeMap;

use cryptoki::error::Error as CkError;
use cryptoki::object::{Attribute, AttributeType};
use cryptoki::session::Session;
use serde::{Deserialize, Serialize};
use signer_wire::KeyRef;

use crate::find::{TokenKey, attributes};

/// The attributes that are watched, and the value that protects the key better, where one does.
const WATCHED: [(AttributeType, &str, Option<bool>); 12] = [
    (AttributeType::Sensitive, "CKA_SENSITIVE", Some(true)),
    (AttributeType::AlwaysSensitive, "CKA_ALWAYS_SENSITIVE", Some(true)),
    (AttributeType::Extractable, "CKA_EXTRACTABLE", Some(false)),
    (
        AttributeType::NeverExtractable,
        "CKA_NEVER_EXTRACTABLE",
        Some(true),
    ),
    (AttributeType::Private, "CKA_PRIVATE", Some(true)),
    (AttributeType::Modifiable, "CKA_MODIFIABLE", Some(false)),
    (AttributeType::Local, "CKA_LOCAL", Some(true)),
    (AttributeType::Sign, "CKA_SIGN", None),
    (AttributeType::Decrypt, "CKA_DECRYPT", Some(false)),
    (AttributeType::Unwrap, "CKA_UNWRAP", Some(false)),
    (AttributeType::Derive, "CKA_DERIVE", Some(false)),
    (AttributeType::AllowedMechanisms, MECHANISMS, None),
];

const MECHANISMS: &str = "CKA_ALLOWED_MECHANISMS";
/// What is said of an attribute that the token does not tell.
pub(crate) const ABSENT: &str = "absent";
/// What is said of an empty list of allowed mechanisms.
const ANY: &str = "any";

/// What a token says of one private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protection {
    /// The key.
    pub key: KeyRef,
    /// What is told of it.
    pub told: Told,
}

/// The label of a key and its watched attributes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// Its label.
    pub label: String,
    /// Attributes by their names in the standard; `true`, `false`, `absent`, or the names of mechanisms.
    pub attributes: BTreeMap<String, String>,
}

/// Asks the token about one key.
pub(crate) fn of(session: &Session, key: &TokenKey) -> Result<Protection, CkError> {
    let wanted: Vec<AttributeType> = WATCHED.iter().map(|(kind, ..)| *kind).collect();
    let found = attributes(session, key.private, &wanted)?;
    let value = |kind: AttributeType| {
        let attribute = found.iter().find(|found| found.attribute_type() == kind);
        attribute.and_then(text).unwrap_or_else(|| ABSENT.to_owned())
    };
    Ok(Protection {
        key: key.record.key,
        told: Told {
            label: key.record.label.clone(),
            attributes: WATCHED
                .iter()
                .map(|(kind, name, _)| ((*name).to_owned(), value(*kind)))
                .collect(),
        },
    })
}

/// Whether a key is protected less than before when this attribute becomes `is` where it was `was`.
pub(crate) fn is_worse(attribute: &str, was: &str, is: &str) -> bool {
    if attribute == MECHANISMS {
        let is_subset = is
            .split(' ')
            .all(|name| was.split(' ').any(|known| known == name));
        return was != ANY && was != ABSENT && !is_subset;
    }
    let better = WATCHED.iter().find(|(_, name, _)| *name == attribute);
    let better = better.and_then(|(.., value)| value.map(|value| value.to_string()));
    better.is_some_and(|better| was == better && is != better)
}

fn text(attribute: &Attribute) -> Option<String> {
    let flag = match attribute {
        Attribute::Sensitive(flag)
        | Attribute::AlwaysSensitive(flag)
        | Attribute::Extractable(flag)
        | Attribute::NeverExtractable(flag)
        | Attribute::Private(flag)
        | Attribute::Modifiable(flag)
        | Attribute::Local(flag)
        | Attribute::Sign(flag)
        | Attribute::Decrypt(flag)
        | Attribute::Unwrap(flag)
        | Attribute::Derive(flag) => *flag,
        Attribute::AllowedMechanisms(mechanisms) if mechanisms.is_empty() => return Some(ANY.to_owned()),
        Attribute::AllowedMechanisms(mechanisms) => {
            let mut names: Vec<String> = mechanisms.iter().map(ToString::to_string).collect();
            names.sort();
            return Some(names.join(" "));
        }
        _ => return None,
    };
    Some(flag.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lets_a_key_out_or_lets_more_be_done_with_it_is_worse() {
        for (attribute, was, is, expected) in [
            ("CKA_SENSITIVE", "true", "false", true),
            ("CKA_SENSITIVE", "true", "absent", true),
            ("CKA_SENSITIVE", "false", "true", false),
            ("CKA_EXTRACTABLE", "false", "true", true),
            ("CKA_DERIVE", "absent", "true", false),
            ("CKA_SIGN", "true", "false", false),
            (MECHANISMS, "CKM_ECDSA", "CKM_ECDSA CKM_ECDH1_DERIVE", true),
            (MECHANISMS, "CKM_ECDSA", "any", true),
            (MECHANISMS, "any", "CKM_ECDSA", false),
            (MECHANISMS, "CKM_ECDSA CKM_ECDSA_SHA256", "CKM_ECDSA", false),
        ] {
            assert_eq!(
                is_worse(attribute, was, is),
                expected,
                "{attribute}: {was} to {is}"
            );
        }
    }
}
