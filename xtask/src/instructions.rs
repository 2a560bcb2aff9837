//! `cargo xtask instructions`: counts the instructions of the hot operations under Valgrind and holds them against
//! `bench/instructions.toml`. Wall time says nothing on a machine that others use too; a count is nearly the same everywhere.

mod count;
mod expected;

use anyhow::{Result, ensure};

use crate::{install, shell};
use count::Counts;
use expected::Expected;

/// The file of what is expected, from the root.
const FILE: &str = "bench/instructions.toml";

/// What to do with the counts.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Args {
    /// Write what was counted into `bench/instructions.toml`: for a change that is meant, and argued in its commit.
    #[arg(long)]
    bless: bool,
}

/// Counts, and judges or writes down.
pub(crate) fn run(args: &Args) -> Result<()> {
    install::valgrind()?;
    let path = shell::root()?.join(FILE);
    let text = std::fs::read_to_string(&path)?;
    let expected = Expected::read(&text)?;
    let counts = count::all()?;
    let lines = expected.judge(&counts);
    for line in &lines {
        println!("{line}");
    }
    if args.bless {
        std::fs::write(&path, expected::with_counts(&text, &counts)?)?;
        println!("written to {FILE}: say in the commit why the counts changed");
        return Ok(());
    }
    let (all, bad) = (lines.len(), lines.iter().filter(|line| !line.is_kept()).count());
    ensure!(
        bad == 0,
        "{bad} of {all} counts are not within {}% of {FILE}. More: make the operation as cheap as it was. Fewer, or more for a \
         reason: `cargo xtask instructions --bless`",
        expected.tolerance_percent
    );
    Ok(())
}
