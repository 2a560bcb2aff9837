//! Standard output: results for people or for programs, nothing else.

use std::io::Write as _;
use std::path::Path;

use serde::Serialize;

use crate::args::Output;
use crate::failure::Failure;
use crate::report::{Report, Wrong};

/// Where results go.
#[derive(Clone, Copy, Debug)]
pub struct Console {
    output: Output,
}

impl Console {
    /// Results in this form.
    pub fn new(output: Output) -> Self {
        Self { output }
    }

    /// A result: an object in one line, or the text.
    pub fn tell(&self, value: &impl Serialize, text: &str) {
        match self.output {
            Output::Text => self.print(text),
            Output::Json => match serde_json::to_string(value) {
                Ok(line) => self.print(&line),
                Err(error) => tracing::error!(%error, "the result cannot be written as JSON"),
            },
        }
    }

    /// What came of one certificate.
    pub fn report(&self, report: &Report) {
        if let (Output::Text, Some(wrong)) = (self.output, &report.error) {
            // The reason belongs with the log; a failed command says nothing on standard output but its line.
            tracing::debug!(code = wrong.code, "failed");
        }
        self.tell(report, &report.line());
    }

    /// A command that failed as a whole.
    pub fn failed(&self, about: &Path, failure: &Failure) {
        match self.output {
            Output::Text => {
                let _ = writeln!(
                    std::io::stderr(),
                    "courier: {}: {}",
                    about.display(),
                    failure.told()
                );
            }
            Output::Json => self.tell(&serde_json::json!({ "error": Wrong::from(failure) }), ""),
        }
    }

    /// A line. Whoever reads no further ends the output, not the program.
    pub fn print(&self, text: &str) {
        let _ = writeln!(std::io::stdout(), "{text}");
    }
}
