//! Mending: what is done between two attempts at an operation on the token.

use std::sync::Arc;
use std::time::Instant;

use cryptoki::error::{Error as CkError, RvError};

use super::Hsm;
use super::attach::{self, Attachment};
use crate::error::Error;
use crate::module_error::{describe, describe_ref};
use crate::recovery::{Recovery, recovery_of};

/// Attempts at one operation, with mending between them.
const ATTEMPTS: u32 = 4;

/// What an operation on the token met.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The module's answer; may be mended.
    Module(CkError),
    /// Anything else; is not mended.
    Final(Error),
    /// The module was initialised anew while the operation was under way.
    Stale,
}

impl From<CkError> for Trouble {
    fn from(error: CkError) -> Self {
        Self::Module(error)
    }
}

impl Hsm {
    /// Runs an operation, mending what can be mended between attempts.
    pub(super) fn with_mending<T>(
        &self,
        operation: impl Fn(&Attachment) -> Result<T, Trouble>,
    ) -> Result<T, Error> {
        let mut attempt = 0;
        loop {
            let may_try_again = attempt + 1 < ATTEMPTS;
            match self.attached() {
                Ok(attachment) => match operation(&attachment) {
                    Ok(value) => return Ok(value),
                    Err(Trouble::Final(error)) => return Err(error),
                    Err(Trouble::Stale) if may_try_again => {}
                    Err(Trouble::Stale) => {
                        return Err(self.absent("the module does not come to rest".to_owned()));
                    }
                    Err(Trouble::Module(error)) => self.mend(error, attempt, &attachment)?,
                },
                // The library lost its footing while the token was attached anew: that is the library's fault alone.
                Err(error) if may_try_again && error.is_of_void_module() => {
                    let _one = self.attaching.lock();
                    self.renew_void_module()?;
                }
                Err(error) => {
                    if error.is_of_void_module() {
                        self.go_away(&error.to_fault().message);
                    }
                    return Err(error);
                }
            }
            attempt += 1;
        }
    }

    /// Does what the class of an error asks for; `Ok` means that another attempt is worth it.
    fn mend(&self, error: CkError, attempt: u32, attachment: &Arc<Attachment>) -> Result<(), Error> {
        let class = recovery_of(&error);
        tracing::debug!(token = self.name, error = %describe_ref(&error), ?class, attempt, "a call into the module failed");
        match class {
            Recovery::OtherToken => {
                if self.is_gone() {
                    let detail = describe(error);
                    self.go_away(&detail);
                    return Err(self.absent(detail));
                }
                Err(self.failed(error))
            }
            Recovery::Fatal => Err(self.failed(error)),
            _ if attempt + 1 >= ATTEMPTS => Err(self.failed(error)),
            Recovery::Retry => Ok(()),
            Recovery::LogInAgain => attach::log_in_again(self, attachment),
            // A device error of one call can be the session's; the module is disturbed only when a new session
            // fares no better.
            Recovery::Reinitialise if attempt > 0 => self.reinitialise(error, attachment),
            Recovery::NewSession | Recovery::Reinitialise => {
                // A module may answer with a general error what is a lost login, so the second time it is looked at.
                if attempt > 0 || names_an_object(&error) {
                    attach::find_again(self, attachment)?;
                }
                Ok(())
            }
        }
    }

    /// Initialises the module anew: at once when the library as a whole says that it is not initialised, because then it works
    /// for none of its tokens.
    fn reinitialise(&self, error: CkError, attachment: &Attachment) -> Result<(), Error> {
        let is_done = {
            let _one = self.attaching.lock();
            match self.renew_void_module() {
                Ok(true) => Ok(true),
                Ok(false) => self
                    .module
                    .start_over(attachment.generation, Instant::now())
                    .map_err(|source| self.failed(source)),
                Err(error) => Err(error),
            }
        };
        match is_done {
            Ok(true) => match self.attach() {
                // Met again, and mended, by the next attempt.
                Err(again) if again.is_of_void_module() => Ok(()),
                outcome => outcome.map(drop),
            },
            Ok(false) => Err(self.failed(error)),
            Err(error) => {
                self.go_away(&error.to_fault().message);
                Err(error)
            }
        }
    }

    /// Initialises the library when it says itself that it is not initialised; says whether it did.
    pub(super) fn renew_void_module(&self) -> Result<bool, Error> {
        let (is_void, generation) = {
            let _inside = self.module.enter();
            (self.module.is_void(), self.module.generation())
        };
        if is_void {
            self.module
                .reinitialise(generation, 0)
                .map_err(|source| self.failed(source))?;
        }
        Ok(is_void)
    }

    /// Whether the token is no longer in its slot.
    pub(super) fn is_gone(&self) -> bool {
        let _inside = self.module.enter();
        attach::find_slot(&self.module, &self.selector).is_err()
    }
}

/// Whether the handle of a key is what the module did not like.
const fn names_an_object(error: &CkError) -> bool {
    matches!(
        error,
        CkError::Pkcs11(RvError::KeyHandleInvalid | RvError::ObjectHandleInvalid, _)
    )
}
