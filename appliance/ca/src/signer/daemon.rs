//! The client of the signing service: what a caller asks, handed to the task that owns the right connection.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use signer_wire::{
    Generate, Import, KeyRecord, Priority, Reply, Request, SealedKey, ServiceStatus, Sign, SubjectKeyRequest,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::signer::connection::{self, Call, SignCall};
use crate::signer::fault::SignFault;

/// Requests that may wait for the connection; the service has its own, larger queue behind it.
const QUEUE: usize = 4096;
/// Making a key in a slow token takes its time (RSA-4096 in a smart card: minutes).
const GENERATE_DEADLINE: Duration = Duration::from_mins(3);
/// A key for a courier is made in software: RSA-4096 takes seconds, and a few may be made before it.
const SUBJECT_KEY_DEADLINE: Duration = Duration::from_mins(1);
/// How long everything else may take.
const LOOK_DEADLINE: Duration = Duration::from_secs(10);

/// A client of the signing service. All clones share its connections.
#[derive(Clone, Debug)]
pub(super) struct Daemon {
    socket: Arc<Path>,
    calls: mpsc::Sender<Call>,
    /// What relying parties wait for has a connection of its own, on the threads that answer them: neither stands behind
    /// certificates, and nobody on other threads has to be woken.
    on_demand: Arc<OnceLock<mpsc::Sender<Call>>>,
}

impl Daemon {
    pub(super) fn new(socket: &Path) -> Self {
        Self {
            socket: socket.into(),
            calls: connect(socket),
            on_demand: Arc::default(),
        }
    }

    pub(super) async fn sign(
        &self,
        item: Sign,
        priority: Priority,
        deadline: Duration,
    ) -> Result<Vec<u8>, SignFault> {
        let (answer, outcome) = oneshot::channel();
        let until = Instant::now() + deadline;
        let calls = match priority {
            Priority::OcspOnDemand => self.on_demand.get_or_init(|| connect(&self.socket)),
            _ => &self.calls,
        };
        let call = Call::Sign(SignCall {
            item,
            priority,
            until,
            answer,
        });
        hand_over(calls, call)?;
        wait(outcome, until).await
    }

    pub(super) async fn generate(&self, generate: Generate) -> Result<KeyRecord, SignFault> {
        match self.ask(Request::Generate(generate), GENERATE_DEADLINE).await? {
            Reply::Key(record) => Ok(record),
            other => Err(unexpected(&other)),
        }
    }

    pub(super) async fn import(&self, import: Import) -> Result<KeyRecord, SignFault> {
        match self.ask(Request::ImportSoftware(import), LOOK_DEADLINE).await? {
            Reply::Key(record) => Ok(record),
            other => Err(unexpected(&other)),
        }
    }

    pub(super) async fn subject_key(&self, request: SubjectKeyRequest) -> Result<SealedKey, SignFault> {
        match self
            .ask(Request::SubjectKey(request), SUBJECT_KEY_DEADLINE)
            .await?
        {
            Reply::SealedKey(key) => Ok(key),
            other => Err(unexpected(&other)),
        }
    }

    pub(super) async fn list(&self) -> Result<Vec<KeyRecord>, SignFault> {
        match self.ask(Request::List, LOOK_DEADLINE).await? {
            Reply::Keys(records) => Ok(records),
            other => Err(unexpected(&other)),
        }
    }

    pub(super) async fn status(&self) -> Result<ServiceStatus, SignFault> {
        match self.ask(Request::Status, LOOK_DEADLINE).await? {
            Reply::Status(status) => Ok(status),
            other => Err(unexpected(&other)),
        }
    }

    async fn ask(&self, request: Request, deadline: Duration) -> Result<Reply, SignFault> {
        let (answer, outcome) = oneshot::channel();
        let until = Instant::now() + deadline;
        hand_over(&self.calls, Call::Ask { request, answer })?;
        match wait(outcome, until).await? {
            Reply::Fault(fault) => Err(fault.into()),
            reply => Ok(reply),
        }
    }
}

/// A connection, kept up by a task where this is called. The task ends when the last clone of the client is gone.
fn connect(socket: &Path) -> mpsc::Sender<Call> {
    let (calls, waiting) = mpsc::channel(QUEUE);
    tokio::spawn(connection::serve(socket.to_owned(), waiting));
    calls
}

fn hand_over(calls: &mpsc::Sender<Call>, call: Call) -> Result<(), SignFault> {
    calls.try_send(call).map_err(|error| match error {
        mpsc::error::TrySendError::Full(_) => SignFault::overloaded(),
        mpsc::error::TrySendError::Closed(_) => SignFault::unreachable("its client has stopped"),
    })
}

async fn wait<T>(outcome: oneshot::Receiver<Result<T, SignFault>>, until: Instant) -> Result<T, SignFault> {
    match tokio::time::timeout_at(until, outcome).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(SignFault::cut_off("its client has stopped")),
        Err(_) => Err(SignFault::deadline()),
    }
}

fn unexpected(reply: &Reply) -> SignFault {
    let kind = match reply {
        Reply::Signatures(_) => "signatures",
        Reply::Key(_) => "a key",
        Reply::Keys(_) => "keys",
        Reply::Status(_) => "a status",
        Reply::Fault(_) => "a fault",
        Reply::SealedKey(_) => "an encrypted key",
    };
    SignFault::unexpected(format!(
        "the signing service answered with {kind}, which was not asked for"
    ))
}
