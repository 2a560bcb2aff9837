//! Counting: the benchmark program of the load kit under callgrind, and what it wrote.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use crate::shell;

/// Instructions per operation, by name.
pub(crate) type Counts = BTreeMap<String, u64>;

/// The function of `bench/benches/hot/counted.rs` in which instructions are counted.
const COUNTED: &str = "hot::counted::counted_from_here";

/// Builds the program, runs it and reads the counts.
pub(crate) fn all() -> Result<Counts> {
    let program = program()?;
    let program = program.to_string_lossy();
    // Every operation once, also those that are only timed: one that broke is seen here.
    timed(&program, &["--test"])?;
    let folder = shell::root()?.join("target/instructions");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    let out = folder.join("callgrind.out");
    let words = [
        "--tool=callgrind",
        "--quiet",
        // Nothing is counted but what happens in there; each time it is left, a file is written.
        "--collect-atstart=no",
        // Callgrind 3.19 forgets the one of these when the other has the same pattern.
        &format!("--toggle-collect=*{COUNTED}"),
        &format!("--dump-after={COUNTED}"),
        &format!("--callgrind-out-file={}", out.display()),
        &program,
        "--counted",
    ];
    let printed = timed("valgrind", &words)?;
    let mut runs = Vec::new();
    for (number, line) in (1..).zip(printed.lines()) {
        let (name, times) = line.split_once(' ').context("a name and a number")?;
        let file = folder.join(format!("callgrind.out.{number}"));
        let text = std::fs::read_to_string(&file).with_context(|| format!("what was counted of {line}"))?;
        runs.push(Run {
            name,
            times: times.parse()?,
            instructions: total(&text).with_context(|| format!("the total in {}", file.display()))?,
        });
    }
    let further = folder.join(format!("callgrind.out.{}", runs.len() + 1));
    ensure!(!further.exists(), "something was counted that has no name");
    per_operation(&runs)
}

/// An operation done so many times.
#[derive(Clone, Copy, Debug)]
struct Run<'a> {
    name: &'a str,
    times: u64,
    instructions: u64,
}

/// Each operation was done N times and 2 N times: the difference is N of them, without what happens once.
fn per_operation(runs: &[Run<'_>]) -> Result<Counts> {
    let mut counts = Counts::new();
    for pair in runs.chunks(2) {
        let [once, twice] = pair else {
            anyhow::bail!("an operation was not done twice")
        };
        let name = once.name;
        ensure!(
            name == twice.name && once.times > 0 && twice.times == 2 * once.times,
            "{name} was not done N and 2 N times"
        );
        let more = twice.instructions.checked_sub(once.instructions);
        let each = more.context("twice as often is more")? / once.times;
        ensure!(
            once.instructions > 0 && each > 0,
            "nothing was counted of {name}: is {COUNTED} still a function of its own?"
        );
        ensure!(
            counts.insert(name.to_owned(), each).is_none(),
            "{name} was counted twice"
        );
    }
    ensure!(!counts.is_empty(), "nothing was counted");
    Ok(counts)
}

/// The total in a file of callgrind.
fn total(text: &str) -> Option<u64> {
    let total = text.lines().find_map(|line| line.strip_prefix("totals:"))?;
    total.trim().parse().ok()
}

/// The benchmark program in the profile for counting.
fn program() -> Result<PathBuf> {
    let words = [
        "build",
        "--quiet",
        "--locked",
        "--profile=counts",
        "--package=chancery-bench",
        "--bench=hot",
        // Without the load kit around it, which takes longer to build.
        "--no-default-features",
        "--message-format=json-render-diagnostics",
    ];
    let printed = timed("cargo", &words)?;
    executable(&printed).context("the built program")
}

/// The program among the messages of cargo.
fn executable(messages: &str) -> Option<PathBuf> {
    messages.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_it = message.pointer("/target/name")? == "hot";
        is_it.then(|| message.get("executable")?.as_str().map(PathBuf::from))?
    })
}

/// What a command prints; it and its time are shown.
fn timed(program: &str, words: &[&str]) -> Result<String> {
    let start = Instant::now();
    println!("$ {program} {}", words.join(" "));
    let printed = shell::output(shell::command(program, words)?)?;
    println!("  done after {:.1} s", start.elapsed().as_secs_f64());
    Ok(printed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, times: u64, instructions: u64) -> Run<'_> {
        Run {
            name,
            times,
            instructions,
        }
    }

    #[test]
    fn what_happens_once_is_not_counted() {
        let runs = [
            run("a", 10, 1500),
            run("a", 20, 2500),
            run("b", 2, 20),
            run("b", 4, 40),
        ];
        let counts = per_operation(&runs).unwrap_or_default();
        assert_eq!(counts.get("a"), Some(&100));
        assert_eq!(counts.get("b"), Some(&10));
    }

    #[test]
    fn a_count_that_counts_nothing_fails() {
        for runs in [
            &[][..],
            &[run("a", 10, 0), run("a", 20, 0)],
            &[run("a", 10, 500), run("a", 20, 500)],
            &[run("a", 10, 500), run("a", 20, 400)],
            &[run("a", 10, 500), run("a", 10, 600)],
            &[run("a", 10, 500), run("b", 20, 600)],
            &[run("a", 0, 500), run("a", 0, 600)],
            &[run("a", 10, 500)],
        ] {
            assert!(per_operation(runs).is_err(), "{runs:?}");
        }
    }

    #[test]
    fn totals_and_programs_are_found_where_they_stand() {
        let file = "version: 1\nevents: Ir\nsummary: 1\n\nfn=(1)\n0 7\n\ntotals: 1234\n";
        assert_eq!(total(file), Some(1234));
        assert_eq!(total("events: Ir\n"), None);
        let messages = concat!(
            "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"ca\"},\"executable\":null}\n",
            "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"hot\"},\"executable\":\"/t/hot-1\"}\n",
            "{\"reason\":\"build-finished\",\"success\":true}\n",
        );
        assert_eq!(
            executable(messages).as_deref(),
            Some(std::path::Path::new("/t/hot-1"))
        );
    }
}
