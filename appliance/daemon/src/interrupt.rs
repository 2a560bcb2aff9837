//! Ctrl-C and SIGTERM in a command that works for long: it breaks off at the next step and clears away what it has made; the second
//! time it ends at once.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, bail};
use tokio::signal::unix::{SignalKind, signal};

static IS_ASKED: AtomicBool = AtomicBool::new(false);
/// What a shell tells of a program that SIGINT ended.
const BY_SIGNAL: i32 = 130;

/// Listens from now on. Must be called within a runtime.
pub(crate) fn listen() -> Result<()> {
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let mut signals = signal(kind)?;
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                if IS_ASKED.swap(true, Ordering::SeqCst) {
                    std::process::exit(BY_SIGNAL);
                }
                eprintln!("breaking off; once more ends at once, and leaves what was made so far");
            }
        });
    }
    Ok(())
}

/// Whether somebody asked for the end.
pub(crate) fn is_asked() -> bool {
    IS_ASKED.load(Ordering::SeqCst)
}

/// Breaks off when somebody asked for it.
pub(crate) fn check() -> Result<()> {
    if is_asked() {
        bail!("interrupted: nothing was kept");
    }
    Ok(())
}
