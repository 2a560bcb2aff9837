//! The signing process as a child: started, watched, started again, ended with its parent.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, LogFormat};

/// Exit statuses after which starting again would only repeat the failure: the PIN was rejected, the configuration is wrong.
const FINAL: [i32; 2] = [77, 78];
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What is needed to start the signing process.
#[derive(Clone, Debug)]
pub(crate) struct Spawn {
    program: PathBuf,
    config: PathBuf,
    socket: PathBuf,
    json: bool,
}

/// A signing process at work.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    /// Its standard input, a pipe. It ends when the pipe closes, which it does when this process ends, however it ends.
    /// Held apart from the child, because waiting for a child closes what it still has.
    pipe: Option<ChildStdin>,
}

impl Spawn {
    pub(crate) fn new(config: &Config) -> Result<Self> {
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
        Ok(Self {
            program,
            config: config.path(&config.signer.config),
            socket: config.path(&config.signer.socket),
            json: config.log.format == LogFormat::Json,
        })
    }

    /// Starts it once and waits until it listens. A wrong PIN or configuration shows here.
    pub(crate) async fn start(&self) -> Result<Running> {
        if self.socket.exists() {
            std::fs::remove_file(&self.socket)
                .with_context(|| format!("removing the old {}", self.socket.display()))?;
        }
        let mut command = Command::new(&self.program);
        command
            .arg("--config")
            .arg(&self.config)
            .arg("--socket")
            .arg(&self.socket)
            .arg("--with-parent");
        if self.json {
            command.arg("--log-json");
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command
            .spawn()
            .with_context(|| format!("starting {}", self.program.display()))?;
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(pass_on(BufReader::new(stderr)));
        }
        let pipe = child.stdin.take();
        listens(&mut child, &self.socket).await?;
        Ok(Running { child, pipe })
    }

    /// Keeps it running until told to stop: a child that ends is started again, after a pause that grows while it fails.
    pub(crate) async fn keep(self, mut running: Running, stop: CancellationToken) {
        let mut pause = FIRST_PAUSE;
        loop {
            let ended = tokio::select! {
                () = stop.cancelled() => {
                    end(running).await;
                    return;
                }
                status = running.child.wait() => status,
            };
            let status = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
            tracing::error!(%status, "the signing process ended; starting it again");
            running = loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                match self.start().await {
                    Ok(started) => {
                        pause = FIRST_PAUSE;
                        break started;
                    }
                    Err(error) => {
                        pause = (pause * 2).min(LONGEST_PAUSE);
                        tracing::error!("{error:#}");
                    }
                }
            };
        }
    }
}

/// Waits for the socket; a child that ends first is an error that says why.
async fn listens(child: &mut Child, socket: &Path) -> Result<()> {
    let deadline = tokio::time::sleep(Duration::from_secs(60));
    tokio::pin!(deadline);
    loop {
        if tokio::net::UnixStream::connect(socket).await.is_ok() {
            return Ok(());
        }
        tokio::select! {
            status = child.wait() => {
                let status = status?;
                let hint = match status.code() {
                    Some(77) => "; a token rejected its PIN: put the right PIN into the PIN file (the wrong one is not tried again)",
                    Some(78) => "; its configuration cannot be used, see the lines above",
                    _ => "; see the lines above",
                };
                let is_final = status.code().is_some_and(|code| FINAL.contains(&code));
                bail!("the signing process ended with {status}{}{hint}", if is_final { " (final)" } else { "" });
            }
            () = &mut deadline => bail!("the signing process does not listen on {} after a minute", socket.display()),
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
    }
}

/// Its log lines become ours.
async fn pass_on(stderr: BufReader<tokio::process::ChildStderr>) {
    let mut lines = stderr.lines();
    while let Ok(Some(line)) = lines.next_line().await {
        eprintln!("{line}");
    }
}

/// Closes its standard input, which tells it to finish; kills it when it does not.
async fn end(running: Running) {
    let Running { mut child, pipe } = running;
    drop(pipe);
    if tokio::time::timeout(Duration::from_secs(10), child.wait())
        .await
        .is_err()
    {
        tracing::warn!("the signing process did not end by itself and is killed");
        // It has ended or will: there is nothing else to do.
        let _ = child.kill().await;
    }
}
