//! Hooks: a command of the operator at the end of a run.
//!
//! What is told to it stands in its environment, never in the command text: a common name is somebody else's data.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};

/// How much of the output is kept, in octets.
pub const TAIL_LEN: usize = 4096;
/// How long output is waited for after the end of the command: a server that it started keeps the pipe open.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// What is taken over from the environment.
const INHERITED: [&str; 3] = ["PATH", "HOME", "LANG"];

/// A command as the configuration writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookCommand {
    /// A string, for `sh -c`.
    Shell(String),
    /// A list: program and arguments, without a shell.
    Direct(Vec<String>),
}

/// A hook and its limit.
#[derive(Clone, Debug)]
pub struct HookSettings {
    /// What is run.
    pub command: HookCommand,
    /// When its process group is killed; 60 s.
    pub timeout: Duration,
}

impl HookSettings {
    /// A hook with the default limit.
    pub fn new(command: HookCommand) -> Self {
        Self {
            command,
            timeout: Duration::from_mins(1),
        }
    }
}

/// What came of a hook. Whether a failure matters is the caller's decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookOutcome {
    /// The event, `COURIER_EVENT`.
    pub event: String,
    /// Its exit code; none when a signal ended it.
    pub exit_code: Option<i32>,
    /// Whether it was killed at its limit.
    pub timed_out: bool,
    /// The end of what it wrote, at most [`TAIL_LEN`] octets.
    pub output_tail: String,
}

impl HookOutcome {
    /// Whether it ended with 0 in time.
    pub fn is_success(&self) -> bool {
        self.exit_code == Some(0) && !self.timed_out
    }
}

/// Why a hook was not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HookFault {
    /// The list is empty.
    #[error("the hook has no program")]
    Empty,
    /// It cannot be started or waited for.
    #[error("the hook cannot be run")]
    Io(#[from] std::io::Error),
}

/// Runs a hook. `facts` are the `COURIER_…` variables without `COURIER_EVENT`; names of another kind are left out, and
/// so are values with a NUL.
pub async fn run(
    settings: &HookSettings,
    event: &str,
    facts: &BTreeMap<String, String>,
) -> Result<HookOutcome, HookFault> {
    let mut command = command(&settings.command)?;
    command.env_clear();
    for name in INHERITED {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    let told = facts.iter();
    let told = told.filter(|(name, value)| name.starts_with("COURIER_") && !value.contains('\0'));
    command.envs(told).env("COURIER_EVENT", event);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.process_group(0).kill_on_drop(true).spawn()?;
    let group = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let ended = tokio::sync::Notify::new();
    let waiting = async {
        let status = wait(&mut child, settings.timeout, group).await;
        ended.notify_one();
        status
    };
    let last_words = async {
        ended.notified().await;
        tokio::time::sleep(LAST_WORDS).await;
    };
    let reading = async {
        tokio::select! {
            _ = async { tokio::join!(read_tail(stdout, &mut out), read_tail(stderr, &mut err)) } => {}
            () = last_words => {}
        }
    };
    let (status, ()) = tokio::join!(waiting, reading);
    let ended = status?;
    Ok(HookOutcome {
        event: event.to_owned(),
        exit_code: ended.and_then(|status| status.code()),
        timed_out: ended.is_none(),
        output_tail: tail(&out, &err),
    })
}

fn command(hook: &HookCommand) -> Result<Command, HookFault> {
    match hook {
        HookCommand::Shell(text) => {
            let mut command = Command::new("sh");
            command.arg("-c").arg(text);
            Ok(command)
        }
        HookCommand::Direct(list) => {
            let (program, arguments) = list.split_first().ok_or(HookFault::Empty)?;
            let mut command = Command::new(program);
            command.args(arguments);
            Ok(command)
        }
    }
}

/// The exit status; none when the limit came first and the whole group was killed.
async fn wait(
    child: &mut Child,
    limit: Duration,
    group: Option<Pid>,
) -> std::io::Result<Option<std::process::ExitStatus>> {
    if let Ok(ended) = tokio::time::timeout(limit, child.wait()).await {
        return ended.map(Some);
    }
    if let Some(group) = group {
        // It has no member any more when the command ended just now.
        let _ = kill_process_group(group, Signal::KILL);
    }
    child.wait().await?;
    Ok(None)
}

async fn read_tail(pipe: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut pipe) = pipe else { return };
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
        kept.extend_from_slice(buffer.get(..count).unwrap_or_default());
        kept.drain(..kept.len().saturating_sub(TAIL_LEN));
    }
}

/// What was written to both, errors last.
fn tail(out: &[u8], err: &[u8]) -> String {
    let mut whole = out.to_vec();
    whole.extend_from_slice(err);
    whole.drain(..whole.len().saturating_sub(TAIL_LEN));
    String::from_utf8_lossy(&whole).into_owned()
}

#[cfg(test)]
mod tests;
