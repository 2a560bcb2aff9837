//! `chancery completions`: for bash, zsh, fish and others.

use clap::CommandFactory as _;
use clap_complete::Shell;

/// Which shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: chancery completions bash > /etc/bash_completion.d/chancery")]
pub(crate) struct Args {
    /// The shell.
    shell: Shell,
}

pub(crate) fn run(args: &Args) {
    clap_complete::generate(
        args.shell,
        &mut super::Cli::command(),
        "chancery",
        &mut std::io::stdout(),
    );
}
