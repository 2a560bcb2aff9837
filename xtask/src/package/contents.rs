//! What is in a package: every file with its place and mode, whatever the form.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::rows::{Program, Row};
use super::workspace::Workspace;
use super::{Form, Press, licences};
use crate::shell;

/// The files of a package, by place.
#[derive(Debug)]
pub(super) struct Contents {
    /// Sorted.
    pub(super) entries: Vec<Entry>,
}

/// A file.
#[derive(Debug)]
pub(super) struct Entry {
    /// Below `/`.
    pub(super) place: String,
    /// What is in it.
    pub(super) source: Source,
}

/// Where the octets of a file come from.
#[derive(Debug)]
pub(super) enum Source {
    /// A program, which is stripped.
    Program(PathBuf),
    /// A file as it is.
    File(PathBuf),
    /// Made for the package.
    Text(String),
}

impl Entry {
    /// Its permissions.
    pub(super) fn mode(&self) -> u32 {
        match self.source {
            Source::Program(_) => 0o755,
            Source::File(_) | Source::Text(_) => 0o644,
        }
    }

    /// Whether it belongs to the administrator after it was installed once.
    pub(super) fn is_configuration(&self) -> bool {
        self.place.starts_with("etc/")
    }
}

impl Contents {
    /// Collects the files of a package.
    pub(super) fn gather(
        row: &Row,
        press: &Press,
        programs: &Path,
        workspace: &Workspace,
        form: Form,
    ) -> Result<Self> {
        let mut contents = Self { entries: Vec::new() };
        for program in row.programs {
            let file = programs.join(program.name);
            contents.add(format!("usr/bin/{}", program.name), Source::Program(file.clone()));
            if let Some(words) = program.manual {
                contents.add_manual(program, words, &file, press)?;
                contents.add_completions(program, &file, form)?;
            }
        }
        for unit in row.units {
            let from = press.root.join("systemd").join(unit);
            contents.add(format!("usr/lib/systemd/system/{unit}"), Source::File(from));
        }
        for file in row.files {
            contents.add_all(&press.root.join(file.from), file.to)?;
        }
        contents.add_papers(row, press, workspace, form)?;
        contents.entries.sort_by(|a, b| a.place.cmp(&b.place));
        Ok(contents)
    }

    fn add(&mut self, place: String, source: Source) {
        self.entries.push(Entry { place, source });
    }

    /// A file, or all that is in a folder.
    fn add_all(&mut self, from: &Path, to: &str) -> Result<()> {
        if !from.is_dir() {
            self.add(to.to_owned(), Source::File(from.to_path_buf()));
            return Ok(());
        }
        let entries = std::fs::read_dir(from).with_context(|| format!("reading {}", from.display()))?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            self.add_all(&entry.path(), &format!("{to}/{}", name.to_string_lossy()))?;
        }
        Ok(())
    }

    /// The manual pages that a program writes.
    fn add_manual(&mut self, program: &Program, words: &[&str], file: &Path, press: &Press) -> Result<()> {
        let folder = press.out.join(format!(".{}-man", program.name));
        std::fs::create_dir_all(&folder)?;
        let (path, into) = (file.to_string_lossy(), folder.to_string_lossy());
        shell::output(shell::command(&path, &[words, &[&*into]].concat())?)?;
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let place = format!("usr/share/man/man1/{}.gz", entry.file_name().to_string_lossy());
            self.add(place, Source::Text(std::fs::read_to_string(entry.path())?));
        }
        std::fs::remove_dir_all(&folder)?;
        Ok(())
    }

    /// What the shells know of a program.
    fn add_completions(&mut self, program: &Program, file: &Path, form: Form) -> Result<()> {
        let name = program.name;
        let zsh = match form {
            Form::Deb => "vendor-completions",
            Form::Rpm | Form::Tar => "site-functions",
        };
        let places = [
            ("bash", format!("usr/share/bash-completion/completions/{name}")),
            ("zsh", format!("usr/share/zsh/{zsh}/_{name}")),
            ("fish", format!("usr/share/fish/vendor_completions.d/{name}.fish")),
        ];
        for (language, place) in places {
            let words = ["completions", language];
            let script = shell::output(shell::command(&file.to_string_lossy(), &words)?)?;
            self.add(place, Source::Text(script));
        }
        Ok(())
    }

    /// Licences and changelogs.
    fn add_papers(&mut self, row: &Row, press: &Press, workspace: &Workspace, form: Form) -> Result<()> {
        let folder = format!("usr/share/doc/{}", row.name);
        let crates: Vec<&str> = row
            .programs
            .iter()
            .filter_map(|program| workspace.package_of(program.name))
            .collect();
        let linked = licences::of_linked(workspace, &crates)?;
        self.add(format!("{folder}/third-party-licences.gz"), Source::Text(linked));
        self.add(
            format!("{folder}/copyright"),
            Source::Text(licences::of_package(row, press)?),
        );
        let changelog = press.root.join("CHANGELOG.md");
        self.add(format!("{folder}/changelog.gz"), Source::File(changelog));
        if form == Form::Deb {
            let place = format!("{folder}/changelog.Debian.gz");
            self.add(place, Source::Text(debian_changelog(row, press)?));
            let place = format!("usr/share/lintian/overrides/{}", row.name);
            let overrides = self.overrides(row);
            self.add(place, Source::Text(overrides));
        }
        Ok(())
    }

    /// What Debian's judge is told to let pass, with the reasons.
    fn overrides(&self, row: &Row) -> String {
        let name = row.name;
        let mut lines = vec![format!(
            "# Debian's own archive has a number for every new package; this one is not made for it.\n\
             {name}: initial-upload-closes-no-bugs *\n\
             # What runs takes up the new program, unless that finds something in the way: no helper of Debian does this.\n\
             {name}: maintainer-script-calls-systemctl *"
        )];
        for program in row.programs {
            let page = |entry: &Entry| {
                let name = entry
                    .place
                    .rsplit('/')
                    .next()
                    .and_then(|name| name.split('.').next());
                entry.place.starts_with("usr/share/man/") && name == Some(program.name)
            };
            if !self.entries.iter().any(page) {
                lines.push(format!(
                    "# `{0} --help` is its manual.\n{name}: no-manual-page *usr/bin/{0}*",
                    program.name
                ));
            }
        }
        lines.join("\n") + "\n"
    }
}

/// The changelog in the form of Debian, which has the changes of the packaging alone: there is one for each version.
fn debian_changelog(row: &Row, press: &Press) -> Result<String> {
    Ok(format!(
        "{name} ({version}) unstable; urgency=medium\n\n  * Version {upstream}; what is new in it is told by changelog.gz.\n\n -- \
         {maintainer}  {date}\n",
        name = row.name,
        version = press.debian_version(),
        upstream = press.version,
        maintainer = super::MAINTAINER,
        date = press.moment.in_a_changelog()?,
    ))
}
