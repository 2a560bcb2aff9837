//! The connection to the signing service: many requests in flight at a time, signatures that wait together sent together.
//!
//! One task owns the socket. It connects when there is something to ask, and after a failure not sooner than a pause
//! allows, so that a service that is starting up is neither missed for long nor flooded. When the connection breaks,
//! everything in flight fails at once: nobody can know whether it was signed.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use signer_wire::{FRAME_HEADER, MAX_BATCH, Priority, Reply, Request, Sign, SignBatch, body_length};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::signer::fault::SignFault;

/// Signatures sent in one frame: enough to spare frames, few enough that the first does not wait long for the last, and that
/// a token always has the next frame when one is answered.
const BATCH: usize = if MAX_BATCH < 16 { MAX_BATCH } else { 16 };
/// The pause after a failed attempt to connect.
const PAUSE: Duration = Duration::from_millis(100);
/// How long an attempt to connect may take.
const CONNECT: Duration = Duration::from_secs(2);

/// Where an answer goes.
type Answer<T> = oneshot::Sender<Result<T, SignFault>>;

/// A signature somebody waits for.
#[derive(Debug)]
pub(super) struct SignCall {
    pub(super) item: Sign,
    pub(super) priority: Priority,
    pub(super) until: Instant,
    pub(super) answer: Answer<Vec<u8>>,
}

/// What the task is asked to do.
#[derive(Debug)]
pub(super) enum Call {
    Sign(SignCall),
    Ask { request: Request, answer: Answer<Reply> },
}

/// Who waits for a frame's reply.
enum Waiting {
    Signatures(Vec<Answer<Vec<u8>>>),
    Reply(Answer<Reply>),
}

/// Serves calls until there can be no more of them.
pub(super) async fn serve(socket: PathBuf, mut calls: mpsc::Receiver<Call>) {
    let mut pause_until: Option<(Instant, String)> = None;
    while let Some(first) = calls.recv().await {
        if let Some((until, detail)) = &pause_until
            && Instant::now() < *until
        {
            refuse(first, &SignFault::unreachable(detail));
            continue;
        }
        match connect(&socket).await {
            Ok(stream) => {
                pause_until = None;
                Connection::new(stream).run(first, &mut calls).await;
            }
            Err(detail) => {
                tracing::warn!(socket = %socket.display(), detail, "the signing service cannot be reached");
                refuse(first, &SignFault::unreachable(&detail));
                pause_until = Some((Instant::now() + PAUSE, detail));
            }
        }
    }
}

async fn connect(socket: &PathBuf) -> Result<UnixStream, String> {
    match tokio::time::timeout(CONNECT, UnixStream::connect(socket)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(format!("{}: {error}", socket.display())),
        Err(_) => Err(format!("{}: no answer", socket.display())),
    }
}

fn refuse(call: Call, fault: &SignFault) {
    // A caller that went away needs no answer; the same holds wherever an answer is sent here.
    match call {
        Call::Sign(sign) => drop(sign.answer.send(Err(fault.clone()))),
        Call::Ask { answer, .. } => drop(answer.send(Err(fault.clone()))),
    }
}

struct Connection {
    writer: tokio::net::unix::OwnedWriteHalf,
    /// Never full, so that a service busy writing replies is always read from; no longer than what is in flight.
    replies: mpsc::UnboundedReceiver<Result<(u64, Reply), String>>,
    reader: JoinHandle<()>,
    waiting: HashMap<u64, Waiting>,
    next_id: u64,
    frames: Vec<u8>,
}

impl Connection {
    fn new(stream: UnixStream) -> Self {
        let (read, writer) = stream.into_split();
        let (sender, replies) = mpsc::unbounded_channel();
        let reader = tokio::spawn(read_replies(BufReader::new(read), sender));
        Self {
            writer,
            replies,
            reader,
            waiting: HashMap::new(),
            next_id: 1,
            frames: Vec::new(),
        }
    }

    /// Sends and receives until the connection breaks or there are no more callers.
    async fn run(mut self, first: Call, calls: &mut mpsc::Receiver<Call>) {
        let mut broken = self.send(first, calls).await.err();
        while broken.is_none() {
            tokio::select! {
                call = calls.recv() => match call {
                    Some(call) => broken = self.send(call, calls).await.err(),
                    None => break,
                },
                reply = self.replies.recv() => match reply {
                    Some(Ok((id, reply))) => self.deliver(id, reply),
                    Some(Err(detail)) => broken = Some(detail),
                    None => broken = Some("the connection was closed".to_owned()),
                },
            }
        }
        self.reader.abort();
        let detail = broken.unwrap_or_default();
        if !self.waiting.is_empty() {
            tracing::warn!(
                detail,
                in_flight = self.waiting.len(),
                "the connection to the signing service broke"
            );
        }
        let fault = SignFault::cut_off(&detail);
        for waiting in self.waiting.into_values() {
            waiting.fail(&fault);
        }
    }

    /// Writes a call and whatever waits behind it, signatures of one priority in one frame. A frame, its reply and the line
    /// about it cost as much as a signature; so whoever is ready to ask has a turn first, which nobody waits for when
    /// there is nobody.
    async fn send(&mut self, first: Call, calls: &mut mpsc::Receiver<Call>) -> Result<(), String> {
        tokio::task::yield_now().await;
        let mut batch: Vec<SignCall> = Vec::new();
        let mut next = Some(first);
        while let Some(call) = next.take() {
            match call {
                // Its caller has given up already.
                Call::Sign(sign) if sign.answer.is_closed() => {}
                Call::Sign(sign) => {
                    if batch.len() == BATCH || batch.first().is_some_and(|one| one.priority != sign.priority)
                    {
                        self.write_batch(std::mem::take(&mut batch));
                    }
                    batch.push(sign);
                }
                Call::Ask { request, answer } => self.write(&request, Waiting::Reply(answer)),
            }
            next = calls.try_recv().ok();
        }
        self.write_batch(batch);
        let outcome = self.writer.write_all(&self.frames).await;
        self.frames.clear();
        outcome.map_err(|error| error.to_string())
    }

    fn write_batch(&mut self, batch: Vec<SignCall>) {
        let Some(priority) = batch.first().map(|call| call.priority) else {
            return;
        };
        let now = Instant::now();
        let latest = batch
            .iter()
            .map(|call| call.until.saturating_duration_since(now))
            .max()
            .unwrap_or_default();
        let (items, answers) = batch.into_iter().map(|call| (call.item, call.answer)).unzip();
        // Zero would mean the service's own limit.
        let deadline_ms = u32::try_from(latest.as_millis()).unwrap_or(u32::MAX).max(1);
        self.write(
            &Request::Sign(SignBatch {
                priority,
                deadline_ms,
                items,
            }),
            Waiting::Signatures(answers),
        );
    }

    fn write(&mut self, request: &Request, waiting: Waiting) {
        let id = self.next_id;
        self.next_id += 1;
        match request.encode(id, &mut self.frames) {
            Ok(()) => drop(self.waiting.insert(id, waiting)),
            Err(fault) => waiting.fail(&SignFault::unexpected(fault.to_string())),
        }
    }

    fn deliver(&mut self, id: u64, reply: Reply) {
        match (self.waiting.remove(&id), reply) {
            (Some(Waiting::Signatures(answers)), Reply::Signatures(outcomes))
                if answers.len() == outcomes.len() =>
            {
                for (answer, outcome) in answers.into_iter().zip(outcomes) {
                    let _ = answer.send(outcome.map_err(SignFault::from));
                }
            }
            (Some(Waiting::Reply(answer)), reply) => drop(answer.send(Ok(reply))),
            (Some(waiting), Reply::Fault(fault)) => waiting.fail(&fault.into()),
            (Some(waiting), _) => waiting.fail(&SignFault::unexpected(
                "the signing service answered something else",
            )),
            (None, _) => tracing::warn!(id, "the signing service answered what nobody asked"),
        }
    }
}

impl Waiting {
    fn fail(self, fault: &SignFault) {
        match self {
            Self::Signatures(answers) => {
                for answer in answers {
                    let _ = answer.send(Err(fault.clone()));
                }
            }
            Self::Reply(answer) => drop(answer.send(Err(fault.clone()))),
        }
    }
}

/// Reads frames until the connection ends; the end or a fault is the last message.
async fn read_replies(
    mut reader: BufReader<OwnedReadHalf>,
    replies: mpsc::UnboundedSender<Result<(u64, Reply), String>>,
) {
    loop {
        let reply = read_reply(&mut reader).await;
        let is_end = reply.is_err();
        if replies.send(reply).is_err() || is_end {
            return;
        }
    }
}

async fn read_reply(reader: &mut BufReader<OwnedReadHalf>) -> Result<(u64, Reply), String> {
    let mut header = [0; FRAME_HEADER];
    reader
        .read_exact(&mut header)
        .await
        .map_err(|error| error.to_string())?;
    let length = body_length(header).map_err(|fault| fault.to_string())?;
    let mut body = vec![0; length];
    reader
        .read_exact(&mut body)
        .await
        .map_err(|error| error.to_string())?;
    Reply::decode(&body).map_err(|fault| fault.to_string())
}
