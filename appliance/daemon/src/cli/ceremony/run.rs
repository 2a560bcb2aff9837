//! `chancery ceremony run`: a plan carried out, or rehearsed.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use ca::ceremony::{Ceremony, Outcome, Plan, Progress, StandIn, rehearse};
use ca::{Authority, Clock, Settings, Signer};
use serde_json::json;
use store::{Error, Location, Store, StoreConfig};
use token::KeyRing;

use super::{PlanArgs, tell};
use crate::cli::say::say;
use crate::cli::{Output, Place};
use crate::compose;
use crate::config::{Config, SignerMode};
use crate::files;

/// A plan to be carried out.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    which: PlanArgs,
    /// Rehearse: the whole plan with keys in memory, without approvals; nothing is kept, and nothing of the machine is changed.
    #[arg(long)]
    dry_run: bool,
    /// Who runs the ceremony, for the transcript; the user's name when left out.
    #[arg(long, value_name = "NAME")]
    operator: Option<String>,
}

pub(super) async fn run(place: &Place, args: &Args) -> Result<ExitCode> {
    let (plan, folder) = args.which.open()?;
    let file = std::path::absolute(&args.which.plan)?;
    let beside = file.parent().unwrap_or(Path::new("/")).to_owned();
    if args.dry_run {
        return rehearsal(place, &plan, &beside).await;
    }
    let config = Config::load(&place.config)
        .context("a ceremony needs the configuration of its machine: `chancery init --offline` makes one")?;
    let operator = args.operator.clone().unwrap_or_else(user);
    let mut ceremony = Ceremony::open(plan.clone(), &beside, folder, &operator)?;
    let opened = compose::new_store(&config)
        .await
        .context("is another program at work with this configuration? stop it first")?;
    let signer = match config.signer.mode {
        SignerMode::Connect => compose::signer(&config)?,
        SignerMode::Spawn | SignerMode::InProcess => compose::signer_here(&config)?,
    };
    let settings = Settings {
        // What the server keeps there is of no use here.
        ocsp_folder: None,
        base_url: plan.base_url.clone(),
        ..compose::settings(&config)?
    };
    let authority = Authority::open(opened, signer, Clock::fixed(ceremony.time()), settings)
        .await
        .context("opening the authority")?;
    let outcome = ceremony
        .run(&authority, &mut |progress| told(place.output, progress, false))
        .await;
    authority.drain().await;
    match outcome? {
        Outcome::Finished => {
            match place.output {
                Output::Table => say!("the ceremony is finished"),
                Output::Json => say!("{}", json!({ "state": "finished" })),
            }
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Waiting(waiting) => {
            tell::waiting(place.output, &plan, &waiting);
            Ok(ExitCode::from(4))
        }
    }
}

fn told(output: Output, progress: &Progress<'_>, is_rehearsal: bool) {
    match (progress, output) {
        (Progress::Begins(step, what), Output::Table) => say!("step {step}: {what}"),
        (Progress::Begins(step, what), Output::Json) => {
            say!(
                "{}",
                json!({ "state": "begins", "rehearsal": is_rehearsal, "step": step, "what": what })
            );
        }
        (Progress::Settled(step), Output::Table) => say!("  step {step} was broken off, and is settled"),
        (Progress::Settled(step), Output::Json) => say!("{}", json!({ "state": "settled", "step": step })),
        (Progress::Done(step, outputs, files), _) => tell::done(output, *step, outputs, files, is_rehearsal),
    }
}

/// Who is at the keyboard.
fn user() -> String {
    ["SUDO_USER", "USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()))
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

async fn rehearsal(place: &Place, plan: &Plan, beside: &Path) -> Result<ExitCode> {
    let stand_ins = stand_ins(place, plan).await?;
    let folder = Thrown::new()?;
    let store = Store::open(&StoreConfig::new(folder.0.join("rehearsal.db")))?;
    let signer = Signer::in_process(Arc::new(KeyRing::in_memory()));
    let now = plan.time.unwrap_or_else(|| Clock::system().now());
    let clock = Clock::fixed(jiff::Timestamp::from_second(now.as_second())?);
    let authority = Authority::open(store, signer, clock, Settings::new(&plan.base_url)).await?;
    let mut tell = |progress: &Progress<'_>| told(place.output, progress, true);
    let outcome = rehearse(plan, beside, &authority, &stand_ins, &mut tell).await;
    authority.drain().await;
    drop(authority);
    outcome.context("the rehearsal")?;
    match place.output {
        Output::Table => say!("the rehearsal went through; nothing of it is kept"),
        Output::Json => say!("{}", json!({ "state": "finished", "rehearsal": true })),
    }
    Ok(ExitCode::SUCCESS)
}

/// The CAs of this machine; none where there is no configuration or no store yet.
async fn stand_ins(place: &Place, plan: &Plan) -> Result<Vec<StandIn>> {
    if !place.config.exists() {
        return Ok(Vec::new());
    }
    let config = Config::load(&place.config)?.store_config()?;
    if matches!(&config.location, Location::File(file) if !file.exists()) {
        return Ok(Vec::new());
    }
    match Store::open_read_only(&config) {
        Err(Error::NoStore) => Ok(Vec::new()),
        opened => Ok(StandIn::all(&opened?, plan).await?),
    }
}

/// A folder that is gone when this is.
struct Thrown(PathBuf);

impl Thrown {
    fn new() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("chancery-rehearsal-{}", uuid::Uuid::new_v4()));
        if folder.exists() {
            bail!("{} is there already", folder.display());
        }
        files::private_folder(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Thrown {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("chancery: {} stays: {error}", self.0.display());
        }
    }
}
