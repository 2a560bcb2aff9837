//! The connection to the signing service: many requests in flight at a time, signatures that wait together sent together.
//!
//! One task owns the socket of a connection. It connects when there is something to ask, and after a failure not sooner than
//! a pause allows, so that a service that is starting up is neither missed for long nor flooded. When the connection breaks,
//! everything in flight on it fails at once: nobody can know whether it was signed.

mod gather;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use signer_wire::{FRAME_HEADER, Priority, Reply, Request, Sign, SignBatch, body_length};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::signer::fault::SignFault;
use gather::{Gather, Sent};

/// The pause after a failed attempt to connect.
const PAUSE: Duration = Duration::from_millis(100);
/// How long an attempt to connect may take.
const CONNECT: Duration = Duration::from_secs(2);
/// How often a busy connection asks how many sessions the service signs with.
const LOOK: Duration = Duration::from_secs(1);

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
    Signatures(Sent, Vec<Answer<Vec<u8>>>),
    Reply(Answer<Reply>),
    /// This connection itself, for the number of sessions.
    Sessions,
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
    gather: Gather,
    next_id: u64,
    frames: Vec<u8>,
    looked: Option<Instant>,
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
            gather: Gather::default(),
            next_id: 1,
            frames: Vec::new(),
            looked: None,
        }
    }

    /// Sends and receives until the connection breaks or there are no more callers.
    async fn run(mut self, first: Call, calls: &mut mpsc::Receiver<Call>) {
        let mut broken = self.send(first, calls).await.err();
        let alarm = tokio::time::sleep(Duration::ZERO);
        tokio::pin!(alarm);
        while broken.is_none() {
            let until = self.gather.until();
            if let Some(until) = until
                && until != alarm.deadline()
            {
                alarm.as_mut().reset(until);
            }
            tokio::select! {
                call = calls.recv() => match call {
                    Some(call) => broken = self.send(call, calls).await.err(),
                    None => break,
                },
                reply = self.replies.recv() => match reply {
                    Some(Ok((id, reply))) => {
                        self.deliver(id, reply);
                        broken = self.send_gathered().await.err();
                    }
                    Some(Err(detail)) => broken = Some(detail),
                    None => broken = Some("the connection was closed".to_owned()),
                },
                () = &mut alarm, if until.is_some() => broken = self.send_gathered().await.err(),
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
        for call in self.gather.into_calls() {
            refuse(Call::Sign(call), &SignFault::unreachable(&detail));
        }
    }

    /// Takes in a call and whatever waits behind it, and sends what need not wait. A frame, its reply and the line about it
    /// cost as much as a signature; so whoever is ready to ask has a turn first, which nobody waits for when there is
    /// nobody.
    async fn send(&mut self, first: Call, calls: &mut mpsc::Receiver<Call>) -> Result<(), String> {
        tokio::task::yield_now().await;
        let mut next = Some(first);
        while let Some(call) = next.take() {
            match call {
                // Its caller has given up already.
                Call::Sign(sign) if sign.answer.is_closed() => {}
                Call::Sign(sign) => self.gather.take_in(sign),
                Call::Ask { request, answer } => self.write(&request, Waiting::Reply(answer)),
            }
            next = calls.try_recv().ok();
        }
        let now = Instant::now();
        if self.looked.is_none_or(|looked| now > looked + LOOK) {
            self.looked = Some(now);
            self.write(&Request::Status, Waiting::Sessions);
        }
        self.send_gathered().await
    }

    /// Sends the signatures that need not wait for others, and whatever was written before.
    async fn send_gathered(&mut self) -> Result<(), String> {
        let now = Instant::now();
        while let Some((sent, batch)) = self.gather.next_batch(now) {
            self.write_batch(sent, batch);
        }
        if self.frames.is_empty() {
            return Ok(());
        }
        let outcome = self.writer.write_all(&self.frames).await;
        self.frames.clear();
        outcome.map_err(|error| error.to_string())
    }

    fn write_batch(&mut self, sent: Sent, batch: Vec<SignCall>) {
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
                priority: sent.priority,
                deadline_ms,
                items,
            }),
            Waiting::Signatures(sent, answers),
        );
    }

    fn write(&mut self, request: &Request, waiting: Waiting) {
        let id = self.next_id;
        self.next_id += 1;
        match request.encode(id, &mut self.frames) {
            Ok(()) => drop(self.waiting.insert(id, waiting)),
            Err(fault) => {
                self.landed(&waiting);
                waiting.fail(&SignFault::unexpected(fault.to_string()));
            }
        }
    }

    fn deliver(&mut self, id: u64, reply: Reply) {
        let Some(waiting) = self.waiting.remove(&id) else {
            tracing::warn!(id, "the signing service answered what nobody asked");
            return;
        };
        self.landed(&waiting);
        match (waiting, reply) {
            (Waiting::Signatures(_, answers), Reply::Signatures(outcomes))
                if answers.len() == outcomes.len() =>
            {
                for (answer, outcome) in answers.into_iter().zip(outcomes) {
                    let _ = answer.send(outcome.map_err(SignFault::from));
                }
            }
            (Waiting::Sessions, Reply::Status(status)) => self.gather.learn(&status),
            (Waiting::Reply(answer), reply) => drop(answer.send(Ok(reply))),
            (waiting, Reply::Fault(fault)) => waiting.fail(&fault.into()),
            (waiting, _) => waiting.fail(&SignFault::unexpected(
                "the signing service answered something else",
            )),
        }
    }

    fn landed(&mut self, waiting: &Waiting) {
        if let Waiting::Signatures(sent, _) = waiting {
            self.gather.landed(*sent);
        }
    }
}

impl Waiting {
    fn fail(self, fault: &SignFault) {
        match self {
            Self::Signatures(_, answers) => {
                for answer in answers {
                    let _ = answer.send(Err(fault.clone()));
                }
            }
            Self::Reply(answer) => drop(answer.send(Err(fault.clone()))),
            Self::Sessions => {}
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
