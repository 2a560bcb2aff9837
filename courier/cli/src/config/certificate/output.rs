//! The section `output`: where the files go and whose they are.

use std::path::{Component, Path, PathBuf};

use crate::config::KeySettings;
use crate::config::section::Section;
use crate::write::{Account, Layout, MAX_NAME, OutputSettings, Pkcs12Output};

pub(super) fn read(section: &Section<'_>, name: &str, key: &KeySettings) -> OutputSettings {
    let output = section.section("output");
    let dir = output.path_of("dir").unwrap_or_else(|| output.reading.path("."));
    let mut settings = OutputSettings::new(name, clean(&dir));
    let names = &mut settings.names;
    let each = [
        ("certificate", &mut names.certificate),
        ("private_key", &mut names.private_key),
        ("chain", &mut names.chain),
        ("fullchain", &mut names.fullchain),
        ("ca", &mut names.ca),
        ("combined", &mut names.combined),
    ];
    for (field, name) in each {
        match output.text(field) {
            Some(text) if text.is_empty() => *name = None,
            Some(text) => *name = file_name(&output, field, text),
            None => {}
        }
    }
    names.pkcs12 = pkcs12(&output);
    let layouts = [("links", Layout::Links), ("plain", Layout::Plain)];
    settings.layout = output.choice("layout", &layouts).unwrap_or_default();
    settings.passphrase.clone_from(&key.passphrase);
    for (field, mode) in [
        ("mode_key", &mut settings.mode_key),
        ("mode_cert", &mut settings.mode_cert),
        ("mode_dir", &mut settings.mode_dir),
    ] {
        let Some(value) = output.value(field) else {
            continue;
        };
        match value.as_str().and_then(octal) {
            Some(given) => *mode = given,
            None => output.problem(field, "is a mode in octal digits and quotes, as \"0640\""),
        }
    }
    if settings.mode_key & 0o007 != 0 {
        output.problem("mode_key", "lets everybody at the private key");
    }
    // Whoever may write a certificate may have another one served, and whoever may write the directory another key.
    for (field, mode) in [("mode_cert", settings.mode_cert), ("mode_dir", settings.mode_dir)] {
        if mode & 0o002 != 0 {
            output.problem(field, "lets everybody write");
        }
    }
    settings.owner = output.text("owner").map(|text| Account::parse(&text));
    settings.group = output.text("group").map(|text| Account::parse(&text));
    if let Some(keep) = output.number("keep_previous", 0, 100) {
        settings.keep_previous = usize::try_from(keep).unwrap_or(settings.keep_previous);
    }
    settings
}

/// A mode. What YAML takes for a number is none: it would not tell `0o640` from 416.
fn octal(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let is_octal = digits.bytes().all(|digit| digit.is_ascii_digit());
    let mode = u32::from_str_radix(digits, 8).ok()?;
    (is_octal && mode <= 0o777).then_some(mode)
}

/// A path without `.` in it.
fn clean(path: &Path) -> PathBuf {
    path.components()
        .filter(|component| !matches!(component, Component::CurDir))
        .collect()
}

fn file_name(output: &Section<'_>, field: &str, text: String) -> Option<String> {
    if text.contains(['/', '\0']) || text.starts_with('.') || text.len() >= MAX_NAME {
        output.problem(
            field,
            format!(
                "is a file name within `output.dir`, begins with no dot, and has less than {MAX_NAME} octets"
            ),
        );
        return None;
    }
    Some(text)
}

/// `pkcs12: name`, with `pkcs12_password`, or a section of its own.
fn pkcs12(output: &Section<'_>) -> Option<Pkcs12Output> {
    if !output
        .value("pkcs12")
        .is_some_and(|value| value.is_string() || value.is_number())
    {
        for key in ["pkcs12_password", "pkcs12_password_file", "pkcs12_legacy"] {
            if output.has(key) {
                output.problem(key, "goes with a file name in `pkcs12`");
            }
        }
    }
    let value = output.value("pkcs12")?;
    let (name, password, legacy) = if value.is_object() {
        let inner = output.section("pkcs12");
        (
            inner.needed("name", "the file"),
            inner.secret("password"),
            inner.flag("legacy"),
        )
    } else {
        (
            output.text("pkcs12"),
            output.secret("pkcs12_password"),
            output.flag("pkcs12_legacy"),
        )
    };
    let name = file_name(output, "pkcs12", name?)?;
    if password.is_none() {
        output.problem("pkcs12", "has no password: give `password_file` in its section");
    }
    Some(Pkcs12Output {
        name,
        password: password?,
        legacy: legacy.unwrap_or(false),
    })
}
