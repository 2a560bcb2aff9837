//! `chancery completions`: for bash, zsh, fish and others.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::say::say_part;

/// Which shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: chancery completions bash > /etc/bash_completion.d/chancery")]
pub(crate) struct Args {
    /// The shell.
    shell: Shell,
}

pub(crate) fn run(args: &Args) {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "chancery", &mut script);
    say_part!("{}", String::from_utf8_lossy(&script));
}
