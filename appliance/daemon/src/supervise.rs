//! The signing process as a child: started, watched, started again, ended with its parent.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, Command};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, LogFormat, SignerMode};

/// Exit status of the signing process when a token rejected its PIN.
pub(crate) const EXIT_PIN_REJECTED: u8 = 77;
/// Exit status when its configuration cannot be used.
pub(crate) const EXIT_CONFIG: u8 = 78;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// After so long at work a process counts as sound, and the pauses begin anew.
const SOUND: Duration = Duration::from_secs(30);
/// How long a process may take until it listens.
const START: Duration = Duration::from_mins(1);
/// How long it may take to end.
const END: Duration = Duration::from_secs(15);
/// A path of a Unix socket is no longer than this (unix(7)).
const LONGEST_SOCKET: usize = 107;

/// The signing process could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the signing process ended with {status}; {}", self.hint())]
pub(crate) struct NotStarted {
    status: ExitStatus,
}

impl NotStarted {
    /// The exit status of this program that means the same; starting again would only repeat the failure.
    pub(crate) fn final_exit(&self) -> Option<u8> {
        let code = u8::try_from(self.status.code()?).ok()?;
        [EXIT_PIN_REJECTED, EXIT_CONFIG].contains(&code).then_some(code)
    }

    fn hint(&self) -> &'static str {
        match self.final_exit() {
            Some(EXIT_PIN_REJECTED) => {
                "a token rejected its PIN: put the right one into the PIN file (the wrong one is not tried again)"
            }
            Some(_) => "its configuration cannot be used, see the lines above",
            None => "see the lines above",
        }
    }
}

/// The signing process, kept running.
#[derive(Debug)]
pub(crate) struct Supervised {
    keeping: JoinHandle<()>,
    stop: CancellationToken,
}

impl Supervised {
    /// Starts the signing process, when it is this program that starts it. A wrong PIN or configuration shows here.
    pub(crate) async fn start(config: &Config) -> Result<Option<Self>> {
        if config.signer.mode != SignerMode::Spawn {
            return Ok(None);
        }
        let spawn = Spawn::new(config)?;
        let running = spawn.start().await?;
        let stop = CancellationToken::new();
        let keeping = tokio::spawn(spawn.keep(running, stop.clone()));
        Ok(Some(Self { keeping, stop }))
    }

    /// Ends it, after what it has to do is done.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        if let Err(error) = self.keeping.await {
            tracing::error!("watching the signing process broke off: {error}");
        }
    }
}

/// What is needed to start the signing process.
#[derive(Clone, Debug)]
struct Spawn {
    program: PathBuf,
    config: PathBuf,
    socket: PathBuf,
    json: bool,
}

/// A signing process at work.
#[derive(Debug)]
struct Running {
    child: Child,
    /// Its standard input, a pipe. It ends when the pipe closes, which it does when this process ends, however it ends.
    /// Held apart from the child, because waiting for a child closes what it still has.
    pipe: Option<ChildStdin>,
    since: Instant,
}

impl Spawn {
    fn new(config: &Config) -> Result<Self> {
        let program = match &config.signer.program {
            Some(program) => config.path(program),
            None => std::env::current_exe()?.with_file_name("chancery-signerd"),
        };
        if !program.is_file() {
            bail!(
                "the signing program {} is not there: name it in signer.program",
                program.display()
            );
        }
        let socket = config.path(&config.signer.socket);
        if socket.as_os_str().len() > LONGEST_SOCKET {
            bail!(
                "{} is longer than the {LONGEST_SOCKET} octets of a socket's path: name a shorter one in signer.socket",
                socket.display()
            );
        }
        Ok(Self {
            program,
            config: config.path(&config.signer.config),
            socket,
            json: config.log.format == LogFormat::Json,
        })
    }

    /// Starts it once and waits until it listens.
    async fn start(&self) -> Result<Running> {
        if self.socket.exists() {
            std::fs::remove_file(&self.socket)
                .with_context(|| format!("removing the old {}", self.socket.display()))?;
        }
        let mut command = Command::new(&self.program);
        command
            .arg("--config")
            .arg(&self.config)
            .arg("--socket")
            .arg(&self.socket);
        command.arg("--with-parent");
        if self.json {
            command.arg("--log-json");
        }
        // A group of its own: Ctrl-C at a terminal is for the server, which still needs signatures while it drains. What
        // systemd tells the server is not for its child.
        command
            .process_group(0)
            .env_remove("NOTIFY_SOCKET")
            .env_remove("WATCHDOG_USEC");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command.kill_on_drop(true);
        let mut child = command
            .spawn()
            .with_context(|| format!("starting {}", self.program.display()))?;
        let lines = child.stderr.take().map(|stderr| tokio::spawn(pass_on(stderr)));
        let pipe = child.stdin.take();
        if let Err(error) = listens(&mut child, &self.socket).await {
            // Why it ended comes before that it ended.
            if let Some(lines) = lines {
                let _ = tokio::time::timeout(Duration::from_secs(1), lines).await;
            }
            return Err(error);
        }
        let since = Instant::now();
        Ok(Running { child, pipe, since })
    }

    /// Keeps it running until told to stop: a child that ends is started again, after a pause that grows while it fails.
    async fn keep(self, mut running: Running, stop: CancellationToken) {
        let mut pause = FIRST_PAUSE;
        loop {
            let ended = tokio::select! {
                () = stop.cancelled() => return end(running).await,
                status = running.child.wait() => status,
            };
            let status = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
            tracing::error!(status, "the signing process ended; starting it again");
            if running.since.elapsed() > SOUND {
                pause = FIRST_PAUSE;
            }
            running = loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
                let started = tokio::select! {
                    () = stop.cancelled() => return,
                    started = self.start() => started,
                };
                match started {
                    Ok(started) => break started,
                    Err(error) => tracing::error!("{error:#}"),
                }
            };
        }
    }
}

/// Waits for the socket; a child that ends first is an error that says why.
async fn listens(child: &mut Child, socket: &Path) -> Result<()> {
    let deadline = tokio::time::sleep(START);
    tokio::pin!(deadline);
    loop {
        if tokio::net::UnixStream::connect(socket).await.is_ok() {
            return Ok(());
        }
        tokio::select! {
            status = child.wait() => return Err(NotStarted { status: status? }.into()),
            () = &mut deadline => bail!("the signing process does not listen on {} after a minute", socket.display()),
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
    }
}

/// Its log lines become ours.
async fn pass_on(stderr: ChildStderr) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        eprintln!("{line}");
    }
}

/// Closes its standard input, which tells it to finish; kills it when it does not.
async fn end(running: Running) {
    let Running { mut child, pipe, .. } = running;
    drop(pipe);
    if tokio::time::timeout(END, child.wait()).await.is_err() {
        tracing::warn!("the signing process did not end by itself and is killed");
        // It has ended or will: there is nothing else to do.
        let _ = child.kill().await;
    }
}
