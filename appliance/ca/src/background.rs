//! Long work that nobody waits for in an answer: lists are hashed, written and compressed beside the threads that answer, and
//! those come first.

use rustix::process::{getpriority_process, setpriority_process};
use rustix::thread::gettid;
use tokio::sync::oneshot;

use crate::error::{Error, Result};

/// How much lower such a thread stands than the others (nice(2)). While every core has something else to do it gets a
/// quarter of one, so that a list is late by a little and never for long.
const STEPS_DOWN: i32 = 6;

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
