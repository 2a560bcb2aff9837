//! What the server is told from outside: to end, or to reload.

use std::io::Read as _;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The signals that are listened for, and the parent.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    parent_gone: CancellationToken,
}

impl Signals {
    /// Begins to listen. With a parent, the end of standard input is an end as well: the parent holds the other end of that
    /// pipe, and it closes however the parent ends.
    pub(crate) fn new(with_parent: bool) -> Result<Self> {
        let listen = |kind| signal(kind).context("listening for signals");
        let parent_gone = CancellationToken::new();
        if with_parent {
            watch_parent(parent_gone.clone())?;
        }
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
            parent_gone,
        })
    }

    /// Waits for the end, and reloads as often as it is asked to.
    pub(crate) async fn until_end<F: Future<Output = ()>>(&mut self, reload: impl Fn() -> F) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                () = self.parent_gone.cancelled() => {
                    tracing::info!("standard input was closed: the parent is gone");
                    return;
                }
                _ = self.hang_up.recv() => reload().await,
            }
        }
    }
}

/// A thread of its own, because a read cannot be interrupted: the runtime would wait for it when it ends.
fn watch_parent(gone: CancellationToken) -> Result<()> {
    let watch = move || {
        let mut octets = [0; 64];
        while std::io::stdin().read(&mut octets).is_ok_and(|read| read > 0) {}
        gone.cancel();
    };
    std::thread::Builder::new()
        .name("parent".to_owned())
        .spawn(watch)
        .context("starting a thread")?;
    Ok(())
}
