//! `deploy`: the files on disk go to the servers of the file once more.

use std::time::Duration;

use serde::Serialize;

use super::Console;
use crate::config::{CertificateSettings, Deployment};
use crate::failure::Failure;
use crate::lock::Lock;
use crate::report::Wrong;
use crate::run::{deploy as run, disk};
use crate::state::Memory;

/// What came of one server.
#[derive(Debug, Serialize)]
struct Told<'a> {
    name: &'a str,
    target: &'a str,
    #[serde(flatten)]
    receipt: Option<kit::Receipt>,
    error: Option<Wrong>,
}

/// Hands the files of every certificate to its servers, or to those of one kind; the worst exit code.
pub(super) async fn deploy(
    console: Console,
    chosen: &[CertificateSettings],
    kind: Option<&str>,
    options: kit::Options,
    lock_timeout: Duration,
) -> u8 {
    let mut worst = 0;
    let mut count = 0;
    for settings in chosen {
        let wanted = settings
            .deploy
            .iter()
            .filter(|one| kind.is_none_or(|kind| one.kind == kind));
        for deployment in wanted {
            count += 1;
            let done = hand_to(deployment, settings, options, lock_timeout).await;
            let error = done.as_ref().err().map(Wrong::from);
            worst = worst.max(error.as_ref().map_or(0, |wrong| wrong.exit_code));
            let told = Told {
                name: &settings.name,
                target: &deployment.kind,
                receipt: done.ok(),
                error,
            };
            console.tell(&told, &line(&told, options.is_dry));
        }
    }
    if count == 0 {
        let failure = Failure::Usage("the file names no such server in `deploy`".to_owned());
        console.failed(std::path::Path::new("deploy"), &failure);
        return failure.exit_code();
    }
    worst
}

/// One server takes what is on disk, while no run is at work on it.
async fn hand_to(
    deployment: &Deployment,
    settings: &CertificateSettings,
    options: kit::Options,
    lock_timeout: Duration,
) -> Result<kit::Receipt, Failure> {
    let _lock = if options.is_dry {
        None
    } else {
        let memory = Memory::open(&settings.state_dir, &settings.name)?;
        Some(Lock::acquire(&memory.lock_path(), lock_timeout).await?)
    };
    let found = disk::read(settings)?;
    run::hand_to(deployment, settings, &found, options, &mut ()).await
}

fn line(told: &Told<'_>, is_dry: bool) -> String {
    let mut line = format!("{}: {}: ", told.name, told.target);
    match (&told.receipt, &told.error) {
        (_, Some(wrong)) => line.push_str(&wrong.message),
        (Some(receipt), None) => {
            let verb = if is_dry { "would be written" } else { "written" };
            for file in &receipt.written {
                let file = format!("{} {verb}, ", file.display());
                line.push_str(&file);
            }
            line.push_str(match (receipt.applied, is_dry, receipt.verified) {
                (false, _, _) => "nothing to do",
                (true, true, _) => "the server would be told",
                (true, false, true) => "the server serves it",
                (true, false, false) => "the server was told",
            });
        }
        (None, None) => {}
    }
    line
}
