//! `completions` and `man`: what packages are made of.

use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::args::Arguments;
use crate::failure::Failure;

/// Prints the completions of a shell.
#[expect(clippy::unnecessary_wraps, reason = "every command may fail")]
pub(super) fn completions(shell: Shell) -> Result<(), Failure> {
    clap_complete::generate(
        shell,
        &mut Arguments::command(),
        "courier",
        &mut std::io::stdout(),
    );
    Ok(())
}

/// Prints the manual page, or writes one for each command into a folder.
pub(super) fn man(dir: Option<&Path>) -> Result<(), Failure> {
    let command = Arguments::command();
    let written = match dir {
        Some(dir) => clap_mangen::generate_to(command, dir),
        None => Man::new(command).render(&mut std::io::stdout()),
    };
    written.map_err(|source| Failure::Io {
        what: "the manual pages cannot be written".to_owned(),
        source,
    })
}
