//! A running service, ended when it goes out of scope.

#![allow(clippy::unwrap_used, clippy::panic, dead_code, reason = "test support")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use token::Config;

use crate::client::Client;

/// A service in a directory of its own.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) socket: PathBuf,
    pub(crate) log: PathBuf,
}

/// Writes a configuration with its socket, state and audit in `directory`, and gives its path.
pub(crate) fn write_config(directory: &Path, mut config: Config) -> PathBuf {
    config.socket = Some(directory.join("signerd.sock"));
    config.audit_file = Some(directory.join("audit.jsonl"));
    let path = directory.join("signerd.toml");
    fs::write(&path, toml::to_string(&config).unwrap()).unwrap();
    path
}

fn command(directory: &Path) -> (Command, PathBuf) {
    let log = directory.join("signerd.log");
    let mut command = Command::new(env!("CARGO_BIN_EXE_chancery-signerd"));
    command
        .arg("--config")
        .arg(directory.join("signerd.toml"))
        .env("RUST_LOG", "debug,cryptoki=off");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::options().append(true).create(true).open(&log).unwrap());
    (command, log)
}

/// Runs a service that is expected to end by itself, and gives its exit code and its log.
pub(crate) fn run_to_end(directory: &Path) -> (Option<i32>, String) {
    let (mut command, log) = command(directory);
    command.stderr(File::create(&log).unwrap());
    let status = command.status().unwrap();
    (status.code(), fs::read_to_string(&log).unwrap())
}

impl Daemon {
    /// Starts the service and waits until it answers.
    pub(crate) fn start(directory: &Path) -> Self {
        Self::start_with(directory, |command| command)
    }

    pub(crate) fn start_with(directory: &Path, adjust: impl FnOnce(&mut Command) -> &mut Command) -> Self {
        let (mut command, log) = command(directory);
        let mut child = adjust(&mut command).spawn().unwrap();
        let socket = directory.join("signerd.sock");
        let until = Instant::now() + Duration::from_secs(30);
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            if let Some(status) = child.try_wait().unwrap() {
                panic!(
                    "the service ended with {status}:\n{}",
                    fs::read_to_string(&log).unwrap()
                );
            }
            assert!(
                Instant::now() < until,
                "the service does not listen:\n{}",
                fs::read_to_string(&log).unwrap()
            );
            std::thread::park_timeout(Duration::from_millis(10));
        }
        Self { child, socket, log }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.socket)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn close_stdin(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Kills it and starts another.
    pub(crate) fn replace(self, directory: &Path) -> Self {
        self.kill();
        Self::start(directory)
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, and gives how it did.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.wait(Duration::from_secs(20))
    }

    /// Waits for it to end by itself.
    pub(crate) fn wait(&mut self, most: Duration) -> ExitStatus {
        let until = Instant::now() + most;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                Instant::now() < until,
                "the service does not end:\n{}",
                self.log()
            );
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
