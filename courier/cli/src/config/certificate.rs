//! The section `certificate`, or the list `certificates`.

use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use pki::{DigestAlgorithm, DistinguishedName, SubjectAltName};
use serde_json::Value;

use super::section::Section;
use super::{CertificateSettings, Deployment, Hooks, KeyProvider, KeyReuse, KeySettings, Renewal};
use crate::decide::Threshold;
use crate::hook::{HookCommand, HookSettings};
use crate::key::KeyType;
use crate::write::{Account, Layout, OutputSettings, Pkcs12Output};

/// Where the courier of a service remembers things, and one that is started by hand as root.
const STATE_DIR: &str = "/var/lib/courier";
/// How long a pending order is waited for.
const WAIT: Duration = Duration::from_mins(2);
/// Extended key usages by their names in RFC 5280 §4.2.1.12.
const USAGES: [&str; 6] = [
    "serverAuth",
    "clientAuth",
    "codeSigning",
    "emailProtection",
    "timeStamping",
    "OCSPSigning",
];

/// Reads all certificates of the file.
pub(super) fn read_all(root: &Section<'_>) -> Vec<CertificateSettings> {
    if root.has("certificate") && root.has("certificates") {
        root.problem("certificates", "and `certificate` are both there: choose one");
    }
    let stem = root.reading.stem();
    let sections = if root.has("certificate") {
        vec![root.section("certificate")]
    } else {
        root.sections("certificates")
    };
    let is_alone = sections.len() == 1;
    let mut all: Vec<CertificateSettings> = Vec::new();
    for section in sections {
        if !is_alone && !section.has("name") {
            section.problem("name", "is missing: with several certificates each has its own");
            continue;
        }
        let Some(read) = read(&section, &stem) else {
            continue;
        };
        if all.iter().any(|other| other.name == read.name) {
            section.problem("name", "is another certificate's");
        }
        let shares = |other: &CertificateSettings| {
            let names = |one: &CertificateSettings| {
                let names = &one.output.names;
                [
                    &names.certificate,
                    &names.private_key,
                    &names.fullchain,
                    &names.combined,
                ]
                .map(Clone::clone)
            };
            let own = names(&read);
            let same = names(other)
                .into_iter()
                .flatten()
                .any(|name| own.contains(&Some(name)));
            other.output.dir == read.output.dir && same
        };
        if all.iter().any(shares) {
            section.problem(
                "output",
                "writes the files of another certificate: give it a `dir` or names of its own",
            );
        }
        all.push(read);
    }
    all
}

fn read(section: &Section<'_>, stem: &str) -> Option<CertificateSettings> {
    let name = section.text("name").unwrap_or_else(|| slug(stem));
    if slug(&name) != name || name.is_empty() {
        section.problem(
            "name",
            "has letters, digits, `-`, `_` and `.` only, 64 at most, and begins with no dot",
        );
        return None;
    }
    let common_name = section.section("subject").text("common_name");
    let names = names(section, common_name.as_deref());
    let subject = subject(section, common_name, &names);
    let key = key(section);
    let output = output(section, &name, &key);
    Some(CertificateSettings {
        generate_keys_locally: section.flag("generate_keys_locally").unwrap_or(true),
        subject: subject?,
        names,
        digest: section.choice(
            "digest",
            &[
                ("sha256", DigestAlgorithm::Sha256),
                ("sha384", DigestAlgorithm::Sha384),
                ("sha512", DigestAlgorithm::Sha512),
            ],
        ),
        validity_days: validity(section),
        profile: section.text("profile"),
        extended_key_usage: usages(section),
        renewal: renewal(section),
        wait: section.unsigned_duration("wait").unwrap_or(WAIT),
        hooks: hooks(section),
        deploy: deploy(section),
        state_dir: section.path_of("state_dir").unwrap_or_else(|| state_dir(section)),
        name,
        key,
        output,
    })
}

/// What a service is given, else the one place.
fn state_dir(section: &Section<'_>) -> PathBuf {
    let given = section.reading.environment.var("STATE_DIRECTORY");
    // A service may have several, divided by colons.
    let first = given.and_then(|given| given.split(':').next().map(PathBuf::from));
    first.unwrap_or_else(|| PathBuf::from(STATE_DIR))
}

/// A text as a slug: what does not fit becomes a dash.
fn slug(text: &str) -> String {
    let fits = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
    let plain = text.trim_start_matches('.').chars().take(64);
    plain
        .map(|character| if fits(character) { character } else { '-' })
        .collect()
}

/// All names; the common name among them where it is a DNS name.
fn names(section: &Section<'_>, common_name: Option<&str>) -> Vec<SubjectAltName> {
    let sans = section.section("sans");
    let mut all = Vec::new();
    if let Some(Ok(name)) = common_name.map(SubjectAltName::dns) {
        all.push(name);
    }
    for kind in ["dns", "ip", "email", "uri"] {
        for (number, text) in sans.texts(kind).into_iter().enumerate() {
            match format!("{kind}:{text}").parse() {
                Ok(name) if all.contains(&name) => {}
                Ok(name) => all.push(name),
                Err(fault) => sans.problem(&format!("{kind}[{number}]"), format!("does not go: {fault}")),
            }
        }
    }
    let is_server = |name: &SubjectAltName| matches!(name, SubjectAltName::Dns(_) | SubjectAltName::Ip(_));
    if !all.iter().any(is_server) && common_name.is_none() && all.is_empty() {
        section.problem(
            "sans",
            "names nothing: give `subject.common_name`, or a name in `sans.dns` or `sans.ip`",
        );
    }
    all
}

/// The subject (RFC 4514): the most specific first.
fn subject(
    section: &Section<'_>,
    common_name: Option<String>,
    names: &[SubjectAltName],
) -> Option<DistinguishedName> {
    let subject = section.section("subject");
    let first_dns = names.iter().find_map(|name| match name {
        SubjectAltName::Dns(text) if text.len() <= 64 => Some(text.clone()),
        _ => None,
    });
    if common_name.as_ref().is_some_and(|name| name.chars().count() > 64) {
        subject.problem("common_name", "is longer than 64 characters (RFC 5280 A.1)");
    }
    if let Some(country) = subject.text("country")
        && !(country.len() == 2 && country.bytes().all(|octet| octet.is_ascii_uppercase()))
    {
        subject.problem("country", "is two capital letters (ISO 3166-1)");
    }
    let parts = [
        ("CN", common_name.or(first_dns)),
        ("OU", subject.text("organizational_unit")),
        ("O", subject.text("organization")),
        ("L", subject.text("locality")),
        ("ST", subject.text("state")),
        ("C", subject.text("country")),
    ];
    let parts = parts.into_iter().filter_map(|(attribute, value)| {
        let value = value.filter(|value| !value.is_empty())?;
        Some(format!("{attribute}={}", escaped(&value)))
    });
    let text = parts.collect::<Vec<_>>().join(",");
    match DistinguishedName::parse(&text) {
        Ok(name) => Some(name),
        Err(fault) => {
            section.problem("subject", format!("does not go: {fault}"));
            None
        }
    }
}

/// A value as RFC 4514 §2.4 writes it.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (at, character) in value.chars().enumerate() {
        let is_special = matches!(character, ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=')
            || (at == 0 && matches!(character, ' ' | '#'))
            || (at == last && character == ' ');
        if is_special {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

fn key(section: &Section<'_>) -> KeySettings {
    let key = section.section("key");
    match key.text("provider").as_deref() {
        None | Some("file") => {}
        Some("pkcs11" | "tpm2") => {
            key.problem("provider", "is `file`: other places of keys are not there yet");
        }
        Some(_) => key.problem("provider", "is `file`"),
    }
    KeySettings {
        kind: key.parsed::<KeyType>("algorithm").unwrap_or_default(),
        reuse: key
            .choice(
                "reuse",
                &[("never", KeyReuse::Never), ("on-renew", KeyReuse::OnRenew)],
            )
            .unwrap_or_default(),
        passphrase: key.secret("passphrase"),
        provider: KeyProvider::File,
    }
}

/// Whole days: a number, or a length of time.
fn validity(section: &Section<'_>) -> Option<u32> {
    let key = if section.has("days") { "days" } else { "validity" };
    if section.has("days") && section.has("validity") {
        section.problem("days", "and `validity` are both there: choose one");
        return None;
    }
    let text = section.text(key)?;
    if let Ok(days) = text.parse::<u32>() {
        return Some(days).filter(|days| *days > 0);
    }
    let hours = section.duration(key)?.as_hours();
    let days = u32::try_from(hours / 24).ok().filter(|days| *days > 0);
    if days.is_none() || hours % 24 != 0 {
        section.problem(key, "is a number of whole days, at least one");
    }
    days
}

fn usages(section: &Section<'_>) -> Vec<String> {
    let all = section.texts("extended_key_usage");
    for (number, usage) in all.iter().enumerate() {
        let is_identifier = usage.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.');
        if !USAGES.contains(&usage.as_str()) && !is_identifier {
            let key = format!("extended_key_usage[{number}]");
            section.problem(
                &key,
                format!("is one of {}, or an object identifier", USAGES.join(", ")),
            );
        }
    }
    all
}

fn renewal(section: &Section<'_>) -> Renewal {
    let renew = section.section("renew");
    if renew.has("before") && renew.has("before_percent") {
        renew.problem("before_percent", "and `before` are both there: choose one");
    }
    let percent = renew.number("before_percent", 1, 90);
    let percent = percent.and_then(|percent| u8::try_from(percent).ok());
    let before = renew.duration("before");
    if before.is_some_and(|before| before <= SignedDuration::ZERO) {
        renew.problem("before", "is more than nothing");
    }
    Renewal {
        threshold: match (before, percent) {
            (Some(before), _) => Threshold::Before(before),
            (None, Some(percent)) => Threshold::Percent(percent),
            (None, None) => Threshold::Default,
        },
        use_server_window: renew.flag("use_server_window").unwrap_or(true),
        on_config_change: renew.flag("on_config_change").unwrap_or(true),
    }
}

fn output(section: &Section<'_>, name: &str, key: &KeySettings) -> OutputSettings {
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
        let Some(text) = output.text(field) else { continue };
        match u32::from_str_radix(&text, 8) {
            Ok(given) if given <= 0o777 => *mode = given,
            _ => output.problem(field, "is a mode in octal digits and quotes, as \"0640\""),
        }
    }
    if settings.mode_key & 0o007 != 0 {
        output.problem("mode_key", "lets everybody at the private key");
    }
    settings.owner = output.text("owner").map(account);
    settings.group = output.text("group").map(account);
    if let Some(keep) = output.number("keep_previous", 0, 100) {
        settings.keep_previous = usize::try_from(keep).unwrap_or(settings.keep_previous);
    }
    settings
}

/// A path without `.` in it.
fn clean(path: &std::path::Path) -> PathBuf {
    path.components()
        .filter(|component| !matches!(component, std::path::Component::CurDir))
        .collect()
}

fn file_name(output: &Section<'_>, field: &str, text: String) -> Option<String> {
    if text.contains('/') || text.starts_with('.') {
        output.problem(
            field,
            "is a file name within `output.dir`, and begins with no dot",
        );
        return None;
    }
    Some(text)
}

/// `pkcs12: name`, with `pkcs12_password`, or a section of its own.
fn pkcs12(output: &Section<'_>) -> Option<Pkcs12Output> {
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

fn account(text: String) -> Account {
    text.parse().map_or(Account::Name(text), Account::Id)
}

fn hooks(section: &Section<'_>) -> Hooks {
    let hooks = section.section("hooks");
    let timeout = hooks.unsigned_duration("timeout");
    let hook = |name: &str| {
        let flat = if matches!(name, "on_success" | "on_failure") {
            section.value(name)
        } else {
            None
        };
        if flat.is_some() && hooks.has(name) {
            section.problem(name, format!("and `hooks.{name}` are both there: choose one"));
        }
        let (value, path) = match hooks.value(name) {
            Some(value) => (value, hooks.at(name)),
            None => (flat?, section.at(name)),
        };
        let Some(command) = command(value) else {
            section.reading.problem(
                &path,
                "is a command: a text for the shell, or a list of program and arguments",
            );
            return None;
        };
        let mut settings = HookSettings::new(command);
        if let Some(timeout) = timeout {
            settings.timeout = timeout;
        }
        Some(settings)
    };
    let (strict, rollback) = (
        hooks.flag("strict").unwrap_or(false),
        hooks.flag("rollback").unwrap_or(false),
    );
    if rollback && !strict {
        hooks.problem("rollback", "needs `strict: true`");
    }
    Hooks {
        pre: hook("pre"),
        on_success: hook("on_success"),
        on_failure: hook("on_failure"),
        on_nochange: hook("on_nochange"),
        strict,
        rollback,
    }
}

/// A text or a list of texts.
fn command(value: &Value) -> Option<HookCommand> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(HookCommand::Shell(text.clone())),
        Value::Array(items) if !items.is_empty() => {
            let words = items.iter().map(|item| match item {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            });
            words.collect::<Option<Vec<_>>>().map(HookCommand::Direct)
        }
        _ => None,
    }
}

/// The servers that take the files: `type` and the settings of that kind.
fn deploy(section: &Section<'_>) -> Vec<Deployment> {
    let all = section.sections("deploy").into_iter().enumerate();
    all.filter_map(|(number, target)| {
        let kind = target.needed("type", "which server it is")?;
        let mut settings = section.value("deploy")?.get(number)?.as_object()?.clone();
        settings.remove("type");
        Some(Deployment {
            kind,
            settings: Value::Object(settings),
        })
    })
    .collect()
}
