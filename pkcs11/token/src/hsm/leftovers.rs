//! What an attempt to make a key has left in the token.
//!
//! A module may answer `C_GenerateKeyPair` with an error after one object of the pair is in the token, or both: the connection
//! was lost on the way back, say. Each key is made under a CKA_ID of its own, which no other key has; whatever has it after an
//! attempt that failed is of no use to anybody and is destroyed, before the next attempt and after the last. What cannot be
//! destroyed because the token is away is remembered, and destroyed when it is back. A process that ends before that forgets
//! it: the log has named it, and a whole key among them shows in the list of keys.

use cryptoki::error::Error as CkError;
use cryptoki::object::Attribute;

use super::Hsm;
use super::attach::Attachment;
use super::mend::Trouble;
use crate::session::OpenSession;

/// The CKA_ID of a key that is being made.
pub(super) type KeyId = [u8; 16];

impl Hsm {
    /// Destroys what has this identifier, and says how much it was.
    pub(super) fn sweep(
        &self,
        session: &OpenSession,
        attachment: &Attachment,
        id: &KeyId,
    ) -> Result<usize, CkError> {
        let found = session.find_objects(&[Attribute::Token(true), Attribute::Id(id.to_vec())])?;
        for object in &found {
            session.destroy_object(*object)?;
            let mut keys = attachment.keys.write();
            let name = keys.values().find(|key| key.private == *object);
            if let Some(name) = name.map(|key| key.record.key) {
                keys.remove(&name);
                self.forget_key(&name);
            }
        }
        Ok(found.len())
    }

    /// Destroys what an attempt has left that will not be made again; what cannot be destroyed now is remembered.
    pub(super) fn abandon(&self, label: &str, id: KeyId) {
        if let Err(error) = self.clear_away(&id) {
            tracing::warn!(
                token = self.name, label, %error,
                "what the attempt to make a key may have left in the token is destroyed when the token is back"
            );
            self.leftovers.lock().push(id);
        }
    }

    /// Destroys what was remembered. What fails stays remembered.
    pub(super) fn clear_leftovers(&self) {
        let ids = std::mem::take(&mut *self.leftovers.lock());
        for id in ids {
            if self.clear_away(&id).is_err() {
                self.leftovers.lock().push(id);
            }
        }
    }

    fn clear_away(&self, id: &KeyId) -> Result<(), crate::error::Error> {
        let destroyed = self.with_mending(|attachment| self.clear_away_once(attachment, id))?;
        if destroyed > 0 {
            tracing::info!(
                token = self.name,
                destroyed,
                "what the attempt to make a key had left in the token is destroyed"
            );
        }
        Ok(())
    }

    fn clear_away_once(&self, attachment: &Attachment, id: &KeyId) -> Result<usize, Trouble> {
        let _inside = self.module.enter();
        if self.module.generation() != attachment.generation {
            return Err(Trouble::Stale);
        }
        let session = OpenSession::read_write(&self.module, attachment.slot)?;
        Ok(self.sweep(&session, attachment, id)?)
    }
}
