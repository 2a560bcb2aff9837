//! `cargo xtask bench`: builds the load kit and the product in release mode and runs the named scenarios; before that it
//! installs the peers and builds the simulated HSM when they are asked for.

use std::path::Path;

use anyhow::Result;

use crate::{install, shell};

/// Scenarios and what to do with the figures.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Arguments of `chancery-bench`, for example `contract --json contract.json`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// Builds and runs.
pub(crate) fn run(args: &Args) -> Result<()> {
    let root = shell::root()?;
    let mut words = args.words.clone();
    install::softhsm()?;
    if wants_peers(&words) {
        install::peers()?;
        add(&mut words, "--openbao", &install::openbao()?);
    }
    if wants_simulated_hsm(&words) {
        add(&mut words, "--simulated-hsm", &install::simulated_hsm()?);
    }
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
        "-p",
        "courier",
    ];
    shell::run(shell::command("cargo", &build)?)?;
    let program = root.join("target/release/chancery-bench");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    shell::run(shell::command(&program.to_string_lossy(), &words)?)
}

/// Whether other programs are measured.
fn wants_peers(words: &[String]) -> bool {
    words.iter().any(|word| word == "--peers" || word == "contract")
}

/// Whether signatures are measured, and with them the simulated HSM. Without any scenario they are.
fn wants_simulated_hsm(words: &[String]) -> bool {
    let is_option = |word: &String| word.starts_with('-');
    words.iter().any(|word| word == "sign" || word == "contract") || words.first().is_none_or(is_option)
}

fn add(words: &mut Vec<String>, option: &str, path: &Path) {
    words.extend([option.to_owned(), path.to_string_lossy().into_owned()]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_and_the_simulated_hsm_come_when_they_are_needed() {
        let words = |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
        assert!(wants_peers(&words("contract --json x")) && wants_peers(&words("ocsp --peers")));
        assert!(!wants_peers(&words("ocsp")));
        for line in ["", "--json x", "sign", "contract --quick"] {
            assert!(wants_simulated_hsm(&words(line)), "{line}");
        }
        assert!(!wants_simulated_hsm(&words("ocsp --peers")));
    }
}
