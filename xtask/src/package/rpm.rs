//! The RPM package, made by `rpmbuild`, which finds out itself what the programs are linked with.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::Result;

use super::contents::Contents;
use super::rows::Row;
use super::stage::Stage;
use super::{Press, scripts};
use crate::shell;

/// Nothing is done to the files, and nothing of the machine and the hour is written down.
const DEFINITIONS: [&str; 9] = [
    "debug_package %{nil}",
    "__os_install_post %{nil}",
    "_build_id_links none",
    "_buildhost chancery",
    "_rpmfilename %{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm",
    "source_date_epoch_from_changelog 0",
    "use_source_date_epoch_as_buildtime 1",
    "clamp_mtime_to_source_date_epoch 1",
    "_docdir /usr/share/doc",
];

/// Makes it; the name of the file.
pub(super) fn make(row: &Row, press: &Press, contents: &Contents) -> Result<String> {
    let stage = Stage::fill(press, &format!("{}-rpm", row.name), contents)?;
    stage.settle(press)?;
    let spec = stage.beside().join(format!("{}.spec", row.name));
    std::fs::write(&spec, self::spec(row, press, contents, &stage)?)?;
    let payload = if press.is_release {
        "w19.zstdio"
    } else {
        "w1.gzdio"
    };
    let mut build = shell::command("rpmbuild", &["-bb", "--quiet"])?;
    for definition in DEFINITIONS {
        build.args(["--define", definition]);
    }
    build
        .args(["--define", &format!("_binary_payload {payload}")])
        .args(["--define", &format!("_topdir {}", stage.beside().display())])
        .args(["--define", &format!("_rpmdir {}", press.out.display())])
        .arg(&spec)
        .env("SOURCE_DATE_EPOCH", press.moment.seconds());
    shell::output(build)?;
    Ok(format!(
        "{}-{}-1.{}.rpm",
        row.name,
        press.rpm_version(),
        std::env::consts::ARCH
    ))
}

fn spec(row: &Row, press: &Press, contents: &Contents, stage: &Stage) -> Result<String> {
    let mut spec = format!(
        "Name: {name}\nVersion: {version}\nRelease: 1\nSummary: {summary}\nLicense: see /usr/share/doc/{name}/copyright\n",
        name = row.name,
        version = press.rpm_version(),
        summary = row.summary,
    );
    let groups = [
        ("Requires", row.needs.rpm),
        ("Requires(post)", row.needs.rpm),
        ("Recommends", row.needs.better_with),
        ("Conflicts", row.needs.not_with),
    ];
    for (field, others) in groups {
        for other in others {
            writeln!(spec, "{field}: {other}")?;
        }
    }
    writeln!(spec, "\n%description\n{}", row.description.join("\n"))?;
    writeln!(
        spec,
        "\n%install\ncp -a {}/. %{{buildroot}}/",
        stage.root().display()
    )?;
    for (name, text) in scripts::rpm(row) {
        // A percent sign is the beginning of a macro.
        writeln!(spec, "\n%{name}\n{}", text.replace('%', "%%"))?;
    }
    writeln!(spec, "\n%files")?;
    for folder in own_folders(row, contents) {
        writeln!(spec, "%dir %attr(0755,root,root) \"/{folder}\"")?;
    }
    for entry in &contents.entries {
        let kind = if entry.is_configuration() {
            "%config(noreplace) "
        } else {
            ""
        };
        writeln!(
            spec,
            "{kind}%attr({:04o},root,root) \"/{}\"",
            entry.mode(),
            entry.place
        )?;
    }
    Ok(spec)
}

/// The folders that belong to this package alone: those below a folder of its name.
fn own_folders<'a>(row: &Row, contents: &'a Contents) -> BTreeSet<&'a str> {
    let mut folders = BTreeSet::new();
    for entry in &contents.entries {
        let mut folder = entry.place.as_str();
        while let Some((above, _)) = folder.rsplit_once('/') {
            folder = above;
            if folder.split('/').any(|part| part == row.name) {
                folders.insert(folder);
            }
        }
    }
    folders
}
