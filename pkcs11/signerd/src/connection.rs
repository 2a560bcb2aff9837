//! The writing side of a client's connection.
//!
//! A reply is written by the thread that has it, so that no reply waits for another thread to wake up. While one
//! thread writes, others only append; the writer takes what has gathered and writes it in one call.

use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use parking_lot::Mutex;
use signer_wire::{Fault, FaultClass, Reply};

/// A client that does not read its replies for this long is cut off, so that it cannot hold a signing thread.
const WRITE_PATIENCE: Duration = Duration::from_secs(1);
/// Replies that may gather for a client that reads slowly, in octets.
const MOST_UNREAD: usize = 32 * 1024 * 1024;

/// Who is at the other end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) uid: u32,
    pub(crate) pid: i32,
}

impl Peer {
    /// This process itself.
    pub(crate) fn own() -> Self {
        Self {
            uid: rustix::process::geteuid().as_raw(),
            pid: rustix::process::getpid().as_raw_nonzero().get(),
        }
    }
}

/// The writing side of a connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: UnixStream,
    peer: Peer,
    outbox: Mutex<Outbox>,
}

#[derive(Debug, Default)]
struct Outbox {
    waiting: Vec<u8>,
    is_writing: bool,
    is_dead: bool,
}

impl Connection {
    pub(crate) fn new(stream: UnixStream, peer: Peer) -> std::io::Result<Self> {
        stream.set_write_timeout(Some(WRITE_PATIENCE))?;
        Ok(Self {
            stream,
            peer,
            outbox: Mutex::new(Outbox::default()),
        })
    }

    /// Who is at the other end.
    pub(crate) fn peer(&self) -> Peer {
        self.peer
    }

    /// Sends a reply; returns when it is written, or left to the thread that is writing.
    pub(crate) fn send(&self, id: u64, reply: &Reply) {
        let mut outbox = self.outbox.lock();
        if outbox.is_dead {
            return;
        }
        if reply.encode(id, &mut outbox.waiting).is_err() {
            let fault = Fault::new(FaultClass::Internal, "the reply is longer than a frame");
            let _ = Reply::Fault(fault).encode(id, &mut outbox.waiting);
        }
        if outbox.waiting.len() > MOST_UNREAD {
            tracing::warn!(
                uid = self.peer.uid,
                pid = self.peer.pid,
                "a client does not read its replies; cut off"
            );
            self.kill(&mut outbox);
            return;
        }
        if outbox.is_writing {
            return;
        }
        outbox.is_writing = true;
        let mut batch = Vec::new();
        while !outbox.waiting.is_empty() && !outbox.is_dead {
            batch.clear();
            std::mem::swap(&mut batch, &mut outbox.waiting);
            drop(outbox);
            let written = (&self.stream).write_all(&batch);
            outbox = self.outbox.lock();
            if let Err(error) = written {
                tracing::debug!(uid = self.peer.uid, pid = self.peer.pid, %error, "a reply cannot be written");
                self.kill(&mut outbox);
            }
        }
        outbox.is_writing = false;
        if outbox.waiting.capacity() < batch.capacity() {
            // The larger buffer is kept, so that a busy connection does not allocate for each reply.
            batch.clear();
            outbox.waiting = batch;
        }
    }

    /// Ends the reading side: requests that are in are still answered.
    pub(crate) fn stop_reading(&self) {
        let _ = self.stream.shutdown(Shutdown::Read);
    }

    fn kill(&self, outbox: &mut Outbox) {
        outbox.is_dead = true;
        outbox.waiting = Vec::new();
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}
