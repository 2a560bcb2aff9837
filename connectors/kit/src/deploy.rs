//! Doing what a plan says: put the files, have the server check them, have it take them, look at what it serves; undo all of it when a
//! step fails.
//!
//! What stood there before is kept beside each file until the end. A killed deployment leaves it there, so that the next one knows what
//! to go back to: a set of files that was not checked never becomes what is gone back to.

pub mod haproxy;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::command::{self, CommandLine};
use crate::fault::{Fault, FaultKind};
use crate::folder::{Access, Folder, FolderFault};
use crate::plan::{Apply, Plan, PutFile};
use crate::watch::Watch;

/// What a file is called that is gone back to.
const BEFORE: &str = ".before";
/// The mark of a file that did not exist before.
const ABSENT: &str = ".absent";

/// How a plan is done.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Nothing is done; the receipt tells what would be.
    pub is_dry: bool,
    /// The server is told even when the files are what they should be and no probe says that it serves something else.
    pub always_apply: bool,
    /// How long a command may take.
    pub command_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            is_dry: false,
            always_apply: false,
            command_timeout: Duration::from_mins(1),
        }
    }
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// Files that were put; the others were as they should be.
    pub written: Vec<PathBuf>,
    /// Whether the server was told.
    pub applied: bool,
    /// Whether the new certificate was seen being served.
    pub verified: bool,
}

/// Does what a plan says.
pub async fn deploy(plan: &Plan, options: Options, watch: &mut impl Watch) -> Result<Receipt, Fault> {
    let mut places = Vec::new();
    for file in &plan.files {
        places.push(Place::of(file)?);
    }
    let is_different: Vec<bool> = places.iter().map(Place::is_different).collect::<Result<_, _>>()?;
    let is_unfinished = is_unfinished(&places, options, watch)?;
    let is_settled = !is_different.contains(&true) && !is_unfinished;
    let is_served = match &plan.probe {
        Some(probe) => probe.look().await.is_ok_and(|served| served == probe.expected),
        None => !options.always_apply,
    };
    let written = places
        .iter()
        .zip(&is_different)
        .filter(|(_, is_different)| **is_different);
    let mut receipt = Receipt {
        written: written.map(|(place, _)| place.file.path.clone()).collect(),
        applied: !(is_settled && is_served),
        verified: plan.probe.is_some(),
    };
    if options.is_dry {
        receipt.verified = false;
        return Ok(receipt);
    }
    if !receipt.applied {
        return Ok(receipt);
    }
    match attempt(plan, &places, options, watch).await {
        Ok(()) => {
            settle(&places, watch)?;
            Ok(receipt)
        }
        Err(fault) if fault.kind == FaultKind::Apply && was_nothing(&places)? => {
            settle(&places, watch)?;
            Err(fault
                .noting("the new files stay, there were none before; start the server when it does not run"))
        }
        Err(mut fault) => {
            fault.is_undone = undo(plan, &places, fault.kind, options, watch).await;
            Err(fault)
        }
    }
}

/// Whether an earlier deployment left something to go back to. Where only some files have that, it was either not begun or at its end:
/// what stands there is good as it is.
fn is_unfinished(places: &[Place<'_>], options: Options, watch: &mut impl Watch) -> Result<bool, Fault> {
    let marks: Vec<bool> = places
        .iter()
        .map(Place::is_unfinished)
        .collect::<Result<_, _>>()?;
    let (has_some, has_all) = (marks.contains(&true), !marks.contains(&false));
    if has_some && !has_all && !options.is_dry {
        settle(places, watch)?;
        return Ok(false);
    }
    Ok(has_some)
}

/// Whether none of the files existed before. A server that needs them cannot have run, and cannot be told: what was checked is what it is
/// started with.
fn was_nothing(places: &[Place<'_>]) -> Result<bool, Fault> {
    let was_absent: Vec<bool> = places.iter().map(Place::was_absent).collect::<Result<_, _>>()?;
    Ok(!was_absent.contains(&false))
}

/// What stands there is what is gone back to from now on.
fn settle(places: &[Place<'_>], watch: &mut impl Watch) -> Result<(), Fault> {
    for place in places {
        watch.step("forget what stood there before");
        place.settle()?;
    }
    Ok(())
}

async fn attempt(
    plan: &Plan,
    places: &[Place<'_>],
    options: Options,
    watch: &mut impl Watch,
) -> Result<(), Fault> {
    for place in places {
        watch.step("keep what stands there");
        place.keep()?;
    }
    let check = plan.check.as_ref();
    if let Some(check) = check.filter(|_| plan.reads_by_itself) {
        watch.step("check the configuration");
        run(check, options, FaultKind::Check).await?;
    }
    for place in places {
        watch.step("put a file");
        place.put()?;
    }
    if let Some(check) = check.filter(|_| !plan.reads_by_itself) {
        watch.step("check the new configuration");
        run(check, options, FaultKind::Check).await?;
    }
    watch.step("have the server take it");
    apply(plan, places, options).await?;
    if let Some(probe) = &plan.probe {
        watch.step("look at what is served");
        let seen = probe.wait().await;
        seen.map_err(|fault| Fault::new(FaultKind::Probe, fault.to_string()).because(fault))?;
    }
    Ok(())
}

/// Puts back what stood there, and has the server take that when it may have taken the new one. Whether all of it went. What is gone back
/// to is forgotten when all of it stands there again: whoever dies before is followed by one who can go back all the way.
async fn undo(
    plan: &Plan,
    places: &[Place<'_>],
    kind: FaultKind,
    options: Options,
    watch: &mut impl Watch,
) -> bool {
    let mut is_whole = true;
    for place in places {
        watch.step("put back what stood there");
        if let Err(fault) = place.restore() {
            tracing::error!(path = %place.file.path.display(), %fault, "what stood there before could not be put back");
            is_whole = false;
        }
    }
    if is_whole && let Err(fault) = settle(places, watch) {
        tracing::warn!(%fault, "what was put back could not be noted as such");
    }
    // A server that was not told yet has what it had.
    if matches!(kind, FaultKind::Apply | FaultKind::Probe)
        && let Err(fault) = apply_what_stands(plan, places, options).await
    {
        tracing::error!(%fault, "the server did not take back what it had before");
        is_whole = false;
    }
    is_whole
}

async fn apply(plan: &Plan, places: &[Place<'_>], options: Options) -> Result<(), Fault> {
    match &plan.apply {
        Apply::Command(command) => run(command, options, FaultKind::Apply).await,
        Apply::HaproxySocket { socket, certificate } => {
            let place = places.iter().find(|place| place.file.path == *certificate);
            let contents = place
                .map(|place| place.file.contents.as_slice())
                .unwrap_or_default();
            haproxy::replace(socket, certificate, contents).await
        }
    }
}

/// The same with what stands on disk.
async fn apply_what_stands(plan: &Plan, places: &[Place<'_>], options: Options) -> Result<(), Fault> {
    match &plan.apply {
        Apply::Command(command) => run(command, options, FaultKind::Apply).await,
        Apply::HaproxySocket { socket, certificate } => {
            let Some(place) = places.iter().find(|place| place.file.path == *certificate) else {
                return Ok(());
            };
            let Some(contents) = place.folder.read_file(&place.name).map_err(file)? else {
                return Ok(());
            };
            haproxy::replace(socket, certificate, &contents).await
        }
    }
}

async fn run(command: &CommandLine, options: Options, kind: FaultKind) -> Result<(), Fault> {
    let ended = command::run(command.words(), &BTreeMap::new(), options.command_timeout).await;
    let ended =
        ended.map_err(|error| Fault::new(kind, format!("`{command}` cannot be run")).because(error))?;
    if ended.is_success() {
        return Ok(());
    }
    let how = match (ended.timed_out, ended.exit_code) {
        (true, _) => "was killed when its time was over".to_owned(),
        (_, Some(code)) => format!("ended with {code}"),
        (_, None) => "was ended by a signal".to_owned(),
    };
    Err(Fault::new(
        kind,
        format!("`{command}` {how}: {}", ended.output_tail.trim()),
    ))
}

fn file(fault: FolderFault) -> Fault {
    Fault::new(FaultKind::File, fault.to_string()).because(fault)
}

/// A file in its directory, which is held open.
struct Place<'a> {
    file: &'a PutFile,
    folder: Folder,
    name: String,
}

impl<'a> Place<'a> {
    fn of(put: &'a PutFile) -> Result<Self, Fault> {
        let wrong = || {
            Fault::new(
                FaultKind::Settings,
                format!("{} is no absolute path of a file", put.path.display()),
            )
        };
        let (Some(parent), Some(name)) = (put.path.parent(), put.path.file_name()) else {
            return Err(wrong());
        };
        let name = name
            .to_str()
            .filter(|_| put.path.is_absolute())
            .ok_or_else(wrong)?;
        Ok(Self {
            file: put,
            folder: Folder::open(parent, put.access.owner).map_err(file)?,
            name: name.to_owned(),
        })
    }

    fn is_different(&self) -> Result<bool, Fault> {
        let stat = self.folder.stat(&self.name).map_err(file)?;
        let Some(stat) = stat else { return Ok(true) };
        let is_accessed = stat.st_mode & 0o777 == self.file.access.mode
            && self.file.access.owner.is_none_or(|owner| owner == stat.st_uid)
            && self.file.access.group.is_none_or(|group| group == stat.st_gid);
        let here = self.folder.read_file(&self.name).map_err(file)?;
        Ok(!is_accessed || here.is_none_or(|here| *here != *self.file.contents))
    }

    /// Whether a deployment before this one did not come to its end.
    fn is_unfinished(&self) -> Result<bool, Fault> {
        let before = self.folder.stat(&self.beside(BEFORE)).map_err(file)?;
        Ok(before.is_some() || self.was_absent()?)
    }

    fn was_absent(&self) -> Result<bool, Fault> {
        Ok(self.folder.stat(&self.beside(ABSENT)).map_err(file)?.is_some())
    }

    fn beside(&self, suffix: &str) -> String {
        format!(".{}{suffix}", self.name)
    }

    /// Keeps what stands there, unless a deployment that did not end has kept something already.
    fn keep(&self) -> Result<(), Fault> {
        if self.is_unfinished()? {
            return Ok(());
        }
        let secret = Access {
            mode: 0o600,
            ..Access::default()
        };
        let Some(here) = self.folder.read_file(&self.name).map_err(file)? else {
            let kept = self.folder.replace_file(&self.beside(ABSENT), secret, b"");
            return kept.map_err(file);
        };
        // Kept with its owner and mode, so that a server that could read it can read it again. An account that may give no files away
        // keeps it as its own.
        let access = self.access_of(&self.name)?.unwrap_or(secret);
        let own = Access {
            owner: None,
            group: None,
            ..access
        };
        let keep = |access| self.folder.replace_file(&self.beside(BEFORE), access, &here);
        keep(access).or_else(|_| keep(own)).map_err(file)
    }

    /// Whose a file is, and its mode.
    fn access_of(&self, name: &str) -> Result<Option<Access>, Fault> {
        let stat = self.folder.stat(name).map_err(file)?;
        Ok(stat.map(|stat| Access {
            mode: stat.st_mode & 0o777,
            owner: Some(stat.st_uid),
            group: Some(stat.st_gid),
        }))
    }

    fn put(&self) -> Result<(), Fault> {
        self.folder
            .replace_file(&self.name, self.file.access, &self.file.contents)
            .map_err(file)
    }

    fn restore(&self) -> Result<(), Fault> {
        let before = self.folder.read_file(&self.beside(BEFORE)).map_err(file)?;
        if let Some(before) = before {
            let access = self.access_of(&self.beside(BEFORE))?;
            self.folder
                .replace_file(&self.name, access.unwrap_or(self.file.access), &before)
                .map_err(file)?;
        } else if self.folder.stat(&self.beside(ABSENT)).map_err(file)?.is_some() {
            self.folder.remove_file(&self.name).map_err(file)?;
        }
        self.folder.sync().map_err(file)
    }

    fn settle(&self) -> Result<(), Fault> {
        for suffix in [BEFORE, ABSENT] {
            self.folder.remove_file(&self.beside(suffix)).map_err(file)?;
        }
        self.folder.sync().map_err(file)
    }
}

#[cfg(test)]
mod tests;
