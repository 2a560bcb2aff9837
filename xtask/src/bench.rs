//! `cargo xtask bench`: builds the load kit and the product in release mode and runs the named scenarios.

use anyhow::Result;

use crate::shell;

/// Scenarios and what to do with the figures.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Arguments of `chancery-bench`, for example `sign issue ocsp --json figures.json`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// Builds and runs.
pub(crate) fn run(args: &Args) -> Result<()> {
    let build = [
        "build",
        "--release",
        "--locked",
        "-p",
        "chancery-bench",
        "-p",
        "chancery",
        "-p",
        "chancery-signerd",
    ];
    shell::run(shell::command("cargo", &build)?)?;
    let program = shell::root()?.join("target/release/chancery-bench");
    let words: Vec<&str> = args.words.iter().map(String::as_str).collect();
    shell::run(shell::command(&program.to_string_lossy(), &words)?)
}
