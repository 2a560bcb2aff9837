//! A command line that is not understood: its fault is told in the form that it asks for, as far as that can be read.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;

use clap::error::ErrorKind;

use super::Output;
use crate::cmd::Console;
use crate::failure::Failure;

/// Tells what is wrong, or what was asked for (`--help`, `--version`); what the program ends with. `words` are the words behind the name of
/// the program.
pub fn tell(error: &clap::Error, words: &[OsString]) -> u8 {
    let is_asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if is_asked_for {
        // Whoever reads no further ends the output, not the program.
        let _ = error.print();
        return 0;
    }
    let failure = Failure::Usage(line(&error.render().to_string()));
    if says(words, "--output", "json") {
        let told = serde_json::json!({ "error": crate::report::Wrong::from(&failure) });
        Console::new(Output::Json).tell(&told, "");
    } else {
        let _ = error.print();
        let _ = std::io::stderr().flush();
    }
    if says(words, "--exit-codes", "simple") {
        1
    } else {
        failure.exit_code()
    }
}

/// What is wrong in one line, without the usage behind it.
fn line(text: &str) -> String {
    let first = text.split("\n\n").next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    let words: Vec<&str> = first.split_whitespace().collect();
    format!("{}; `courier --help` lists everything", words.join(" "))
}

/// Whether an option stands there with this value, in one word or two.
fn says(words: &[OsString], option: &str, value: &str) -> bool {
    let joined = format!("{option}={value}");
    let words = words.iter().map(OsString::as_os_str);
    let words: Vec<&OsStr> = words.take_while(|word| *word != "--").collect();
    words.contains(&OsStr::new(&joined))
        || words
            .windows(2)
            .any(|pair| matches!(pair, [one, other] if *one == option && *other == value))
}
