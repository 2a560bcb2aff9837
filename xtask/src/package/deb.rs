//! The Debian package, made by `dpkg-deb`; what the programs are linked with is found out by `dpkg-shlibdeps`.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Context as _, Result};

use super::contents::Contents;
use super::rows::Row;
use super::stage::Stage;
use super::{MAINTAINER, Press, scripts};
use crate::shell;

/// Makes it; the name of the file.
pub(super) fn make(row: &Row, press: &Press, contents: &Contents) -> Result<String> {
    let architecture = shell::output(shell::command("dpkg", &["--print-architecture"])?)?;
    let architecture = architecture.trim();
    let file = format!("{}_{}_{architecture}.deb", row.name, press.debian_version());
    let stage = Stage::fill(press, &format!("{}-deb", row.name), contents)?;
    let sums = sums(&stage, contents)?;
    let control = control(row, press, architecture, &stage, contents)?;
    let folder = stage.root().join("DEBIAN");
    std::fs::create_dir(&folder)?;
    let mut members = vec![("control", control), ("md5sums", sums)];
    let configuration = contents.entries.iter().filter(|entry| entry.is_configuration());
    let mut conffiles = String::new();
    for entry in configuration {
        writeln!(conffiles, "/{}", entry.place)?;
    }
    if !conffiles.is_empty() {
        members.push(("conffiles", conffiles));
    }
    members.extend(scripts::debian(row));
    for (name, text) in members {
        let is_script = text.starts_with("#!");
        let member = folder.join(name);
        std::fs::write(&member, text)?;
        let mode = if is_script { 0o755 } else { 0o644 };
        std::fs::set_permissions(&member, std::fs::Permissions::from_mode(mode))?;
    }
    stage.settle(press)?;
    let pack: &[&str] = if press.is_release {
        &["-Zxz"]
    } else {
        &["-Zgzip", "-z1"]
    };
    let mut build = shell::command("dpkg-deb", pack)?;
    build
        .args(["--root-owner-group", "--build"])
        .arg(stage.root())
        .arg(press.out.join(&file))
        .env("SOURCE_DATE_EPOCH", press.moment.seconds());
    shell::output(build)?;
    Ok(file)
}

/// The sums of the files, by which `dpkg --verify` sees what was changed.
fn sums(stage: &Stage, contents: &Contents) -> Result<String> {
    let files = contents.entries.iter().filter(|entry| !entry.is_configuration());
    let mut count = std::process::Command::new("md5sum");
    count
        .args(files.map(|entry| &entry.place))
        .current_dir(stage.root());
    shell::output(count)
}

fn control(
    row: &Row,
    press: &Press,
    architecture: &str,
    stage: &Stage,
    contents: &Contents,
) -> Result<String> {
    let mut size = 0;
    for entry in &contents.entries {
        // In KiB, a file at least one.
        size += stage
            .root()
            .join(&entry.place)
            .metadata()?
            .len()
            .div_ceil(1024)
            .max(1);
    }
    let mut depends = vec![linked(row, stage)?];
    depends.extend(row.needs.debian.iter().map(|&one| one.to_owned()));
    let mut text = format!(
        "Package: {}\nVersion: {}\nArchitecture: {architecture}\nMaintainer: {MAINTAINER}\nInstalled-Size: {size}\nDepends: {}\n",
        row.name,
        press.debian_version(),
        depends.join(", "),
    );
    for (field, others) in [
        ("Recommends", row.needs.better_with),
        ("Conflicts", row.needs.not_with),
    ] {
        if !others.is_empty() {
            writeln!(text, "{field}: {}", others.join(", "))?;
        }
    }
    writeln!(
        text,
        "Section: {}\nPriority: optional\nDescription: {}",
        row.section, row.summary
    )?;
    for line in row.description {
        writeln!(text, " {line}")?;
    }
    Ok(text)
}

/// The packages of the shared libraries that the programs are linked with.
fn linked(row: &Row, stage: &Stage) -> Result<String> {
    // It wants to be started beside the description of a source package.
    let folder = stage.beside().join("debian");
    std::fs::create_dir_all(&folder)?;
    let source = format!("Source: {0}\n\nPackage: {0}\nArchitecture: any\n", row.name);
    std::fs::write(folder.join("control"), source)?;
    let mut look = std::process::Command::new("dpkg-shlibdeps");
    look.arg("-O").current_dir(stage.beside());
    for program in row.programs {
        look.arg(stage.root().join("usr/bin").join(program.name));
    }
    let found = shell::output(look)?;
    let found = found.trim().strip_prefix("shlibs:Depends=");
    Ok(found
        .context("dpkg-shlibdeps names what the programs are linked with")?
        .to_owned())
}
