//! The section `certificate`, or the list `certificates`.

mod deploy;
mod output;
mod places;

use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use pki::{DigestAlgorithm, DistinguishedName, SubjectAltName};
use serde_json::Value;

use super::section::Section;
use super::{CertificateSettings, Hooks, KeyProvider, Renewal, key};
use crate::decide::Threshold;
use crate::hook::{HookCommand, HookSettings};

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
    let mut all: Vec<(Section<'_>, CertificateSettings)> = Vec::new();
    for section in sections {
        if !is_alone && !section.has("name") {
            section.problem("name", "is missing: with several certificates each has its own");
            continue;
        }
        let Some(read) = read(&section, &stem) else {
            continue;
        };
        if all.iter().any(|(_, other)| other.name == read.name) {
            section.problem("name", "is another certificate's");
        }
        all.push((section, read));
    }
    places::check(&all);
    all.into_iter().map(|(_, read)| read).collect()
}

fn read(section: &Section<'_>, stem: &str) -> Option<CertificateSettings> {
    let mut name = section.text("name").unwrap_or_else(|| slug(stem));
    if slug(&name) != name || name.is_empty() {
        section.problem(
            "name",
            "has letters, digits, `-`, `_` and `.` only, 64 at most, and begins with no dot",
        );
        // What else is wrong is told as well.
        name = format!("unnamed{}", slug(&section.at("")));
    }
    let common_name = section.section("subject").text("common_name");
    let names = names(section, common_name.as_deref());
    let subject = subject(section, common_name, &names);
    let key = key::read(section, &name);
    let output = output::read(section, &name, &key);
    let is_in_token = matches!(key.provider, KeyProvider::Pkcs11(_));
    if is_in_token {
        key::refuse_joined(section, &output);
    }
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
        deploy: deploy::read(section, &key),
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

/// Whole days: a number, or a length of time.
fn validity(section: &Section<'_>) -> Option<u32> {
    let key = if section.has("days") { "days" } else { "validity" };
    if section.has("days") && section.has("validity") {
        section.problem("days", "and `validity` are both there: choose one");
        return None;
    }
    let text = section.text(key)?;
    if let Ok(days @ 1..) = text.parse::<u32>() {
        return Some(days);
    }
    // A zero without a unit is as little a validity as one with it.
    let hours = if text == "0" {
        0
    } else {
        section.duration(key)?.as_hours()
    };
    let days = u32::try_from(hours / 24).ok().filter(|days| *days > 0);
    if days.is_none() || hours % 24 != 0 {
        section.problem(key, "is a number of whole days, at least one");
    }
    days
}

fn usages(section: &Section<'_>) -> Vec<String> {
    let all = section.texts("extended_key_usage");
    for (number, usage) in all.iter().enumerate() {
        let is_identifier =
            !usage.is_empty() && usage.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.');
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

fn hooks(section: &Section<'_>) -> Hooks {
    let hooks = section.section("hooks");
    let timeout = hooks.limit("timeout");
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
pub(super) fn command(value: &Value) -> Option<HookCommand> {
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
