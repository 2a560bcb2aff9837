//! Bodies of the public listener: whole in memory, or sent out of a file a piece at a time, so that a list of a million
//! entries costs a piece of memory and not its size.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use ca::CrlBody;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

/// Octets that are read at once.
const PIECE: usize = 64 * 1024;

/// What is sent.
#[derive(Debug)]
pub(crate) enum PublicBody {
    Whole(Full<Bytes>),
    Pieces(Pieces),
}

/// A stretch of a body that is not in memory.
#[derive(Debug)]
pub(crate) struct Pieces {
    source: CrlBody,
    next: u64,
    end: u64,
    /// The read under way, off this thread: it may wait for the disk.
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl PublicBody {
    /// The octets from `first` to before `end`.
    pub(crate) fn of(source: &CrlBody, first: u64, end: u64) -> Self {
        if let CrlBody::Memory(octets) = source {
            let place = |offset| usize::try_from(offset).unwrap_or(usize::MAX).min(octets.len());
            return Self::Whole(Full::new(octets.slice(place(first).min(place(end))..place(end))));
        }
        Self::Pieces(Pieces {
            source: source.clone(),
            next: first,
            end,
            reading: None,
        })
    }
}

impl From<Full<Bytes>> for PublicBody {
    fn from(body: Full<Bytes>) -> Self {
        Self::Whole(body)
    }
}

impl Body for PublicBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body)
                .poll_frame(cx)
                .map_err(|never: std::convert::Infallible| match never {}),
            Self::Pieces(pieces) => pieces.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Pieces(pieces) => pieces.next >= pieces.end,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Pieces(pieces) => SizeHint::with_exact(pieces.end.saturating_sub(pieces.next)),
        }
    }
}

impl Pieces {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let left = self.end.saturating_sub(self.next);
        if left == 0 {
            return Poll::Ready(None);
        }
        let reading = self.reading.get_or_insert_with(|| {
            let (source, next) = (self.source.clone(), self.next);
            let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            tokio::task::spawn_blocking(move || source.read(next, most))
        });
        let read = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        let outcome = read.map_err(io::Error::other).and_then(|read| read);
        if let Ok(piece) = &outcome {
            self.next += piece.len() as u64;
        }
        Poll::Ready(Some(outcome.map(Frame::data)))
    }
}
