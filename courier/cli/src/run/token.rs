//! The keys of a run that are in a token: opened when one is due, made, and destroyed when nothing refers to them any more.

use std::rc::Rc;

use super::Run;
use crate::config::KeyProvider;
use crate::failure::Failure;
use crate::key::{KeptKey, KeyReference};
use crate::token_key::{self, TokenKeys, TokenSettings};

/// The token of a run.
#[derive(Debug, Default)]
pub(super) enum Opened {
    /// Nobody has asked for it.
    #[default]
    NotYet,
    /// It is open.
    Open(Rc<TokenKeys>),
    /// It could not be opened, and is left alone until the next run.
    Failed,
}

impl Run<'_> {
    /// The token, opened when it is first asked for.
    pub(super) fn open_token(&mut self) -> Result<Rc<TokenKeys>, Failure> {
        if let Opened::Open(keys) = &self.token {
            return Ok(Rc::clone(keys));
        }
        self.watch.step("open the token");
        match self.task.site.open_token(self.task.settings) {
            Ok(keys) => {
                self.token = Opened::Open(Rc::clone(&keys));
                Ok(keys)
            }
            Err(failure) => {
                self.token = Opened::Failed;
                Err(failure)
            }
        }
    }

    /// The key of an order in a token: the one that was prepared, the one of before, or a new one.
    pub(super) fn token_key(&mut self, wanted: &TokenSettings, reuses_key: bool) -> Result<KeptKey, Failure> {
        let settings = self.task.settings;
        let keys = self.open_token()?;
        let prepared = self.memory.prepared_key(settings.key.passphrase.as_ref())?;
        let own = self.found.key.as_ref().filter(|_| reuses_key);
        let known = [prepared.as_ref(), own].into_iter().flatten();
        let fits = |reference: &&KeyReference| {
            // Whoever may write the outputs must not choose among the keys of the token.
            let is_own = self
                .state
                .token_keys
                .iter()
                .any(|note| note.label == reference.object);
            let public = keys.public_key(reference).filter(|_| is_own);
            public.is_some_and(|public| public.algorithm() == settings.key.kind.algorithm())
        };
        let found = known.filter_map(KeptKey::in_token).find(fits).cloned();
        if let Some(reference) = found {
            return Ok(KeptKey::Token(reference));
        }
        let state = (&self.memory, &mut self.state);
        let made = token_key::make(&keys, settings, wanted, state, &mut self.watch)?;
        Ok(KeptKey::Token(made))
    }

    /// Whether the token still has a key that waits for its certificate. A key in a file is at hand.
    pub(super) fn is_at_hand(&mut self, key: &KeptKey) -> Result<bool, Failure> {
        match key {
            KeptKey::File(_) => Ok(true),
            KeptKey::Token(reference) => Ok(self.open_token()?.public_key(reference).is_some()),
        }
    }

    /// Destroys what is not needed any more. What fails is tried again by the next run.
    pub(super) fn sweep(&mut self) {
        let is_lost = matches!(self.token, Opened::Failed);
        if self.task.options.is_dry || is_lost || self.state.token_keys.is_empty() {
            return;
        }
        let settings = self.task.settings;
        let open = match &self.token {
            Opened::Open(keys) => Some(Rc::clone(keys)),
            _ => None,
        };
        let site = self.task.site;
        let swept = token_key::sweep(
            settings,
            (&self.memory, &mut self.state),
            || open.map_or_else(|| site.open_token(settings), Ok),
            &mut self.watch,
        );
        match swept {
            Ok(told) => told.into_iter().for_each(|text| self.warn(&text)),
            Err(failure) => self.warn(&format!(
                "keys that are not needed any more are left in the token until the next run: {}",
                failure.told()
            )),
        }
    }

    /// The settings of the token, where the keys are in one.
    pub(super) fn wanted_token(&self) -> Option<&TokenSettings> {
        match &self.task.settings.key.provider {
            KeyProvider::File => None,
            KeyProvider::Pkcs11(wanted) => Some(wanted),
        }
    }
}
