//! `cargo xtask test`: installs the counterparts, runs the checks and the whole suite, ends with `N passed, M failed`.

use anyhow::{Context, Result};

use crate::{check, fuzz, install, instructions, shell, tally::Tally};

/// What to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only install what the tests need.
    #[arg(long)]
    install_only: bool,
    /// Leave out format, clippy, fences, sizes and documentation.
    #[arg(long)]
    no_check: bool,
    /// Remove what a stage built as soon as no later stage uses it: for machines with little disk, that build anew each time.
    #[arg(long)]
    sweep: bool,
    /// Only tests whose name contains this.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
}

/// Runs it all.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut tally = Tally::default();
    println!("== counterparts (Debian, PyPI, npm, cargo tools, PKCS#11 modules)");
    install::null_device()?;
    install::debian()?;
    install::python()?;
    install::npm()?;
    install::cargo_tools()?;
    install::kryoptic()?;
    install::faulty()?;
    if args.install_only {
        return Ok(());
    }
    if !args.no_check {
        check::steps(&mut tally);
    }
    tally.step("build", || {
        shell::run(shell::command(
            "cargo",
            &["build", "--workspace", "--quiet", "--locked"],
        )?)
    });
    suite(&mut tally, "default", args.filter.as_deref())?;
    suite(&mut tally, "postgres", args.filter.as_deref())?;
    if args.filter.is_none() {
        tally.step("documentation examples", || {
            shell::run(shell::command(
                "cargo",
                &["test", "--workspace", "--doc", "--quiet", "--locked"],
            )?)
        });
        sweep(args, &["debug", "release", "doc"])?;
        tally.step("instruction counts", || {
            instructions::run(&instructions::Args::default())
        });
        sweep(args, &["counts"])?;
        tally.step("fuzz targets, a few seconds each", || {
            fuzz::run(&fuzz::Args::smoke())
        });
    }
    tally.close()
}

/// Removes directories of the target directory, where that was asked for.
fn sweep(args: &Args, built: &[&str]) -> Result<()> {
    if !args.sweep {
        return Ok(());
    }
    for name in built {
        let directory = shell::root()?.join("target").join(name);
        if directory.exists() {
            std::fs::remove_dir_all(&directory)
                .with_context(|| format!("{} is removed", directory.display()))?;
        }
    }
    Ok(())
}

/// The suite under nextest, one process a test; the counts come from its JUnit report. The profile says over which database.
fn suite(tally: &mut Tally, profile: &str, filter: Option<&str>) -> Result<()> {
    let name = match profile {
        "default" => "tests".to_owned(),
        other => format!("tests over {other}"),
    };
    println!("\n== {name}");
    let report = shell::root()?.join(format!("target/nextest/{profile}/junit.xml"));
    if report.exists() {
        std::fs::remove_file(&report)?;
    }
    let mut words = vec![
        "nextest",
        "run",
        "--workspace",
        "--locked",
        "--profile",
        profile,
        "--no-tests=pass",
        "--no-fail-fast",
        "--status-level",
        "slow",
    ];
    words.extend(["--final-status-level", "fail"]);
    words.extend(filter);
    let mut run = shell::command("cargo", &words)?;
    if profile != "default" {
        run.env("CHANCERY_TEST_STORE", profile);
    }
    let verdict = shell::run(run);
    let Ok(xml) = std::fs::read_to_string(&report) else {
        tally.fail(&format!("{name}: no report, see above"));
        return Ok(());
    };
    let head = xml
        .split("<testsuites")
        .nth(1)
        .and_then(|rest| rest.split('>').next())
        .context("a JUnit report")?;
    let total = attribute(head, "tests")?;
    let failed = attribute(head, "failures")? + attribute(head, "errors")?;
    tally.add(&name, total.saturating_sub(failed), failed);
    if verdict.is_err() && failed == 0 {
        tally.fail(&format!(
            "{name}: the runner failed without naming a test, see above"
        ));
    }
    Ok(())
}

fn attribute(head: &str, name: &str) -> Result<u64> {
    let rest = head
        .split(&format!(" {name}=\""))
        .nth(1)
        .with_context(|| format!("`{name}` in the report"))?;
    Ok(rest.split('"').next().unwrap_or_default().parse()?)
}
