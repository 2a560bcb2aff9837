//! `cargo xtask check`: everything that can be said about the code without running it.

use anyhow::Result;

use crate::{install, shell, sizes, tally::Tally};

/// Runs all checks and prints the counts.
pub(crate) fn run() -> Result<()> {
    install::cargo_tools()?;
    let mut tally = Tally::default();
    steps(&mut tally);
    tally.close()
}

/// The checks, each counted as one.
pub(crate) fn steps(tally: &mut Tally) {
    tally.step("format", || {
        shell::run(shell::command("cargo", &["fmt", "--all", "--", "--check"])?)
    });
    tally.step("clippy", || {
        let args = [
            "clippy",
            "--workspace",
            "--all-targets",
            "--quiet",
            "--locked",
            "--",
            "-D",
            "warnings",
        ];
        shell::run(shell::command("cargo", &args)?)
    });
    tally.step("fences (cargo deny)", || {
        let args = [
            "deny",
            "--offline",
            "--log-level",
            "error",
            "check",
            "bans",
            "licenses",
            "sources",
        ];
        shell::run(shell::command("cargo", &args)?)
    });
    tally.step("sizes", sizes::run);
    tally.step("lock of the fuzz targets", || {
        let args = [
            "tree",
            "--quiet",
            "--locked",
            "--depth=0",
            "--manifest-path=fuzz/Cargo.toml",
        ];
        shell::run(shell::command("cargo", &args)?)
    });
    tally.step("documentation", || {
        let mut doc = shell::command(
            "cargo",
            &["doc", "--workspace", "--no-deps", "--quiet", "--locked"],
        )?;
        doc.env("RUSTDOCFLAGS", "-D warnings");
        shell::run(doc)
    });
}
