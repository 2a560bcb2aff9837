//! Hooks: a command of the operator at the end of a run.
//!
//! What is told to it stands in its environment, never in the command text: a common name is somebody else's data.

use std::collections::BTreeMap;
use std::time::Duration;

use kit::command;
pub use kit::command::TAIL_LEN;

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
    let words = match &settings.command {
        HookCommand::Shell(text) => vec!["sh".to_owned(), "-c".to_owned(), text.clone()],
        HookCommand::Direct(list) if list.is_empty() => return Err(HookFault::Empty),
        HookCommand::Direct(list) => list.clone(),
    };
    let told = facts.iter();
    let told = told.filter(|(name, value)| name.starts_with("COURIER_") && !value.contains('\0'));
    let mut told: BTreeMap<String, String> =
        told.map(|(name, value)| (name.clone(), value.clone())).collect();
    told.insert("COURIER_EVENT".to_owned(), event.to_owned());
    let ended = command::run(&words, &told, settings.timeout).await?;
    Ok(HookOutcome {
        event: event.to_owned(),
        exit_code: ended.exit_code,
        timed_out: ended.timed_out,
        output_tail: ended.output_tail,
    })
}

#[cfg(test)]
mod tests;
