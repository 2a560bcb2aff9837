//! Files of a schedule under a root, and back off it.

use std::path::{Path, PathBuf};

use super::{Format, Job, MARK, cron, systemd};
use crate::folder::{Access, Folder, FolderFault};

/// What was put where, and what remains to be done by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// The files.
    pub files: Vec<PathBuf>,
    /// The commands that let the system know of them.
    pub then: Vec<String>,
}

/// What was taken away, and what is to be done by hand: before it is looked for again, the system still knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// The files that were there.
    pub files: Vec<PathBuf>,
    /// The commands that let the system forget them.
    pub then: Vec<String>,
}

/// Why nothing was installed or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleFault {
    /// Somebody else made a file of that name.
    #[error("{} was not made by `courier schedule` and stays as it is", .0.display())]
    Foreign(PathBuf),
    /// Tasks of Windows are registered on Windows.
    #[error(
        "a task of Windows is printed here and registered there: schtasks /Create /XML <file> /TN courier"
    )]
    ElsewhereOnly,
    /// A folder or a file cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderFault),
}

/// Puts the files of a job under a root (`/`). The minute is for cron.
pub fn install(format: Format, job: &Job, minute: u8, root: &Path) -> Result<Installed, ScheduleFault> {
    let name = job.name();
    let files = match format {
        Format::Systemd => {
            let units = systemd(job);
            vec![
                (format!("{name}.service"), units.service),
                (format!("{name}.timer"), units.timer),
            ]
        }
        Format::Cron => vec![(name.to_owned(), cron(job, minute))],
        Format::WindowsTask => return Err(ScheduleFault::ElsewhereOnly),
    };
    let access = |mode| Access {
        mode,
        ..Access::default()
    };
    let folder = Folder::create(&root.join(place(format)), access(0o755))?;
    for (name, _) in &files {
        own(&folder, name)?;
    }
    for (name, text) in &files {
        folder.replace_file(name, access(0o644), text.as_bytes())?;
    }
    let then = match format {
        Format::Systemd => vec![
            "systemctl daemon-reload".to_owned(),
            format!("systemctl enable --now {name}.timer"),
        ],
        _ => Vec::new(),
    };
    Ok(Installed {
        files: files.iter().map(|(name, _)| folder.path().join(name)).collect(),
        then,
    })
}

/// Takes the files of a job away again.
pub fn remove(format: Format, job: &Job, root: &Path) -> Result<Removed, ScheduleFault> {
    let name = job.name();
    let names = match format {
        Format::Systemd => vec![format!("{name}.timer"), format!("{name}.service")],
        Format::Cron => vec![name.to_owned()],
        Format::WindowsTask => return Err(ScheduleFault::ElsewhereOnly),
    };
    let place = root.join(place(format));
    if !place.exists() {
        return Ok(Removed {
            files: Vec::new(),
            then: Vec::new(),
        });
    }
    let folder = Folder::open(&place, None)?;
    let mut ours = Vec::new();
    for name in names {
        if own(&folder, &name)? {
            ours.push(name);
        }
    }
    for name in &ours {
        folder.remove_file(name)?;
    }
    folder.sync()?;
    let then = match format {
        Format::Systemd if !ours.is_empty() => vec![
            format!("systemctl disable --now {name}.timer"),
            "systemctl daemon-reload".to_owned(),
        ],
        _ => Vec::new(),
    };
    Ok(Removed {
        files: ours.iter().map(|name| folder.path().join(name)).collect(),
        then,
    })
}

fn place(format: Format) -> &'static str {
    match format {
        Format::Systemd => "etc/systemd/system",
        Format::Cron | Format::WindowsTask => "etc/cron.d",
    }
}

/// Whether a file is there; one that was not made here is a fault.
fn own(folder: &Folder, name: &str) -> Result<bool, ScheduleFault> {
    if folder.stat(name)?.is_none() {
        return Ok(false);
    }
    let foreign = || ScheduleFault::Foreign(folder.path().join(name));
    let octets = folder
        .read_file(name)
        .map_err(|_| foreign())?
        .ok_or_else(foreign)?;
    let first = octets.split(|octet| *octet == b'\n').next().unwrap_or_default();
    let is_ours = std::str::from_utf8(first).is_ok_and(|line| line.contains(MARK));
    if is_ours { Ok(true) } else { Err(foreign()) }
}
