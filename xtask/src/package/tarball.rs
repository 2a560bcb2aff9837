//! The plain archive: what the packages put below `/usr`, to be unpacked there or below `/usr/local`. It starts nothing and makes no
//! users; the manual says what is left to be done by hand.

use anyhow::Result;

use super::Press;
use super::contents::Contents;
use super::rows::Row;
use super::stage::Stage;
use crate::shell;

/// Makes it; the name of the file.
pub(super) fn make(row: &Row, press: &Press, contents: &Contents) -> Result<String> {
    let folder = format!("{}-{}", row.name, press.version);
    let file = format!("{folder}-{}-linux.tar.gz", std::env::consts::ARCH);
    let stage = Stage::fill(press, &format!("{folder}-tar"), contents)?;
    stage.settle(press)?;
    let pack = if press.is_release {
        "gzip -9 -n"
    } else {
        "gzip -1 -n"
    };
    let transform = format!("--transform=s,^usr,{folder},");
    let mut tar = shell::command(
        "tar",
        &["--create", "--sort=name", "--format=ustar", "--numeric-owner"],
    )?;
    tar.args(["--owner=0", "--group=0", "--mtime", &press.moment.at()])
        .args(["--use-compress-program", pack, &transform, "--file"])
        .arg(press.out.join(&file))
        .arg("--directory")
        .arg(stage.root())
        .arg("usr");
    shell::output(tar)?;
    Ok(file)
}
