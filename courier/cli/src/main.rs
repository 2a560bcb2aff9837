//! `courier`: fetches certificates and renews them; started by a timer, ended when it is done.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use courier::args::{Arguments, refusal};
use courier::cmd;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let words: Vec<_> = std::env::args_os().skip(1).collect();
            return ExitCode::from(refusal::tell(&error, &words));
        }
    };
    // Most runs find nothing to do: one thread starts fastest.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => ExitCode::from(runtime.block_on(cmd::perform(arguments, &mut ()))),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "courier: the program cannot start: {error}");
            ExitCode::FAILURE
        }
    }
}
