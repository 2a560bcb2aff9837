//! Making a key pair inside the token.
//!
//! The private key is made sensitive, not extractable and for signing only; what the token really made is read back,
//! because a template is a wish, and a key that could leave the token is destroyed. A test signature is verified with
//! the public key before the pair is handed out. Until then whatever is in the token under its identifier is destroyed with
//! the first failure, also what the module made and did not tell of (`leftovers.rs`).

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::rand;
use cryptoki::error::{Error as CkError, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, MlDsaParameterSetType, ObjectClass, ObjectHandle};
use signer_wire::{Input, KeyKind, KeyRecord, Scheme};

use super::Hsm;
use super::attach::Attachment;
use super::leftovers::KeyId;
use super::mend::Trouble;
use crate::error::Error;
use crate::find;
use crate::keys::{Keys, check_label};
use crate::public_key;
use crate::session::OpenSession;

/// RFC 8017: 65537, which every relying party takes.
const PUBLIC_EXPONENT: [u8; 3] = [1, 0, 1];

/// Uses a signing key must not have.
const OTHER_USES: [AttributeType; 4] = [
    AttributeType::Decrypt,
    AttributeType::Unwrap,
    AttributeType::SignRecover,
    AttributeType::Derive,
];

pub(super) fn generate(hsm: &Hsm, label: &str, kind: KeyKind) -> Result<KeyRecord, Error> {
    check_label(label)?;
    let recipe = Recipe::of(kind)?;
    let mut id = [0; 16];
    rand::fill(&mut id).map_err(|_| Error::Software("no randomness"))?;
    let attempts = AtomicU32::new(0);
    let made = hsm.with_mending(|attachment| make(hsm, attachment, &recipe, label, &id, &attempts));
    let record = made
        .and_then(|record| test(hsm, &record).map(|()| record))
        .inspect_err(|_| {
            if attempts.load(Ordering::Relaxed) > 0 {
                hsm.abandon(label, id);
            }
        })?;
    tracing::info!(token = hsm.name, label, %kind, key = %record.key, "key made in the token");
    Ok(record)
}

/// A mechanism, and what the public template says of the kind, in the words that different modules understand.
struct Recipe {
    mechanism: Mechanism<'static>,
    key_type: KeyType,
    /// The attributes that name the kind, one set after the other until the module takes one.
    particulars: Vec<Vec<Attribute>>,
}

impl Recipe {
    fn of(kind: KeyKind) -> Result<Self, Error> {
        let curve = |params: Vec<u8>| vec![Attribute::EcParams(params)];
        let ml_dsa = |set: MlDsaParameterSetType| Self {
            mechanism: Mechanism::MlDsaKeyPairGen,
            key_type: KeyType::ML_DSA,
            particulars: vec![vec![Attribute::ParameterSet(set.into())]],
        };
        Ok(match kind {
            KeyKind::Rsa(bits @ (2048 | 3072 | 4096)) => Self {
                mechanism: Mechanism::RsaPkcsKeyPairGen,
                key_type: KeyType::RSA,
                particulars: vec![vec![
                    Attribute::ModulusBits(u64::from(bits).into()),
                    Attribute::PublicExponent(PUBLIC_EXPONENT.to_vec()),
                ]],
            },
            KeyKind::Rsa(bits) => {
                return Err(Error::Refused(format!(
                    "RSA keys are made with 2048, 3072 or 4096 bits, not {bits}"
                )));
            }
            KeyKind::P256 | KeyKind::P384 | KeyKind::P521 => Self {
                mechanism: Mechanism::EccKeyPairGen,
                key_type: KeyType::EC,
                particulars: vec![curve(
                    public_key::ec_params(kind).ok_or(Error::Software("no such curve"))?,
                )],
            },
            KeyKind::Ed25519 => Self {
                mechanism: Mechanism::EccEdwardsKeyPairGen,
                key_type: KeyType::EC_EDWARDS,
                particulars: vec![
                    curve(public_key::ec_params(kind).ok_or(Error::Software("no such curve"))?),
                    curve(public_key::ED25519_NAME.to_vec()),
                ],
            },
            KeyKind::MlDsa44 => ml_dsa(MlDsaParameterSetType::ML_DSA_44),
            KeyKind::MlDsa65 => ml_dsa(MlDsaParameterSetType::ML_DSA_65),
            KeyKind::MlDsa87 => ml_dsa(MlDsaParameterSetType::ML_DSA_87),
        })
    }

    fn public(&self, label: &str, id: &[u8], particulars: &[Attribute]) -> Vec<Attribute> {
        let mut template = vec![
            Attribute::Class(ObjectClass::PUBLIC_KEY),
            Attribute::KeyType(self.key_type),
            Attribute::Token(true),
            Attribute::Verify(true),
            Attribute::Label(label.as_bytes().to_vec()),
            Attribute::Id(id.to_vec()),
        ];
        template.extend_from_slice(particulars);
        template
    }

    fn private(&self, label: &str, id: &[u8], uses: &[Attribute]) -> Vec<Attribute> {
        let mut template = vec![
            Attribute::Class(ObjectClass::PRIVATE_KEY),
            Attribute::KeyType(self.key_type),
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
            Attribute::Label(label.as_bytes().to_vec()),
            Attribute::Id(id.to_vec()),
        ];
        template.extend_from_slice(uses);
        template
    }

    /// The uses that are switched off: all of them for modules that know all, and fewer for modules that refuse an
    /// attribute their kind of key does not have. What they made of it is read back.
    fn uses(&self) -> [Vec<Attribute>; 3] {
        let off = vec![
            Attribute::Decrypt(false),
            Attribute::Unwrap(false),
            Attribute::SignRecover(false),
        ];
        let all = off.iter().cloned().chain([Attribute::Derive(false)]).collect();
        if self.key_type == KeyType::RSA {
            [all, off, Vec::new()]
        } else {
            [all, vec![Attribute::Derive(false)], Vec::new()]
        }
    }
}

fn make(
    hsm: &Hsm,
    attachment: &Attachment,
    recipe: &Recipe,
    label: &str,
    id: &KeyId,
    attempts: &AtomicU32,
) -> Result<KeyRecord, Trouble> {
    let _inside = hsm.module.enter();
    if hsm.module.generation() != attachment.generation {
        return Err(Trouble::Stale);
    }
    let session = OpenSession::read_write(&hsm.module, attachment.slot)?;
    let ask = |public: &[Attribute], private: &[Attribute]| {
        // Whatever the module said of an earlier attempt: of two pairs nobody would know which is the key.
        if attempts.fetch_add(1, Ordering::Relaxed) > 0 {
            hsm.sweep(&session, attachment, id)?;
        }
        session.generate_key_pair(&recipe.mechanism, public, private)
    };
    let (public, private) = make_pair(ask, recipe, label, id).map_err(|error| full(&hsm.name, error))?;
    let key = read_back(hsm, &session, public, private)?;
    let record = key.record.clone();
    attachment.keys.write().insert(record.key, key);
    Ok(record)
}

/// Asks for the pair with one template after the other, until the module takes one or says something that another
/// template does not change.
fn make_pair(
    ask: impl Fn(&[Attribute], &[Attribute]) -> Result<(ObjectHandle, ObjectHandle), CkError>,
    recipe: &Recipe,
    label: &str,
    id: &[u8],
) -> Result<(ObjectHandle, ObjectHandle), CkError> {
    let mut last = CkError::InvalidValue;
    for particulars in &recipe.particulars {
        for uses in recipe.uses() {
            let public = recipe.public(label, id, particulars);
            let private = recipe.private(label, id, &uses);
            match ask(&public, &private) {
                Ok(pair) => return Ok(pair),
                Err(error) if blames_template(&error) => last = error,
                Err(error) => return Err(error),
            }
        }
    }
    Err(last)
}

const fn blames_template(error: &CkError) -> bool {
    matches!(
        error,
        CkError::Pkcs11(
            RvError::TemplateInconsistent
                | RvError::AttributeTypeInvalid
                | RvError::AttributeValueInvalid
                | RvError::AttributeReadOnly
                | RvError::CurveNotSupported
                | RvError::DomainParamsInvalid,
            _
        )
    )
}

/// A token that is full, or makes no such keys, in words of its own.
fn full(token: &str, error: CkError) -> Trouble {
    match error {
        CkError::Pkcs11(RvError::DeviceMemory, _) => Trouble::Final(Error::TokenFull {
            token: token.to_owned(),
        }),
        CkError::Pkcs11(RvError::MechanismInvalid, _) => Trouble::Final(Error::Refused(format!(
            "the token {token} makes no keys of this kind"
        ))),
        other => Trouble::Module(other),
    }
}

/// What the token really made, held against what was asked for.
fn read_back(
    hsm: &Hsm,
    session: &OpenSession,
    public: ObjectHandle,
    private: ObjectHandle,
) -> Result<find::TokenKey, Trouble> {
    let refused = |what: &str| {
        Trouble::Final(Error::Refused(format!(
            "the token {} made a key {what}; it is destroyed",
            hsm.name
        )))
    };
    let key = find::pair(session, &hsm.name, public, private)?
        .ok_or_else(|| refused("that cannot sign or has no public key"))?;
    if !key.record.attributes.sensitive || key.record.attributes.extractable {
        return Err(refused("that could leave the token"));
    }
    for attribute in session.get_attributes(private, &OTHER_USES)? {
        match attribute {
            Attribute::Decrypt(true)
            | Attribute::Unwrap(true)
            | Attribute::SignRecover(true)
            | Attribute::Derive(true) => return Err(refused("for more than signing")),
            _ => {}
        }
    }
    Ok(key)
}

/// Signs something with the new key and verifies it.
fn test(hsm: &Hsm, record: &KeyRecord) -> Result<(), Error> {
    let message = b"chancery: the first signature of a key".to_vec();
    let scheme = Scheme::default_for(record.kind);
    let deadline = Some(Instant::now() + Duration::from_secs(30));
    let signature = hsm.sign(&record.key, scheme, &Input::Message(message.clone()), deadline)?;
    if public_key::verify(&record.spki, scheme, &message, &signature) {
        Ok(())
    } else {
        Err(Error::Refused(format!(
            "the token {} made a key whose signature is wrong",
            hsm.name
        )))
    }
}

#[cfg(test)]
mod tests {
    use cryptoki::context::Function;

    use super::*;

    #[test]
    fn a_full_token_is_called_full_and_is_not_mended() {
        let said = |code| full("hsm-1", CkError::Pkcs11(code, Function::GenerateKeyPair));
        assert!(
            matches!(said(RvError::DeviceMemory), Trouble::Final(Error::TokenFull { token }) if token == "hsm-1")
        );
        assert!(matches!(
            said(RvError::MechanismInvalid),
            Trouble::Final(Error::Refused(_))
        ));
        assert!(matches!(said(RvError::SessionClosed), Trouble::Module(_)));
    }

    #[test]
    fn another_template_is_tried_only_when_the_template_is_blamed() {
        let blamed = |code| blames_template(&CkError::Pkcs11(code, Function::GenerateKeyPair));
        assert!(blamed(RvError::TemplateInconsistent) && blamed(RvError::AttributeTypeInvalid));
        assert!(!blamed(RvError::DeviceMemory) && !blamed(RvError::MechanismInvalid));
    }
}
