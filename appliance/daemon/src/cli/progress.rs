//! How far something long is: a line that changes for people, an object a line for machines, now and then.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use serde_json::json;

use super::Output;

/// How often progress is told.
const OFTEN: Duration = Duration::from_millis(500);

/// Tells it on standard error.
#[derive(Debug)]
pub(crate) struct Teller {
    output: Output,
    last: Option<(Instant, &'static str, String)>,
}

impl Teller {
    pub(crate) fn new(output: Output) -> Self {
        Self { output, last: None }
    }

    /// So many rows of a table are done, of how many when that is known.
    pub(crate) fn tell(&mut self, stage: &'static str, table: &str, rows: u64, of: Option<u64>) {
        let is_new = self
            .last
            .as_ref()
            .is_none_or(|(_, was, at)| (*was, at.as_str()) != (stage, table));
        let is_due = self
            .last
            .as_ref()
            .is_none_or(|(since, ..)| since.elapsed() >= OFTEN);
        if !(is_new || is_due || Some(rows) == of) {
            return;
        }
        self.last = Some((Instant::now(), stage, table.to_owned()));
        let how_many = match (rows, of) {
            (0, None) => String::new(),
            (0, Some(of)) => format!(": {of}"),
            (rows, None) => format!(": {rows}"),
            (rows, Some(of)) => format!(": {rows} of {of}"),
        };
        let mut err = std::io::stderr().lock();
        // Who cannot be told loses nothing but the telling.
        let _ = match self.output {
            Output::Json => writeln!(
                err,
                "{}",
                json!({ "stage": stage, "table": table, "rows": rows, "of": of })
            ),
            Output::Table if std::io::stderr().is_terminal() => {
                write!(err, "\r\x1b[K{stage} {table}{how_many}")
            }
            Output::Table => writeln!(err, "{stage} {table}{how_many}"),
        };
    }

    /// Ends the line that changes.
    pub(crate) fn end(&self) {
        if self.output == Output::Table && self.last.is_some() && std::io::stderr().is_terminal() {
            let _ = writeln!(std::io::stderr());
        }
    }
}
