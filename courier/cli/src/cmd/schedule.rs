//! `schedule`: what starts the courier, printed, installed or removed.

use std::path::Path;

use super::Console;
use crate::args::{Schedule, ScheduleCommand, ScheduleFormat};
use crate::config::Settings;
use crate::failure::Failure;
use crate::schedule::{self, Format, Job};

/// Prints, installs or removes the timer of a file.
pub(super) fn perform(
    console: Console,
    settings: &Settings,
    command: &ScheduleCommand,
) -> Result<(), Failure> {
    let (ScheduleCommand::Print(how) | ScheduleCommand::Install(how) | ScheduleCommand::Remove(how)) =
        command;
    let job = job(settings, how)?;
    let format = match how.format {
        ScheduleFormat::Systemd => Format::Systemd,
        ScheduleFormat::Cron => Format::Cron,
        ScheduleFormat::WindowsTask => Format::WindowsTask,
    };
    let wrong = |fault: schedule::ScheduleFault| Failure::Usage(fault.to_string());
    match command {
        ScheduleCommand::Print(_) => print(console, &job, format),
        ScheduleCommand::Install(_) => {
            let installed = schedule::install(format, &job, minute(), &how.root).map_err(wrong)?;
            let files: Vec<String> = installed
                .files
                .iter()
                .map(|file| file.display().to_string())
                .collect();
            let told = serde_json::json!({ "files": files, "then": installed.then });
            let text = format!("installed {}{}", files.join(", "), then(&installed.then));
            console.tell(&told, &text);
        }
        ScheduleCommand::Remove(_) => {
            let removed = schedule::remove(format, &job, &how.root).map_err(wrong)?;
            let files = removed.files.iter().map(|file| file.display().to_string());
            let files: Vec<String> = files.collect();
            let told = serde_json::json!({ "files": files, "then": removed.then });
            let text = if files.is_empty() {
                format!("there was nothing of {} to remove", job.name())
            } else {
                format!("removed {}{}", files.join(", "), then(&removed.then))
            };
            console.tell(&told, &text);
        }
    }
    Ok(())
}

fn job(settings: &Settings, how: &Schedule) -> Result<Job, Failure> {
    let program = std::env::current_exe().map_err(|source| Failure::Io {
        what: "the courier does not find its own program".to_owned(),
        source,
    })?;
    let mut job =
        Job::new(settings, &program, &how.user).map_err(|fault| Failure::Usage(fault.to_string()))?;
    for credential in &how.credential {
        let Some((name, file)) = credential.split_once('=') else {
            return Err(Failure::Usage(format!(
                "`{credential}` is no credential: write name=file"
            )));
        };
        let with = job.with_credential(name, Path::new(file));
        job = with.map_err(|fault| Failure::Usage(fault.to_string()))?;
    }
    Ok(job)
}

fn then(commands: &[String]) -> String {
    if commands.is_empty() {
        return String::new();
    }
    format!("; then: {}", commands.join(" && "))
}

fn print(console: Console, job: &Job, format: Format) {
    let name = job.name();
    let (files, text) = match format {
        Format::Systemd => {
            let units = schedule::systemd(job);
            let text = format!(
                "# {name}.service\n{}\n# {name}.timer\n{}",
                units.service, units.timer
            );
            let service = serde_json::json!({ "name": format!("{name}.service"), "text": units.service });
            let timer = serde_json::json!({ "name": format!("{name}.timer"), "text": units.timer });
            (vec![service, timer], text)
        }
        Format::Cron | Format::WindowsTask => {
            let (name, text) = match format {
                Format::Cron => (name.to_owned(), schedule::cron(job, minute())),
                _ => (format!("{name}.xml"), schedule::windows_task(job)),
            };
            (vec![serde_json::json!({ "name": name, "text": text })], text)
        }
    };
    console.tell(&serde_json::json!({ "files": files }), text.trim_end());
}

/// Hosts that are set up alike do not come at the same minute.
fn minute() -> u8 {
    let mut octet = [0];
    let drawn = aws_lc_rs::rand::fill(&mut octet);
    drawn.map_or(17, |()| octet.map(|octet| octet % 60)[0])
}
