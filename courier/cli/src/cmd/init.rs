//! `init`: a starter configuration, commented.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::Console;
use crate::failure::Failure;
use crate::init::{StarterOptions, starter};

/// Prints it, or writes it to a file that must not exist: nobody's configuration is written over. `given` are the address, the UUID and
/// the name.
pub(super) fn write(
    console: Console,
    method: &str,
    given: [Option<&str>; 3],
    out: Option<&Path>,
) -> Result<(), Failure> {
    let mut options = StarterOptions::default();
    let each = [&mut options.base_url, &mut options.uuid, &mut options.common_name];
    for (option, given) in each.into_iter().zip(given) {
        if let Some(given) = given {
            given.clone_into(option);
        }
    }
    let Some(text) = starter(method, &options) else {
        return Err(Failure::Usage(format!("there is no method `{method}`")));
    };
    let Some(out) = out else {
        console.print(text.trim_end());
        return Ok(());
    };
    let mut new = std::fs::OpenOptions::new();
    let written = new
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(out)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|source| Failure::Io {
        what: format!("{} cannot be written", out.display()),
        source,
    })?;
    let told = serde_json::json!({ "file": out, "method": method });
    console.tell(
        &told,
        &format!(
            "{}: edit it, then run `courier -c {} doctor`",
            out.display(),
            out.display()
        ),
    );
    Ok(())
}
