//! Bodies, bounded in size and time before they are read.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::{EXPECT, HOST};
use http::request::Parts;
use http::{HeaderMap, Version};
use http_body_util::BodyExt as _;
use hyper::body::Body;

use crate::settings::DISCARD;

/// RFC 9112 §3.2: a request of HTTP/1.1 names its host, and once.
pub(crate) fn names_one_host(headers: &HeaderMap, version: Version) -> bool {
    version != Version::HTTP_11 || {
        let mut hosts = headers.get_all(HOST).iter();
        hosts.next().is_some() && hosts.next().is_none()
    }
}

/// Why a body was not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum BodyFault {
    /// Longer than the limit.
    TooLarge,
    /// Not there in time.
    TooSlow,
    /// Broken off, or not framed as HTTP wants it.
    Broken,
}

/// Reads a body piece by piece. A body that is too long is refused by its declared length when it has one, and its
/// sender is heard out for a while: one who is still sending when the connection closes never sees the answer.
pub(crate) async fn read<B>(
    head: &Parts,
    mut body: B,
    limit: usize,
    within: Duration,
    mut take: impl FnMut(Bytes),
) -> Result<(), BodyFault>
where
    B: Body<Data = Bytes> + Unpin,
{
    let pieces = async {
        let mut left = limit;
        if body.size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
            return Err(BodyFault::TooLarge);
        }
        while let Some(frame) = body.frame().await {
            let Ok(piece) = frame.map_err(|_| BodyFault::Broken)?.into_data() else {
                continue;
            };
            left = left.checked_sub(piece.len()).ok_or(BodyFault::TooLarge)?;
            take(piece);
        }
        Ok(())
    };
    let mut pieces = pin!(pieces);
    let outcome = match at_second_look(pieces.as_mut()).await {
        Some(outcome) => outcome,
        // On the heap, like all that few requests need: what answers them stays small.
        None => Box::pin(tokio::time::timeout(within, pieces))
            .await
            .unwrap_or(Err(BodyFault::TooSlow)),
    };
    // A sender that waits for `100 Continue` has not begun.
    if outcome == Err(BodyFault::TooLarge) && !head.headers.contains_key(EXPECT) {
        let _ = Box::pin(tokio::time::timeout(within, discard(body))).await;
    }
    outcome
}

/// What is there at once, or after hyper had its turn: that is when it hands over what came with the head. Only for what
/// is not a timer is worth its while.
async fn at_second_look<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    let mut has_looked = false;
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
        Poll::Pending if has_looked => Poll::Ready(None),
        Poll::Pending => {
            has_looked = true;
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
}

async fn discard<B: Body<Data = Bytes> + Unpin>(mut body: B) {
    let mut left = DISCARD;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(length) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;

    use super::*;

    async fn outcome<B: Body<Data = Bytes> + Unpin>(body: B, limit: usize) -> (Result<(), BodyFault>, usize) {
        let (head, ()) = http::Request::new(()).into_parts();
        let mut taken = 0;
        let outcome = read(&head, body, limit, Duration::from_secs(1), |piece| {
            taken += piece.len();
        })
        .await;
        (outcome, taken)
    }

    #[tokio::test]
    async fn a_declared_length_is_enough_to_refuse() {
        assert_eq!(outcome(Full::from("12345"), 5).await, (Ok(()), 5));
        assert_eq!(
            outcome(Full::from("123456"), 5).await,
            (Err(BodyFault::TooLarge), 0)
        );
    }

    #[tokio::test]
    async fn an_undeclared_length_is_counted() {
        let pieces = ["123", "456"].map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::from(piece))));
        let body = StreamBody::new(futures_util::stream::iter(pieces));
        assert_eq!(outcome(body, 5).await, (Err(BodyFault::TooLarge), 3));
    }

    /// A sender who says nothing.
    struct Silent;

    impl Body for Silent {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends() {
        assert_eq!(outcome(Silent, 5).await, (Err(BodyFault::TooSlow), 0));
    }
}
