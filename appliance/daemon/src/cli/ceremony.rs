//! `chancery ceremony`: plans of key ceremonies, carried out on a machine of their own. No server runs there, and nothing here needs
//! a network.

mod key;
mod run;
mod tell;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use ca::ceremony::{self, Folder, Plan, TEMPLATES};
use clap::Subcommand;
use serde_json::json;

use super::{Output, Place, table};
use crate::cli::say::{say, say_part};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print a commented plan to begin with: root, intermediate, cross-sign, rollover or crl.
    #[command(after_help = "Example: chancery ceremony template root > root.toml")]
    Template {
        /// PlanArgs.
        #[arg(value_parser = clap::builder::PossibleValuesParser::new(TEMPLATES))]
        name: String,
    },
    /// Make an approver's key, in a file or in a token, and print the section of the plan that names it.
    #[command(
        after_help = "Examples:\n  chancery ceremony keygen alice --dir /media/alice --passphrase-file passphrase\n  \
        chancery ceremony keygen bob --module /opt/vendor/lib/pkcs11.so --label bobs-token --pin-file pin"
    )]
    Keygen(key::Keygen),
    /// Say everything that is wrong with a plan, or what it does.
    #[command(after_help = "Example: chancery ceremony check root.toml")]
    Check {
        /// The plan.
        plan: PathBuf,
    },
    /// Show the step that waits for approvals, and who has given one.
    #[command(after_help = "Example: chancery ceremony status root.toml")]
    Status(PlanArgs),
    /// Approve the step that waits, with the key of one of the plan's approvers.
    #[command(
        after_help = "What is approved is printed first. The folder of the ceremony is all that it takes: it may be done on another \
        machine, and the approval's file be brought back into approvals/.\n\nExamples:\n  \
        chancery ceremony approve root.toml --step 1 --key /media/alice/alice.0123456789abcdef.pem\n  \
        chancery ceremony approve root.toml --step 1 --module /opt/vendor/lib/pkcs11.so --label bobs-token --pin-file pin"
    )]
    Approve {
        #[command(flatten)]
        which: PlanArgs,
        /// The step, by its number; approving fails when it is another one that waits.
        #[arg(long)]
        step: Option<usize>,
        #[command(flatten)]
        key: Box<key::Chosen>,
    },
    /// Carry a plan out, as far as its steps are approved; the same command goes on after approvals and interruptions. Exit status 4
    /// when a step waits for approvals.
    #[command(
        after_help = "Keys are those of the configuration (--config), which `chancery init --offline` makes.\n\nExamples:\n  \
        chancery ceremony run root.toml --dry-run\n  chancery --config /media/ca/chancery.toml ceremony run root.toml"
    )]
    Run(run::Args),
    /// Check a transcript from nothing but itself: its chain, the approvals, and every octet that was signed. Exit status 1 when it does
    /// not hold.
    #[command(
        after_help = "Example: chancery ceremony verify root.ceremony/transcript.jsonl --plan root.toml"
    )]
    Verify {
        /// The transcript.
        transcript: PathBuf,
        /// The plan that it must be of.
        #[arg(long, value_name = "FILE")]
        plan: Option<PathBuf>,
    },
}

/// The ceremony a command is about.
#[derive(Debug, clap::Args)]
pub(crate) struct PlanArgs {
    /// The plan.
    plan: PathBuf,
    /// The folder of the ceremony; beside the plan and named after it when left out.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl PlanArgs {
    fn open(&self) -> Result<(Plan, Folder)> {
        Ok((
            read_plan(&self.plan)?,
            Folder::of(&self.plan, self.folder.as_deref()),
        ))
    }
}

pub(crate) async fn run(place: &Place, command: Command) -> Result<ExitCode> {
    match command {
        Command::Template { name } => {
            say_part!("{}", ceremony::template(&name).unwrap_or_default());
            Ok(ExitCode::SUCCESS)
        }
        Command::Keygen(args) => blocking(|| key::generate(place, &args)),
        Command::Check { plan } => check(place, &plan),
        Command::Status(which) => {
            let (plan, folder) = which.open()?;
            tell::waiting(place.output, &plan, &ceremony::waiting(&plan, &folder)?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Approve { which, step, key } => blocking(|| approve(place, &which, step, &key)),
        Command::Run(args) => run::run(place, &args).await,
        Command::Verify { transcript, plan } => verify(place, &transcript, plan.as_deref()),
    }
}

/// Calls into a token block, on a thread that may.
fn blocking<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| scope.spawn(work).join()).map_err(|_| anyhow::anyhow!("the work broke off"))?
}

fn read_plan(file: &Path) -> Result<Plan> {
    let text = super::read(file)?;
    Plan::parse(&text).with_context(|| file.display().to_string())
}

fn check(place: &Place, file: &Path) -> Result<ExitCode> {
    let plan = read_plan(file)?;
    tell::plan(place.output, &plan);
    Ok(ExitCode::SUCCESS)
}

fn approve(place: &Place, which: &PlanArgs, step: Option<usize>, key: &key::Chosen) -> Result<ExitCode> {
    let (plan, folder) = which.open()?;
    let waiting = ceremony::waiting(&plan, &folder)?;
    if place.output == Output::Table {
        tell::statement(&waiting.statement);
    }
    let key = key.open(place)?;
    let (approval, file) = ceremony::approve(&plan, &folder, step, &key)?;
    let told = json!({
        "plan": approval.plan, "step": approval.step, "step_hash": approval.step_hash,
        "approver": approval.approver, "file": file,
    });
    let rows = [
        ("Approved by", "/approver"),
        ("Step", "/step"),
        ("Kept in", "/file"),
    ];
    table::one(place.output, &told, &rows);
    Ok(ExitCode::SUCCESS)
}

fn verify(place: &Place, transcript: &Path, plan: Option<&Path>) -> Result<ExitCode> {
    let text =
        std::fs::read(transcript).with_context(|| format!("{} cannot be read", transcript.display()))?;
    match ceremony::verify(&text) {
        Ok(verdict) => {
            if let Some(plan) = plan
                && read_plan(plan)?.hash != verdict.plan.hash
            {
                bail!(
                    "the transcript holds together, and is of another plan than {}",
                    plan.display()
                );
            }
            tell::verdict(place.output, &verdict);
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            match place.output {
                Output::Table => say!("the transcript does not hold: {error}"),
                Output::Json => table::json(&json!({ "sound": false, "what": error.to_string() })),
            }
            Ok(ExitCode::FAILURE)
        }
    }
}
