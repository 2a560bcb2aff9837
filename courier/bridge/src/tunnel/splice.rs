//! Octets both ways, until both sides have ended or nothing moves any more.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::Instant;

/// Octets that are passed on at once.
const PIECE: usize = 16 * 1024;

/// What went through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passed {
    /// Towards the appliance.
    pub(super) up: u64,
    /// From it.
    pub(super) down: u64,
    /// How it ended: `closed`, `idle` or `broken`.
    pub(super) ended: &'static str,
}

/// Passes octets on. A side that ends is told to the other, which may go on; a tunnel in which nothing moves for a while is closed,
/// also when somebody does not take what is sent to him.
pub(super) async fn both_ways<A, B>(near: A, far: B, idle: Duration) -> Passed
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (mut near_in, mut near_out) = tokio::io::split(near);
    let (mut far_in, mut far_out) = tokio::io::split(far);
    let pulse = Pulse(Mutex::new(Instant::now()));
    let (mut up, mut down) = (0, 0);
    let ended = {
        let upwards = one_way(&mut near_in, &mut far_out, &pulse, &mut up);
        let downwards = one_way(&mut far_in, &mut near_out, &pulse, &mut down);
        tokio::select! {
            ended = async { tokio::try_join!(upwards, downwards) } => {
                if ended.is_ok() { "closed" } else { "broken" }
            }
            () = pulse.stops(idle) => "idle",
        }
    };
    Passed { up, down, ended }
}

async fn one_way<R, W>(from: &mut R, to: &mut W, pulse: &Pulse, passed: &mut u64) -> std::io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece).await?;
        pulse.beat();
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(piece.get(..read).unwrap_or_default()).await?;
        to.flush().await?;
        pulse.beat();
        *passed += u64::try_from(read).unwrap_or(0);
    }
}

/// When something moved last.
struct Pulse(Mutex<Instant>);

impl Pulse {
    fn beat(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Waits until nothing has moved for so long.
    async fn stops(&self, idle: Duration) {
        loop {
            let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if last.elapsed() >= idle {
                return;
            }
            tokio::time::sleep_until(last + idle).await;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use tokio::io::duplex;

    use super::*;

    const IDLE: Duration = Duration::from_mins(1);

    #[tokio::test(start_paused = true)]
    async fn an_end_is_passed_on_and_the_other_side_goes_on() {
        let ((mut courier, near), (far, mut appliance)) = (duplex(64), duplex(64));
        let tunnel = tokio::spawn(both_ways(near, far, IDLE));
        courier.write_all(b"question").await.unwrap();
        courier.shutdown().await.unwrap();
        let mut question = String::new();
        appliance.read_to_string(&mut question).await.unwrap();
        assert_eq!(question, "question");
        tokio::time::advance(IDLE / 2).await;
        appliance.write_all(b"answer!").await.unwrap();
        drop(appliance);
        let mut answer = String::new();
        courier.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "answer!");
        let passed = Passed {
            up: 8,
            down: 7,
            ended: "closed",
        };
        assert_eq!(tunnel.await.unwrap(), passed);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_it_and_so_does_who_takes_nothing() {
        let ((courier, near), (far, appliance)) = (duplex(64), duplex(64));
        let silent = both_ways(near, far, IDLE).await;
        assert_eq!(silent.ended, "idle");
        drop((courier, appliance));

        let ((mut courier, near), (far, appliance)) = (duplex(64), duplex(64));
        courier.write_all(&[1; 64]).await.unwrap();
        let tunnel = tokio::spawn(both_ways(near, far, IDLE));
        courier.write_all(&[1; 64]).await.unwrap();
        assert_eq!(tunnel.await.unwrap().ended, "idle");
        drop(appliance);
    }
}
