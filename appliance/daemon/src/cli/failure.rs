//! How a command that failed is told: its causes, each once, for people or for machines, and the exit status that it means.

use std::ffi::OsString;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::Output;
use super::client::ApiFailure;
use crate::config::ConfigError;
use crate::supervise::{EXIT_CONFIG, EXIT_PIN_REJECTED, NotStarted};

/// The exit status of wrong usage, also where the parser of the command line cannot know it.
const EXIT_USAGE: u8 = 2;
/// The exit status of what could be done in part only; what could not is in what the command printed.
pub(super) const EXIT_PARTLY: u8 = 5;

/// Options that do not go together, or lack another one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct WrongUsage(pub(crate) String);

/// Tells it on standard error, and gives the exit status.
pub(super) fn tell(output: Output, error: &anyhow::Error) -> ExitCode {
    match output {
        Output::Table => eprintln!("chancery: {}", chain(error)),
        Output::Json => eprintln!("{}", for_machines(error)),
    }
    exit_code(error)
}

/// What the parser of the command line has to say, and the exit status. Who asked for help or the version gets it as it is.
pub(super) fn tell_usage(words: &[OsString], error: &clap::Error) -> ExitCode {
    let code = u8::try_from(error.exit_code()).unwrap_or(EXIT_USAGE);
    if error.use_stderr() && wants_json(words) {
        let text = error.render().to_string();
        let message = text.trim().strip_prefix("error: ").unwrap_or(text.trim());
        let told = json!({ "error": { "code": "usage", "message": message, "retryable": false } });
        eprintln!("{told}");
    } else {
        // Nobody is left to be told when it cannot be printed.
        let _ = error.print();
    }
    ExitCode::from(code)
}

/// Whether the command line, which could not be read as a whole, asks for JSON.
fn wants_json(words: &[OsString]) -> bool {
    let words: Vec<&str> = words
        .iter()
        .filter_map(|word| word.to_str())
        .take_while(|word| *word != "--")
        .collect();
    let apart = |pair: &[&str]| matches!(pair, ["-o" | "--output", "json"]);
    words.windows(2).any(apart)
        || words
            .iter()
            .any(|word| ["-ojson", "-o=json", "--output=json"].contains(word))
}

/// The error and its causes on one line. A cause that stands in the words before it already is left out.
pub(crate) fn chain(error: &anyhow::Error) -> String {
    joined(error.chain().map(ToString::to_string))
}

fn joined(messages: impl Iterator<Item = String>) -> String {
    let mut told = String::new();
    for message in messages {
        if told.is_empty() {
            told = message;
        } else if !told.contains(message.trim()) {
            told.push_str(": ");
            told.push_str(&message);
        }
    }
    told
}

/// One object, in the shape of the API's errors.
fn for_machines(error: &anyhow::Error) -> Value {
    let Some(failure) = error.downcast_ref::<ApiFailure>() else {
        return json!({ "error": { "code": code(error), "message": chain(error), "retryable": false } });
    };
    let whole = failure.to_string();
    let bare = |message: String| {
        if message == whole {
            failure.message().to_owned()
        } else {
            message
        }
    };
    let message = joined(error.chain().map(|cause| bare(cause.to_string())));
    let mut told = failure.for_machines();
    if let Some(fields) = told.as_object_mut() {
        fields.insert("message".to_owned(), Value::String(message));
    }
    json!({ "error": told })
}

/// A stable code of what did not come from the API.
fn code(error: &anyhow::Error) -> &'static str {
    if error.is::<WrongUsage>() {
        return "usage";
    }
    match final_exit(error) {
        Some(EXIT_CONFIG) => "configuration_unusable",
        Some(EXIT_PIN_REJECTED) => "hsm_pin_rejected",
        _ => "failed",
    }
}

/// The exit status that an error means.
fn exit_code(error: &anyhow::Error) -> ExitCode {
    if error.is::<WrongUsage>() {
        return ExitCode::from(EXIT_USAGE);
    }
    if let Some(exit) = final_exit(error) {
        return ExitCode::from(exit);
    }
    match error.downcast_ref::<ApiFailure>() {
        Some(failure) if failure.is_retryable() => ExitCode::from(4),
        Some(_) => ExitCode::from(3),
        None => ExitCode::FAILURE,
    }
}

/// The exit status of what starting again would only repeat.
fn final_exit(error: &anyhow::Error) -> Option<u8> {
    if error.is::<ConfigError>() || error.is::<::token::ConfigError>() {
        return Some(EXIT_CONFIG);
    }
    if let Some(::token::Error::PinRejected { .. }) = error.downcast_ref() {
        return Some(EXIT_PIN_REJECTED);
    }
    error.downcast_ref().and_then(NotStarted::final_exit)
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let twice = anyhow!("No such file or directory (os error 2)")
            .context("opening /a: No such file or directory (os error 2)");
        assert_eq!(
            chain(&twice),
            "opening /a: No such file or directory (os error 2)"
        );
        let same = anyhow!("Not a directory (os error 20)")
            .context("making the folder /a")
            .context("making the folder /a");
        assert_eq!(
            chain(&same),
            "making the folder /a: Not a directory (os error 20)"
        );
        let within =
            anyhow!("permission denied").context("/a cannot be read: permission denied; name another");
        assert_eq!(
            chain(&within),
            "/a cannot be read: permission denied; name another"
        );
        let other = anyhow!("one").context("two");
        assert_eq!(chain(&other), "two: one");
    }

    #[test]
    fn machines_are_told_a_code_and_the_message() {
        let error = anyhow!("one").context(WrongUsage("two".to_owned()));
        let told = for_machines(&error);
        assert_eq!(
            told,
            json!({ "error": { "code": "usage", "message": "two: one", "retryable": false } })
        );
        let told = for_machines(&anyhow!("one"));
        assert_eq!(told.pointer("/error/code"), Some(&json!("failed")));
    }

    #[test]
    fn a_command_line_that_cannot_be_read_still_says_whether_json_is_wanted() {
        let asks = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            wants_json(&words)
        };
        for line in [
            "chancery -o json ca",
            "chancery ca --output json lsit",
            "chancery -ojson",
            "chancery --output=json x",
        ] {
            assert!(asks(line), "{line}");
        }
        for line in [
            "chancery ca list",
            "chancery --output table json",
            "chancery cert issue -- -o json",
        ] {
            assert!(!asks(line), "{line}");
        }
    }
}
