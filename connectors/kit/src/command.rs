//! Commands: a program with its arguments, run without a shell, bounded in time and output.

use std::collections::BTreeMap;
use std::fmt;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Deserializer};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};

/// How much of the output is kept, in octets.
pub const TAIL_LEN: usize = 4096;
/// How long output is waited for after the end of the command: a server that it started keeps the pipe open.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// What is taken over from the environment.
pub const INHERITED: [&str; 3] = ["PATH", "HOME", "LANG"];
/// What a shell would make something of.
const OF_SHELLS: &str = ";|&$`<>(){}[]*?~!#'\"\\\n\r\0";

/// A program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine(Vec<String>);

/// Why something is no command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandFault {
    /// There is no program.
    #[error("there is no program in the command")]
    Empty,
    /// It looks like it was meant for a shell.
    #[error(
        "`{0}` means something to a shell, and no shell is used: write the command as a list of program and arguments"
    )]
    Shell(char),
}

impl CommandLine {
    /// Program and arguments, each as it is.
    pub fn of_words(words: Vec<String>) -> Result<Self, CommandFault> {
        if words.first().is_none_or(String::is_empty) {
            return Err(CommandFault::Empty);
        }
        Ok(Self(words))
    }

    /// A text, cut at blanks; what a shell would look into is refused.
    pub fn of_text(text: &str) -> Result<Self, CommandFault> {
        if let Some(found) = text.chars().find(|character| OF_SHELLS.contains(*character)) {
            return Err(CommandFault::Shell(found));
        }
        Self::of_words(text.split_whitespace().map(ToOwned::to_owned).collect())
    }

    /// Program and arguments.
    pub fn words(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

impl<'de> Deserialize<'de> for CommandLine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Text(String),
            Words(Vec<String>),
        }
        let read = match Raw::deserialize(deserializer)? {
            Raw::Text(text) => Self::of_text(&text),
            Raw::Words(words) => Self::of_words(words),
        };
        read.map_err(serde::de::Error::custom)
    }
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; none when a signal ended it.
    pub exit_code: Option<i32>,
    /// Whether it was killed at its limit.
    pub timed_out: bool,
    /// The end of what it wrote, at most [`TAIL_LEN`] octets.
    pub output_tail: String,
}

impl Ended {
    /// Whether it ended with 0 in time.
    pub fn is_success(&self) -> bool {
        self.exit_code == Some(0) && !self.timed_out
    }
}

/// Runs a program with its arguments in an environment of `PATH`, `HOME`, `LANG` and these variables. At the limit everything that it
/// started is killed.
pub async fn run(
    words: &[String],
    variables: &BTreeMap<String, String>,
    limit: Duration,
) -> std::io::Result<Ended> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(std::io::ErrorKind::InvalidInput.into());
    };
    let mut command = Command::new(program);
    command.args(arguments).env_clear();
    for name in INHERITED {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
        .envs(variables)
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
        let status = wait(&mut child, limit, group).await;
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
    Ok(Ended {
        exit_code: ended.and_then(|status| status.code()),
        timed_out: ended.is_none(),
        output_tail: tail(&out, &err),
    })
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
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]
    use super::*;

    #[test]
    fn what_is_meant_for_a_shell_is_refused() {
        let plain = CommandLine::of_text("systemctl reload nginx").unwrap();
        assert_eq!(plain.words(), ["systemctl", "reload", "nginx"]);
        for text in [
            "nginx -t; rm -rf /",
            "a && b",
            "a `b`",
            "a $(b)",
            "a > b",
            "a | b",
            "a\nb",
            "a 'b'",
        ] {
            assert!(
                matches!(CommandLine::of_text(text), Err(CommandFault::Shell(_))),
                "{text}"
            );
        }
        assert_eq!(CommandLine::of_text("  "), Err(CommandFault::Empty));
        let words: CommandLine = serde_json::from_str(r#"["nginx", "-c", "/a; b"]"#).unwrap();
        assert_eq!(words.words(), ["nginx", "-c", "/a; b"]);
        assert!(serde_json::from_str::<CommandLine>(r#""a; b""#).is_err());
    }

    #[tokio::test]
    async fn a_command_is_bounded() {
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let variables = BTreeMap::from([("TOLD".to_owned(), "x; y".to_owned())]);
        let echo = words(&["sh", "-c", "echo \"$TOLD\"; exit 3"]);
        let ended = run(&echo, &variables, Duration::from_secs(20));
        let ended = ended.await.unwrap();
        assert_eq!((ended.exit_code, ended.output_tail.as_str()), (Some(3), "x; y\n"));
        let late = run(&words(&["sleep", "600"]), &variables, Duration::from_millis(50))
            .await
            .unwrap();
        assert!(late.timed_out && !late.is_success());
        assert!(
            run(&words(&["/nowhere/at-all"]), &variables, Duration::from_secs(1))
                .await
                .is_err()
        );
    }
}
