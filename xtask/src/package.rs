//! `cargo xtask package`: a Debian package, an RPM package and a plain archive of each program that is shipped.
//!
//! What goes into a package is a row of [`rows::ROWS`]; a row whose programs the workspace does not have is left out. Debian's and
//! RPM's own tools make the packages. The same programs packed twice with one `SOURCE_DATE_EPOCH` give the same octets.

mod contents;
mod deb;
mod licences;
mod moment;
mod rows;
mod rpm;
mod scripts;
mod stage;
mod tarball;
mod workspace;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::{install, shell};
use contents::Contents;
use moment::Moment;
use rows::Row;
use workspace::Workspace;

/// What to pack and where to put it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which of `appliance`, `courier` and `bridge`; all that the workspace has programs for when left out.
    #[arg(value_name = "PACKAGE")]
    packages: Vec<String>,
    /// How the programs are built.
    #[arg(long, value_enum, default_value_t = Profile::Release)]
    profile: Profile,
    /// The folder for the packages; `packages` in the target folder when left out.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The forms.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Form::Deb, Form::Rpm, Form::Tar])]
    forms: Vec<Form>,
    /// Build nothing: take the programs in this folder as they are.
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
}

/// How the programs are built, and how hard the packages are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Profile {
    /// For trials.
    Dev,
    /// For others.
    Release,
}

/// A form of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// For Debian and Ubuntu.
    Deb,
    /// For Fedora, RHEL and SUSE.
    Rpm,
    /// For everything else: `.tar.gz`.
    Tar,
}

/// Who answers for the packages.
const MAINTAINER: &str = "The authors of Chancery <chancery@chancery.example>";

/// What is the same for all packages of a run.
#[derive(Debug)]
struct Press {
    root: PathBuf,
    out: PathBuf,
    version: String,
    moment: Moment,
    is_release: bool,
}

impl Press {
    /// As dpkg compares versions: a candidate is older than what it is a candidate for.
    fn debian_version(&self) -> String {
        format!("{}-1", self.version.replace('-', "~"))
    }

    /// As RPM does.
    fn rpm_version(&self) -> String {
        self.version.replace('-', "~")
    }
}

/// Builds and packs.
pub(crate) fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::read()?;
    let rows = chosen(&args.packages, &workspace)?;
    tools(&args.forms)?;
    let programs = match &args.programs {
        Some(folder) => std::path::absolute(folder)?,
        None => build(&rows, args.profile, &workspace)?,
    };
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| workspace.target().join("packages"));
    std::fs::create_dir_all(&out).with_context(|| format!("making {}", out.display()))?;
    let press = Press {
        root: shell::root()?,
        out: std::path::absolute(out)?,
        version: workspace.version()?,
        moment: Moment::read()?,
        is_release: args.profile == Profile::Release,
    };
    let mut made = Vec::new();
    for row in rows {
        for form in &args.forms {
            let contents = Contents::gather(row, &press, &programs, &workspace, *form)?;
            let file = match form {
                Form::Deb => deb::make(row, &press, &contents)?,
                Form::Rpm => rpm::make(row, &press, &contents)?,
                Form::Tar => tarball::make(row, &press, &contents)?,
            };
            println!("made {file}");
            made.push(file);
        }
    }
    sums(&press.out, &mut made)
}

/// The rows that are asked for, of which the workspace has the programs.
fn chosen(words: &[String], workspace: &Workspace) -> Result<Vec<&'static Row>> {
    let is_there = |row: &Row| {
        row.programs
            .iter()
            .all(|program| workspace.package_of(program.name).is_some())
    };
    let there: Vec<&'static Row> = rows::ROWS.iter().filter(|row| is_there(row)).collect();
    if words.is_empty() {
        return Ok(there);
    }
    let find = |word: &String| {
        let row = there.iter().find(|row| row.word == word.as_str());
        row.copied().with_context(|| {
            let known: Vec<&str> = there.iter().map(|row| row.word).collect();
            format!("there is no package `{word}`; there are: {}", known.join(", "))
        })
    };
    words.iter().map(find).collect()
}

/// What makes packages of these forms, installed where it is missing.
fn tools(forms: &[Form]) -> Result<()> {
    if forms.contains(&Form::Deb) {
        install::debian_packaging()?;
    }
    if forms.contains(&Form::Rpm) {
        install::rpm_packaging()?;
    }
    Ok(())
}

/// Builds the programs; the folder they are in.
fn build(rows: &[&Row], profile: Profile, workspace: &Workspace) -> Result<PathBuf> {
    let mut words = vec!["build", "--locked"];
    let folder = match profile {
        Profile::Dev => "debug",
        Profile::Release => "release",
    };
    if profile == Profile::Release {
        words.push("--release");
    }
    for program in rows.iter().flat_map(|row| row.programs) {
        let Some(package) = workspace.package_of(program.name) else {
            bail!("the workspace has no program `{}`", program.name);
        };
        words.extend(["-p", package]);
    }
    shell::run(shell::command("cargo", &words)?)?;
    Ok(workspace.target().join(folder))
}

/// `SHA256SUMS` of what was made, and of nothing else that is in the folder.
fn sums(out: &Path, made: &mut [String]) -> Result<()> {
    made.sort_unstable();
    let mut count = std::process::Command::new("sha256sum");
    count.args(&*made).current_dir(out);
    let sums = shell::output(count)?;
    std::fs::write(out.join("SHA256SUMS"), &sums)?;
    println!("\n{sums}in {}", out.display());
    Ok(())
}
