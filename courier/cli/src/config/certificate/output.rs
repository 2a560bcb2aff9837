//! The section `output`: where the files go and whose they are.

use secrecy::SecretString;

use crate::config::scalar;
use crate::config::section::Section;
use crate::config::value::Value;
use crate::write::{Account, Layout, Names, OutputSettings, Pkcs12Output};

pub(super) fn read(
    certificate: &Section<'_>,
    name: &str,
    passphrase: Option<&SecretString>,
) -> OutputSettings {
    let section = certificate.below("output", "certificate.output");
    let directory = section.findings.surroundings.directory().to_owned();
    let default = OutputSettings::new(name, section.path("dir").unwrap_or(directory));
    let layouts = [("links", Layout::Links), ("plain", Layout::Plain)];
    let mode = |key, default| section.parsed(key, scalar::mode).unwrap_or(default);
    let settings = OutputSettings {
        layout: section.choice("layout", &layouts).unwrap_or_default(),
        names: names(&section),
        passphrase: passphrase.cloned(),
        mode_key: mode("mode_key", default.mode_key),
        mode_cert: mode("mode_cert", default.mode_cert),
        mode_dir: mode("mode_dir", default.mode_dir),
        owner: account(&section, "owner"),
        group: account(&section, "group"),
        keep_previous: section
            .number("keep_previous", 0_u32, 100)
            .map_or(default.keep_previous, |number| {
                usize::try_from(number).unwrap_or(usize::MAX)
            }),
        ..default
    };
    if settings.mode_key & 0o007 != 0 {
        section.problem("mode_key", "lets everybody at the private key");
    }
    settings
}

fn names(section: &Section<'_>) -> Names {
    let default = Names::default();
    let name = |key: &str, default: Option<String>| match section.text(key) {
        None => default,
        Some(text) if text.is_empty() => None,
        Some(text) => section.noted(key, scalar::file_name(&text)),
    };
    let names = Names {
        certificate: name("certificate", default.certificate),
        private_key: name("private_key", default.private_key),
        chain: name("chain", default.chain),
        fullchain: name("fullchain", default.fullchain),
        ca: name("ca", default.ca),
        combined: name("combined", default.combined),
        pkcs12: pkcs12(section),
    };
    let pkcs12 = names.pkcs12.as_ref().map(|output| &output.name);
    let all = [
        ("certificate", names.certificate.as_ref()),
        ("private_key", names.private_key.as_ref()),
        ("chain", names.chain.as_ref()),
        ("fullchain", names.fullchain.as_ref()),
        ("ca", names.ca.as_ref()),
        ("combined", names.combined.as_ref()),
        ("pkcs12", pkcs12),
    ];
    for (number, (key, name)) in all.iter().enumerate() {
        let twin = all
            .iter()
            .take(number)
            .find(|(_, other)| name.is_some() && other == name);
        if let Some((other, _)) = twin {
            section.problem(key, format!("has the same name as `{other}`"));
        }
    }
    names
}

fn pkcs12(output: &Section<'_>) -> Option<Pkcs12Output> {
    let section = output.below("pkcs12", "certificate.output.pkcs12");
    if !output.has("pkcs12") {
        return None;
    }
    if !section.has("password") && !section.has("password_file") {
        section.problem("password", "is missing");
    }
    let legacy = section.flag("legacy", false);
    let password = section.secret("password");
    section.needed("file");
    Some(Pkcs12Output {
        name: section.parsed("file", scalar::file_name)?,
        password: password?,
        legacy,
    })
}

fn account(section: &Section<'_>, key: &str) -> Option<Account> {
    if let Some(Value::Integer(_)) = section.raw(key) {
        return section.number(key, 0, u32::MAX - 1).map(Account::Id);
    }
    let name = section.text(key)?;
    if let Ok(number) = name.parse() {
        return Some(Account::Id(number));
    }
    if name.is_empty() || name.contains([':', '\n', '\0']) {
        section.problem(key, "is no name of an account");
    }
    Some(Account::Name(name))
}
