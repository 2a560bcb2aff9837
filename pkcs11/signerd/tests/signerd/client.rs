//! A small client that waits for its answers.

#![allow(clippy::unwrap_used, clippy::panic, dead_code, reason = "test support")]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use signer_wire::{
    Backend, FRAME_HEADER, Fault, Generate, Input, KeyKind, KeyRecord, LaneStatus, Priority, Reply, Request,
    Scheme, ServiceStatus, Sign, SignBatch, body_length,
};

/// A connection to the service.
pub(crate) struct Client {
    stream: UnixStream,
    next: u64,
}

impl Client {
    pub(crate) fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        Self { stream, next: 1 }
    }

    /// Sends a request, and gives its id.
    pub(crate) fn send(&mut self, request: &Request) -> u64 {
        let (id, mut frame) = (self.next, Vec::new());
        self.next += 1;
        request.encode(id, &mut frame).unwrap();
        self.stream.write_all(&frame).unwrap();
        id
    }

    /// Sends octets as they are.
    pub(crate) fn send_raw(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).unwrap();
    }

    /// The next reply; `None` when the service closed the connection.
    pub(crate) fn receive(&mut self) -> Option<(u64, Reply)> {
        let mut header = [0; FRAME_HEADER];
        self.stream.read_exact(&mut header).ok()?;
        let mut body = vec![0; body_length(header).unwrap()];
        self.stream.read_exact(&mut body).ok()?;
        Some(Reply::decode(&body).unwrap())
    }

    /// Sends a request and waits for its reply.
    pub(crate) fn call(&mut self, request: &Request) -> Reply {
        self.try_call(request).expect("the service closed the connection")
    }

    /// Sends a request and waits for its reply; `None` when the service is gone.
    pub(crate) fn try_call(&mut self, request: &Request) -> Option<Reply> {
        let (id, mut frame) = (self.next, Vec::new());
        self.next += 1;
        request.encode(id, &mut frame).unwrap();
        self.stream.write_all(&frame).ok()?;
        let (answered, reply) = self.receive()?;
        assert_eq!(answered, id);
        Some(reply)
    }

    pub(crate) fn generate(&mut self, label: &str, kind: KeyKind, backend: Backend) -> KeyRecord {
        match self.call(&Request::Generate(Generate {
            label: label.to_owned(),
            kind,
            backend,
        })) {
            Reply::Key(record) => record,
            other => panic!("{label}: {other:?}"),
        }
    }

    pub(crate) fn list(&mut self) -> Vec<KeyRecord> {
        match self.call(&Request::List) {
            Reply::Keys(records) => records,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn status(&mut self) -> ServiceStatus {
        match self.call(&Request::Status) {
            Reply::Status(status) => status,
            other => panic!("{other:?}"),
        }
    }

    /// How the first backend is, where no other reply is on its way.
    pub(crate) fn first_lane(&mut self) -> LaneStatus {
        self.status().lanes.remove(0)
    }

    /// One signature over a message, in the scheme of the key's kind.
    pub(crate) fn sign(
        &mut self,
        record: &KeyRecord,
        message: &[u8],
        deadline_ms: u32,
    ) -> Result<Vec<u8>, Fault> {
        self.sign_batch(&request(record, &[message], Priority::Issuance, deadline_ms))
            .remove(0)
    }

    pub(crate) fn sign_batch(&mut self, request: &Request) -> Vec<Result<Vec<u8>, Fault>> {
        match self.call(request) {
            Reply::Signatures(outcomes) => outcomes,
            other => panic!("{other:?}"),
        }
    }
}

/// A request for signatures over messages.
pub(crate) fn request(
    record: &KeyRecord,
    messages: &[&[u8]],
    priority: Priority,
    deadline_ms: u32,
) -> Request {
    let scheme = Scheme::default_for(record.kind);
    let item = |message: &&[u8]| Sign {
        key: record.key,
        scheme,
        input: Input::Message(message.to_vec()),
    };
    Request::Sign(SignBatch {
        priority,
        deadline_ms,
        items: messages.iter().map(item).collect(),
    })
}
