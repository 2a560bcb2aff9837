//! Other servers that answer the same in the same run, each as a process of its own with its files in a temporary folder.
//!
//! A peer that is not installed is an error: a comparison with nobody is none. `cargo xtask bench` installs them.

pub(crate) mod bare;
pub(crate) mod cfssl;
pub(crate) mod nginx;
pub(crate) mod openbao;
pub(crate) mod openssl;

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

use crate::cpu::{self, Group};
use crate::http::Door;

/// A running peer.
#[derive(Debug)]
pub(crate) struct Peer {
    name: &'static str,
    child: Child,
    pub(crate) door: Door,
    /// What it reads and writes.
    _folder: TempDir,
}

impl Peer {
    /// Starts it and waits until it listens.
    pub(crate) async fn start(
        name: &'static str,
        folder: TempDir,
        mut command: Command,
        port: u16,
    ) -> Result<Self> {
        let log = folder.path().join("log");
        let file = std::fs::File::create(&log)?;
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        let missing = || format!("starting {name}: `cargo xtask bench` installs it");
        let child = command.spawn().with_context(missing)?;
        let mut peer = Self {
            name,
            child,
            door: Door::plain(format!("127.0.0.1:{port}")),
            _folder: folder,
        };
        let begun = Instant::now();
        while !listens(port) {
            let said = || std::fs::read_to_string(&log).unwrap_or_default();
            if let Some(status) = peer.child.try_wait()? {
                bail!("{name} ended with {status}: {}", said());
            }
            ensure!(
                begun.elapsed() < Duration::from_secs(30),
                "{name} does not listen: {}",
                said()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(peer)
    }

    /// Its processes.
    pub(crate) fn group(&self) -> Result<Group> {
        Ok(Group::new(self.name, cpu::family(self.child.id())?))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Told first, so that a master ends its workers; a peer that does not listen to that is killed.
        let told = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        let begun = Instant::now();
        while told.is_ok() && begun.elapsed() < Duration::from_secs(5) {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::yield_now();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether something listens on a port, as the kernel tells it: `openssl ocsp` never recovers from a client that connects
/// and asks nothing.
fn listens(port: u16) -> bool {
    let local = format!(":{port:04X}");
    let is_listener = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        words.next().is_some_and(|address| address.ends_with(&local)) && words.nth(1) == Some("0A")
    };
    ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().any(|file| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.lines().any(is_listener)
    })
}

/// A port that nobody uses.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Runs a program to its end.
pub(crate) fn run(mut command: Command) -> Result<()> {
    let shown = words(&command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting `{shown}`: `cargo xtask bench` installs it"))?;
    ensure!(
        output.status.success(),
        "`{shown}`: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// A command as one would type it.
pub(crate) fn words(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}

/// A self-signed P-256 CA of the peer's own: `ca.pem` and `ca-key.pem`.
pub(crate) fn make_ca(folder: &Path) -> Result<()> {
    let mut command = Command::new("openssl");
    command.current_dir(folder);
    command.args(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -keyout ca-key.pem".split(' '),
    );
    command.args(["-out", "ca.pem", "-subj", "/CN=Peer CA"]);
    run(command)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]
    use super::*;

    #[test]
    fn a_listener_is_seen_without_being_asked() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(listens(port));
        drop(listener);
        assert!(!listens(port));
    }
}
