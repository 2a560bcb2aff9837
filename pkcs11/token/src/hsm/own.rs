//! Keys that a program makes for itself and has to get rid of: named after their public key, and destroyed by their label.
//!
//! A signing service never destroys a key. A host that makes one for each certificate does; its keys have labels that nobody else
//! uses, chosen before the key is made, so that what a killed process left is found by them.

use cryptoki::error::Error as CkError;
use cryptoki::object::{Attribute, ObjectClass, ObjectHandle};
use signer_wire::{KeyKind, KeyRecord, KeyRef};

use super::attach::Attachment;
use super::mend::Trouble;
use super::{Hsm, State};
use crate::error::Error;
use crate::keys::{Keys as _, check_label};
use crate::session::OpenSession;

impl Hsm {
    /// Makes a key pair whose CKA_ID is the SHA-256 of its SubjectPublicKeyInfo, so that a reference to it (RFC 7512) names its
    /// public key. Nothing else in the token may have the label.
    pub fn generate_own(&self, label: &str, kind: KeyKind) -> Result<KeyRecord, Error> {
        check_label(label)?;
        let taken = self.in_own_session(|session, _| labelled(session, label))?;
        if !taken.is_empty() {
            return Err(Error::Refused(format!(
                "the token {} has keys with the label {label} already",
                self.name
            )));
        }
        let record = self.generate(label, kind)?;
        let named = self.in_own_session(|session, _| {
            for object in labelled(session, label)? {
                session.update_attributes(object, &[Attribute::Id(record.key.as_bytes().to_vec())])?;
            }
            Ok(())
        });
        match named {
            Ok(()) => Ok(record),
            Err(error) => {
                // The caller would not find it; what cannot be destroyed now is found by its label.
                if let Err(error) = self.destroy_own(label) {
                    tracing::warn!(token = self.name, label, %error, "a key that could not be named is left in the token");
                }
                Err(error)
            }
        }
    }

    /// Destroys the keys with this label, and says how many objects they were.
    pub fn destroy_own(&self, label: &str) -> Result<usize, Error> {
        check_label(label)?;
        let destroyed = self.in_own_session(|session, attachment| {
            let found = labelled(session, label)?;
            for object in &found {
                session.destroy_object(*object)?;
                self.strike(attachment, *object);
            }
            Ok(found.len())
        })?;
        tracing::info!(token = self.name, label, objects = destroyed, "key destroyed");
        Ok(destroyed)
    }

    /// The label of the token as the token has it; nothing while it is away.
    pub fn token_label(&self) -> Option<String> {
        match &*self.state.read() {
            State::Attached(attachment) => Some(attachment.label.clone()),
            State::Away(_) => None,
        }
    }

    /// A key that is no more is not looked for.
    fn strike(&self, attachment: &Attachment, object: ObjectHandle) {
        let mut keys = attachment.keys.write();
        let name: Option<KeyRef> = keys
            .values()
            .find(|key| key.private == object)
            .map(|key| key.record.key);
        if let Some(name) = name {
            keys.remove(&name);
            self.forget_key(&name);
        }
    }

    fn in_own_session<T>(
        &self,
        act: impl Fn(&OpenSession, &Attachment) -> Result<T, CkError>,
    ) -> Result<T, Error> {
        self.with_mending(|attachment| {
            let _inside = self.module.enter();
            if self.module.generation() != attachment.generation {
                return Err(Trouble::Stale);
            }
            let session = OpenSession::read_write(&self.module, attachment.slot)?;
            Ok(act(&session, attachment)?)
        })
    }
}

/// The private and public keys of the token with this label.
fn labelled(session: &OpenSession, label: &str) -> Result<Vec<ObjectHandle>, CkError> {
    let mut found = Vec::new();
    for class in [ObjectClass::PRIVATE_KEY, ObjectClass::PUBLIC_KEY] {
        found.extend(session.find_objects(&[
            Attribute::Class(class),
            Attribute::Token(true),
            Attribute::Label(label.as_bytes().to_vec()),
        ])?);
    }
    Ok(found)
}
