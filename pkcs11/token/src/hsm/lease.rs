//! Doing something with a session of the pool.

use std::time::Instant;

use cryptoki::error::{Error as CkError, RvError};

use super::Hsm;
use super::attach::Attachment;
use super::mend::Trouble;
use crate::error::Error;
use crate::pool::{NoLease, Opened};
use crate::session::{OpenSession, SigningSession};

impl Hsm {
    /// Does something with a session of the pool; the session goes with an error.
    pub(super) fn with_session<T>(
        &self,
        attachment: &Attachment,
        deadline: Instant,
        work: impl FnOnce(&mut SigningSession) -> Result<T, CkError>,
    ) -> Result<T, Trouble> {
        let mut lease = match self.pool.lease(deadline, || self.open_session(attachment)) {
            Ok(lease) => lease,
            Err(NoLease::Busy) => {
                return Err(Trouble::Final(Error::NoSession {
                    token: self.name.clone(),
                }));
            }
            Err(NoLease::Failed(error)) => return Err(Trouble::Module(error)),
        };
        let session = lease.session().ok_or(Trouble::Stale)?;
        let _inside = self.module.enter();
        if session.session().generation() != attachment.generation
            || self.module.generation() != attachment.generation
        {
            return Err(Trouble::Stale);
        }
        let outcome = work(session)?;
        lease.keep();
        Ok(outcome)
    }

    fn open_session(&self, attachment: &Attachment) -> Result<Opened<SigningSession, CkError>, CkError> {
        match OpenSession::read_only(&self.module, attachment.slot) {
            Ok(session) => Ok(Opened::Session(SigningSession::new(session))),
            Err(CkError::Pkcs11(RvError::SessionCount, _)) => Ok(Opened::NoMore),
            // What other modules say when there are too many.
            Err(
                error @ CkError::Pkcs11(
                    RvError::DeviceMemory
                    | RvError::HostMemory
                    | RvError::GeneralError
                    | RvError::FunctionFailed
                    | RvError::VendorDefined(_)
                    | RvError::UnknownErrorCode(_),
                    _,
                ),
            ) => Ok(Opened::PerhapsNoMore(error)),
            Err(error) => Err(error),
        }
    }
}
