//! Long work beside the threads that answer: lists are hashed, written and compressed while certificates are issued and OCSP
//! questions come in, and those go first.

use rustix::process::{getpriority_process, setpriority_process};
use rustix::thread::{gettid, sched_yield};
use tokio::sync::oneshot;

use crate::error::{Error, Result};

/// How much lower such a thread stands than the others (nice(2)). While every core has something else to do it gets a
/// quarter of one, so that a list is late by a little and never for long.
const STEPS_DOWN: i32 = 6;
/// Octets after which others are let run: hashing them takes some thirty microseconds, a turn on a busy processor milliseconds.
const TURN: usize = 64 * 1024;

/// Does the work on a thread of its own, below the others.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let (done, outcome) = oneshot::channel();
    let on_its_thread = move || {
        step_back();
        // Whoever wanted it may be gone.
        let _ = done.send(work());
    };
    std::thread::Builder::new()
        .name("background".to_owned())
        .spawn(on_its_thread)
        .map_err(Error::internal)?;
    outcome.await.map_err(Error::internal)
}

/// On Linux this is about the thread that calls. Where it is refused, the work is done all the same.
fn step_back() {
    let thread = Some(gettid());
    let lowered = getpriority_process(thread).and_then(|nice| setpriority_process(thread, nice + STEPS_DOWN));
    if let Err(error) = lowered {
        tracing::debug!(%error, "background work has the priority of the answers");
    }
}

/// Hands the pieces on, and lets whoever waits for the processor run now and then.
pub(crate) fn in_turns<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> impl Iterator<Item = &'a [u8]> {
    let mut since = 0;
    pieces.into_iter().inspect(move |piece| {
        since += piece.len();
        if since >= TURN {
            since = 0;
            sched_yield();
        }
    })
}
