//! The commands: each reads the file, does one thing and says what came of it on standard output; the log goes to standard error.

mod api;
mod certificates;
mod console;
mod deploy;
mod discover;
mod doctor;
mod export;
mod init;
mod order;
mod page;
mod revoke;
mod schedule;
mod trust;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::args::{Arguments, Command, ExitCodes, Global, OrderCommand, ScheduleCommand};
use crate::auth::environment::ProcessEnvironment;
use crate::config::{self, Action, CertificateSettings, Settings};
use crate::failure::Failure;
use crate::log;
use crate::run::next::Intent;
use crate::site::Site;
use crate::write::Watch;

pub use console::Console;

/// Does what the command line says; what the program ends with.
///
/// What is told before every effect on disk or appliance is `watch`; the program passes `()`.
pub async fn perform(arguments: Arguments, watch: &mut dyn Watch) -> u8 {
    let console = Console::new(arguments.global.output);
    let code = dispatch(&arguments, console, watch).await;
    match arguments.global.exit_codes {
        ExitCodes::Simple => code.min(1),
        ExitCodes::Detailed => code,
    }
}

async fn dispatch(arguments: &Arguments, console: Console, watch: &mut dyn Watch) -> u8 {
    let global = &arguments.global;
    let unrehearsed = arguments.command.as_ref().and_then(unrehearsed);
    if let Some(word) = unrehearsed.filter(|_| global.dry_run) {
        let failure = Failure::Usage(format!(
            "`{word}` has no dry run, and nothing was done: leave --dry-run out"
        ));
        return ended(console, &global.config, Err(failure));
    }
    let done = match &arguments.command {
        Some(Command::Completions { shell }) => page::completions(*shell),
        Some(Command::Man { dir }) => page::man(dir.as_deref()),
        Some(Command::Init {
            method,
            base_url,
            uuid,
            common_name,
            out,
        }) => init::write(
            console,
            method,
            [base_url, uuid, common_name].map(Option::as_deref),
            out.as_deref(),
        ),
        _ => return for_files(arguments, console, watch).await,
    };
    ended(console, &global.config, done)
}

/// A command that changes something and cannot say beforehand what it would do.
fn unrehearsed(command: &Command) -> Option<&'static str> {
    Some(match command {
        Command::Revoke { .. } => "revoke",
        Command::Export { .. } => "export",
        Command::Order(OrderCommand::Cancel { .. }) => "order cancel",
        Command::Trust { out: Some(_) } => "trust --out",
        Command::Init { out: Some(_), .. } => "init --out",
        Command::Man { dir: Some(_) } => "man --dir",
        Command::Schedule(ScheduleCommand::Install(_)) => "schedule install",
        Command::Schedule(ScheduleCommand::Remove(_)) => "schedule remove",
        _ => return None,
    })
}

/// The command for one file, or for each of a directory.
async fn for_files(arguments: &Arguments, console: Console, watch: &mut dyn Watch) -> u8 {
    let global = &arguments.global;
    let Some(dir) = &global.config_dir else {
        return for_file(arguments, &global.config, console, watch).await;
    };
    let files = match files_of(dir) {
        Ok(files) => files,
        Err(failure) => return ended(console, dir, Err(failure)),
    };
    let mut worst = 0;
    for file in files {
        worst = worst.max(for_file(arguments, &file, console, watch).await);
    }
    worst
}

/// The `*.yaml` of a directory, by name.
fn files_of(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error| Failure::Config(format!("{} cannot be read: {error}", dir.display()));
    // Whoever may put a file there says what is run.
    if std::fs::metadata(dir).map_err(failed)?.permissions().mode() & 0o002 != 0 {
        return Err(Failure::Usage(format!(
            "everybody may put files into {}, and what they say is run: chmod o-w it",
            dir.display()
        )));
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(Failure::Usage(format!("there is no *.yaml in {}", dir.display())));
    }
    files.sort_unstable();
    Ok(files)
}

async fn for_file(arguments: &Arguments, file: &Path, console: Console, watch: &mut dyn Watch) -> u8 {
    let global = &arguments.global;
    let allow_unknown = matches!(
        &arguments.command,
        Some(Command::ValidateConfig { allow_unknown: true })
    );
    let settings = match config::load(file, &ProcessEnvironment, allow_unknown) {
        Ok(settings) => settings,
        Err(fault) => return ended(console, file, Err(Failure::Config(fault.to_string()))),
    };
    let command = arguments
        .command
        .clone()
        .unwrap_or_else(|| command_of(settings.action));
    // Nothing is touched here, not even the log: who looks at a file may be somebody else than who will run it.
    if matches!(command, Command::ValidateConfig { .. }) {
        return ended(console, file, api::validate(console, settings));
    }
    if let Command::Schedule(schedule) = &command {
        return ended(console, file, schedule::perform(console, &settings, schedule));
    }
    if let Err(failure) = log::start(&settings.logging, global) {
        return ended(console, file, Err(failure));
    }
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let Settings {
        path,
        api,
        auth,
        certificates,
        mut discovery,
        ..
    } = settings;
    let chosen = match chosen(certificates, global) {
        Ok(chosen) => chosen,
        Err(failure) => return ended(console, file, Err(failure)),
    };
    let site = match Site::new(&path, api, auth) {
        Ok(site) => site,
        Err(failure) => return ended(console, file, Err(failure)),
    };
    let code = match &command {
        Command::Discover { dir } => {
            if !dir.is_empty() {
                discovery.directories.clone_from(dir);
            }
            let done = discover::discover(console, &site, &discovery, &chosen, global.dry_run).await;
            ended(console, file, done)
        }
        _ => at_site(&command, global, &site, &chosen, console, watch).await,
    };
    if matches!(command, Command::Run) && !global.dry_run {
        discover::once_a_day(&site, &discovery, &chosen).await;
    }
    site.leave().await;
    code
}

/// The command, with the file read and the connection prepared.
async fn at_site(
    command: &Command,
    global: &Global,
    site: &Site,
    chosen: &[CertificateSettings],
    console: Console,
    watch: &mut dyn Watch,
) -> u8 {
    let done = match command {
        Command::Run => return certificates::run(Intent::Ensure, global, site, chosen, console, watch).await,
        Command::Generate { force } => {
            let intent = Intent::Generate { force: *force };
            return certificates::run(intent, global, site, chosen, console, watch).await;
        }
        Command::Renew { force, reuse_key } => {
            let intent = Intent::Renew {
                force: *force,
                reuse_key: *reuse_key,
            };
            return certificates::run(intent, global, site, chosen, console, watch).await;
        }
        Command::Status {
            check,
            offline,
            prometheus,
        } => {
            let how = certificates::Look {
                is_check: *check,
                is_offline: *offline,
                is_prometheus: *prometheus,
            };
            return certificates::status(&how, global, site, chosen, console).await;
        }
        Command::GenerateKeys => {
            return certificates::generate_keys(global, site, chosen, console).await;
        }
        Command::CheckApiHealth => api::health(console, site).await,
        Command::CheckApiAuth => api::auth(console, site).await,
        Command::Revoke { reason, fingerprint } => {
            let what = revoke::What {
                reason,
                fingerprint: fingerprint.as_deref(),
            };
            revoke::revoke(console, site, chosen, what, global.lock_timeout).await
        }
        Command::Deploy { kind } => {
            let options = kit::Options {
                is_dry: global.dry_run,
                always_apply: true,
                ..kit::Options::default()
            };
            return deploy::deploy(console, chosen, kind.as_deref(), options, global.lock_timeout).await;
        }
        Command::Doctor => return doctor::examine(console, site, chosen).await,
        Command::Export {
            format,
            out,
            password_file,
            legacy,
        } => export::export(console, chosen, *format, out, password_file.as_deref(), *legacy),
        Command::Order(order) => order::perform(console, site, order, global.wait).await,
        Command::Trust { out } => trust::fetch(console, site, out.as_deref()).await,
        // These were done before.
        Command::Discover { .. }
        | Command::ValidateConfig { .. }
        | Command::Completions { .. }
        | Command::Man { .. }
        | Command::Init { .. }
        | Command::Schedule(_) => Ok(()),
    };
    ended(console, site.config(), done)
}

/// The certificates that the command is for.
fn chosen(all: Vec<CertificateSettings>, global: &Global) -> Result<Vec<CertificateSettings>, Failure> {
    let Some(name) = &global.name else { return Ok(all) };
    let names: Vec<String> = all.iter().map(|one| one.name.clone()).collect();
    let chosen: Vec<_> = all.into_iter().filter(|one| one.name == *name).collect();
    if chosen.is_empty() {
        return Err(Failure::Usage(format!(
            "there is no certificate `{name}` in the file; there is {}",
            names.join(", ")
        )));
    }
    Ok(chosen)
}

fn command_of(action: Action) -> Command {
    match action {
        Action::Run => Command::Run,
        Action::Status => Command::Status {
            check: false,
            offline: false,
            prometheus: false,
        },
        Action::Generate => Command::Generate { force: false },
        Action::Renew => Command::Renew {
            force: false,
            reuse_key: false,
        },
        Action::GenerateKeys => Command::GenerateKeys,
        Action::CheckApiHealth => Command::CheckApiHealth,
        Action::CheckApiAuth => Command::CheckApiAuth,
        Action::ValidateConfig => Command::ValidateConfig { allow_unknown: false },
    }
}

/// What a command ends with; its failure is told.
fn ended(console: Console, about: &Path, done: Result<(), Failure>) -> u8 {
    match done {
        Ok(()) => 0,
        Err(failure) => {
            console.failed(about, &failure);
            failure.exit_code()
        }
    }
}
