//! The client's end of a connection that is in memory: asks the same thing again as soon as it was answered.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const ANSWERED: &[u8] = b"HTTP/1.1 200 OK\r\n";

/// Sends a request so many times, one after the other, then closes.
#[derive(Debug)]
pub(crate) struct Client {
    request: Bytes,
    left: u64,
    may_ask: bool,
    reader: Option<Waker>,
    answers: Arc<AtomicU64>,
}

impl Client {
    /// The connection, and how often it was answered with what was asked for.
    pub(crate) fn new(request: Bytes, times: u64) -> (Self, Arc<AtomicU64>) {
        let answers = Arc::new(AtomicU64::new(0));
        let client = Self {
            request,
            left: times,
            may_ask: true,
            reader: None,
            answers: Arc::clone(&answers),
        };
        (client, answers)
    }

    /// An answer begins with its status, and is sent in one piece.
    fn take(&mut self, head: &[u8]) {
        if head.starts_with(ANSWERED) {
            self.answers.fetch_add(1, Ordering::Relaxed);
        }
        self.may_ask = true;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl AsyncRead for Client {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.may_ask {
            self.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        if self.left > 0 {
            if buffer.remaining() < self.request.len() {
                return Poll::Ready(Err(io::ErrorKind::StorageFull.into()));
            }
            buffer.put_slice(&self.request);
            self.left -= 1;
            self.may_ask = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Client {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.take(octets);
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.take(pieces.first().map(|piece| &**piece).unwrap_or_default());
        Poll::Ready(Ok(pieces.iter().map(|piece| piece.len()).sum()))
    }

    /// As a socket can.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
