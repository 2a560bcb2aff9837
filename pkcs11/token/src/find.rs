//! Finding the keys of a token: once, when it is attached, so that no signature ever searches.
//!
//! A private key is named by the fingerprint of its public key. Where the token gives CKA_PUBLIC_KEY_INFO on the
//! private key that is it; an RSA private key carries its modulus and exponent; for the others the public key object
//! with the same CKA_ID (and, where several have it, the same label) is looked at.

use cryptoki::error::Error as CkError;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use signer_wire::{KeyAttributes, KeyKind, KeyRecord};

use crate::public_key;

/// A private key in a token.
#[derive(Debug, Clone)]
pub(crate) struct TokenKey {
    /// What is known of it.
    pub(crate) record: KeyRecord,
    /// The token object.
    pub(crate) private: ObjectHandle,
}

const PRIVATE_ATTRIBUTES: [AttributeType; 13] = [
    AttributeType::KeyType,
    AttributeType::Id,
    AttributeType::Label,
    AttributeType::Sign,
    AttributeType::Sensitive,
    AttributeType::Extractable,
    AttributeType::Local,
    AttributeType::AlwaysSensitive,
    AttributeType::NeverExtractable,
    AttributeType::Modulus,
    AttributeType::PublicExponent,
    AttributeType::EcParams,
    AttributeType::PublicKeyInfo,
];

const PUBLIC_ATTRIBUTES: [AttributeType; 9] = [
    AttributeType::KeyType,
    AttributeType::Id,
    AttributeType::Label,
    AttributeType::Modulus,
    AttributeType::PublicExponent,
    AttributeType::EcParams,
    AttributeType::EcPoint,
    AttributeType::Value,
    AttributeType::PublicKeyInfo,
];

/// The attributes of one object that are looked at here.
#[derive(Debug, Default)]
struct Seen {
    key_type: Option<KeyType>,
    id: Vec<u8>,
    label: String,
    can_sign: bool,
    flags: KeyAttributes,
    modulus: Vec<u8>,
    public_exponent: Vec<u8>,
    ec_params: Vec<u8>,
    ec_point: Vec<u8>,
    value: Vec<u8>,
    public_key_info: Vec<u8>,
}

impl Seen {
    fn read(session: &Session, object: ObjectHandle, wanted: &[AttributeType]) -> Result<Self, CkError> {
        let attributes = attributes(session, object, wanted)?;
        let mut seen = Self::default();
        for attribute in attributes {
            match attribute {
                Attribute::KeyType(key_type) => seen.key_type = Some(key_type),
                Attribute::Id(id) => seen.id = id,
                Attribute::Label(label) => seen.label = String::from_utf8_lossy(&label).into_owned(),
                Attribute::Sign(yes) => seen.can_sign = yes,
                Attribute::Sensitive(yes) => seen.flags.sensitive = yes,
                Attribute::Extractable(yes) => seen.flags.extractable = yes,
                Attribute::Local(yes) => seen.flags.local = yes,
                Attribute::AlwaysSensitive(yes) => seen.flags.always_sensitive = yes,
                Attribute::NeverExtractable(yes) => seen.flags.never_extractable = yes,
                Attribute::Modulus(modulus) => seen.modulus = modulus,
                Attribute::PublicExponent(exponent) => seen.public_exponent = exponent,
                Attribute::EcParams(params) => seen.ec_params = params,
                Attribute::EcPoint(point) => seen.ec_point = point,
                Attribute::Value(value) => seen.value = value,
                Attribute::PublicKeyInfo(info) => seen.public_key_info = info,
                _ => {}
            }
        }
        Ok(seen)
    }

    /// The public key, as far as this object tells it.
    fn spki(&self) -> Option<Vec<u8>> {
        let key_type = self.key_type?;
        let built = if key_type == KeyType::RSA {
            public_key::rsa_spki(&self.modulus, &self.public_exponent)
        } else if key_type == KeyType::EC || key_type == KeyType::EC_EDWARDS {
            public_key::curve(&self.ec_params).and_then(|kind| public_key::ec_spki(kind, &self.ec_point))
        } else if key_type == KeyType::ML_DSA {
            public_key::ml_dsa_spki(&self.value)
        } else {
            None
        };
        let given = || {
            Some(&self.public_key_info)
                .filter(|info| public_key::kind(info).is_some())
                .cloned()
        };
        built
            .filter(|spki| public_key::kind(spki).is_some())
            .or_else(given)
    }
}

/// Attributes of an object. One that a module mangles must not hide the key: on an error they are asked for one by one.
pub(crate) fn attributes(
    session: &Session,
    object: ObjectHandle,
    wanted: &[AttributeType],
) -> Result<Vec<Attribute>, CkError> {
    session
        .get_attributes(object, wanted)
        .or_else(|error| match error {
            CkError::Pkcs11(..) => Err(error),
            _ => Ok(wanted
                .iter()
                .filter_map(|one| session.get_attributes(object, std::slice::from_ref(one)).ok())
                .flatten()
                .collect()),
        })
}

/// All private keys of the token that can sign. `token` is its configured name.
pub(crate) fn keys(session: &Session, token: &str) -> Result<Vec<TokenKey>, CkError> {
    let public_keys = read_all(session, ObjectClass::PUBLIC_KEY, &PUBLIC_ATTRIBUTES)?;
    let mut found = Vec::new();
    for (private, seen) in read_all(session, ObjectClass::PRIVATE_KEY, &PRIVATE_ATTRIBUTES)? {
        if !seen.can_sign {
            continue;
        }
        let spki = seen.spki().or_else(|| partner(&seen, &public_keys));
        let kind = spki.as_deref().and_then(public_key::kind);
        if let (Some(spki), Some(kind)) = (spki, kind) {
            found.push(TokenKey {
                record: record(seen, kind, spki, token),
                private,
            });
        } else {
            tracing::warn!(
                token,
                label = seen.label,
                "a private key without a public key this program knows"
            );
        }
    }
    Ok(found)
}

/// One key pair that was just made.
pub(crate) fn pair(
    session: &Session,
    token: &str,
    public: ObjectHandle,
    private: ObjectHandle,
) -> Result<Option<TokenKey>, CkError> {
    let spki = Seen::read(session, public, &PUBLIC_ATTRIBUTES)?.spki();
    let seen = Seen::read(session, private, &PRIVATE_ATTRIBUTES)?;
    let kind = spki.as_deref().and_then(public_key::kind);
    let can_sign = seen.can_sign;
    Ok(spki.zip(kind).filter(|_| can_sign).map(|(spki, kind)| TokenKey {
        record: record(seen, kind, spki, token),
        private,
    }))
}

fn record(seen: Seen, kind: KeyKind, spki: Vec<u8>, token: &str) -> KeyRecord {
    let mut label = seen.label;
    let mut end = label.len().min(signer_wire::MAX_LABEL);
    while !label.is_char_boundary(end) {
        end -= 1;
    }
    label.truncate(end);
    KeyRecord {
        key: public_key::fingerprint(&spki),
        kind,
        label,
        spki,
        tokens: vec![token.to_owned()],
        attributes: seen.flags,
    }
}

fn read_all(
    session: &Session,
    class: ObjectClass,
    wanted: &[AttributeType],
) -> Result<Vec<(ObjectHandle, Seen)>, CkError> {
    session
        .find_objects(&[Attribute::Class(class), Attribute::Token(true)])?
        .into_iter()
        .map(|object| Seen::read(session, object, wanted).map(|seen| (object, seen)))
        .collect()
}

/// The public key of a private key that does not tell it itself.
fn partner(private: &Seen, public_keys: &[(ObjectHandle, Seen)]) -> Option<Vec<u8>> {
    let same_id: Vec<&Seen> = public_keys
        .iter()
        .map(|(_, public)| public)
        .filter(|public| public.key_type == private.key_type && public.id == private.id)
        .collect();
    let same_label: Vec<&Seen> = same_id
        .iter()
        .copied()
        .filter(|public| public.label == private.label)
        .collect();
    match (same_id.as_slice(), same_label.as_slice()) {
        ([only], _) | (_, [only]) => only.spki(),
        _ => None,
    }
}
