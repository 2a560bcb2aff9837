//! The section `certificate`, or one of the list `certificates`.

mod names;
mod output;

use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use pki::DigestAlgorithm;

use super::section::Section;
use super::value::Value;
use super::{CertificateSettings, Deployment, KeyProvider, KeyReuse, KeySettings, Renewal, hooks, scalar};
use crate::decide::Threshold;

const DAY: u64 = 86_400;

pub(super) fn read(section: &Section<'_>, default_name: &str) -> CertificateSettings {
    let given = section.parsed("name", scalar::slug);
    if given.is_none() && !section.has("name") && scalar::slug(default_name).is_err() {
        section.problem(
            "name",
            "is missing, and the name of the file does not serve as one",
        );
    }
    let name = given.unwrap_or_else(|| default_name.to_owned());
    let (subject, names) = names::read(section);
    let key = key(section);
    let output = output::read(section, &name, key.passphrase.as_ref());
    let digests = [
        ("sha256", DigestAlgorithm::Sha256),
        ("sha384", DigestAlgorithm::Sha384),
        ("sha512", DigestAlgorithm::Sha512),
    ];
    CertificateSettings {
        generate_keys_locally: section.flag("generate_keys_locally", true),
        subject,
        names,
        digest: section.choice("digest", &digests),
        validity_days: validity_days(section),
        profile: section.text("profile"),
        extended_key_usage: section.texts("extended_key_usage"),
        renewal: renewal(section),
        wait: section.duration("wait").unwrap_or(Duration::from_mins(2)),
        hooks: hooks::read(section),
        deploy: deployments(section),
        state_dir: section
            .path("state_dir")
            .unwrap_or_else(|| default_state_dir(section)),
        name,
        key,
        output,
    }
}

fn key(certificate: &Section<'_>) -> KeySettings {
    let section = certificate.below("key", "certificate.key");
    let reuse = [("never", KeyReuse::Never), ("on-renew", KeyReuse::OnRenew)];
    match section.text("provider").as_deref() {
        None | Some("file") => {}
        Some(provider @ ("pkcs11" | "tpm2")) => section.problem(
            "provider",
            format!(
                "is {provider}: keys in tokens are not supported yet; leave it out, and the key is in a file"
            ),
        ),
        Some(_) => section.problem("provider", "is none of file"),
    }
    let kind = section.parsed("algorithm", |text| {
        text.parse().map_err(|_| {
            "is none of ec-256, ec-384, ec-521, rsa-2048, rsa-3072, rsa-4096, ed25519".to_owned()
        })
    });
    KeySettings {
        kind: kind.unwrap_or_default(),
        reuse: section.choice("reuse", &reuse).unwrap_or_default(),
        passphrase: section.secret("passphrase"),
        provider: KeyProvider::File,
    }
}

fn validity_days(section: &Section<'_>) -> Option<u32> {
    const MOST: u32 = 3660;
    if let Some(Value::Integer(_)) = section.raw("validity") {
        return section.number("validity", 1, MOST);
    }
    let validity = section.duration("validity")?;
    let days = u32::try_from(validity.as_secs() / DAY).ok();
    let is_whole = validity.subsec_nanos() == 0 && validity.as_secs().is_multiple_of(DAY);
    let days = days.filter(|days| is_whole && (1..=MOST).contains(days));
    if days.is_none() {
        section.problem("validity", format!("is no whole number of days from 1 to {MOST}"));
    }
    days
}

fn renewal(certificate: &Section<'_>) -> Renewal {
    let section = certificate.below("renew", "certificate.renew");
    let before = section.duration("before");
    let percent = section.number("before_percent", 1, 90);
    if section.has("before") && section.has("before_percent") {
        section.problem("before_percent", "stands beside `before`: one of the two");
    }
    let before = before.and_then(|before| SignedDuration::try_from(before).ok());
    Renewal {
        threshold: match (before, percent) {
            (Some(before), _) => Threshold::Before(before),
            (None, Some(percent)) => Threshold::Percent(percent),
            (None, None) => Threshold::Default,
        },
        use_server_window: section.flag("use_server_window", true),
        on_config_change: section.flag("on_config_change", true),
    }
}

fn deployments(section: &Section<'_>) -> Vec<Deployment> {
    let mut found = Vec::new();
    for (path, item) in section.items("deploy") {
        let Value::Map(_) = item else {
            section
                .findings
                .problem(&path, format!("is {}, where a map is expected", item.kind()));
            continue;
        };
        let Some(serde_json::Value::Object(mut settings)) = section.json(&path, item, false) else {
            continue;
        };
        match settings.remove("type") {
            Some(serde_json::Value::String(kind)) if !kind.is_empty() => found.push(Deployment {
                kind,
                settings: serde_json::Value::Object(settings),
            }),
            Some(_) => section.findings.problem(format!("{path}.type"), "is no text"),
            None => section.findings.problem(format!("{path}.type"), "is missing"),
        }
    }
    found
}

/// What systemd gives, what root has, or what a user has.
fn default_state_dir(section: &Section<'_>) -> PathBuf {
    let surroundings = &section.findings.surroundings;
    let variable = |name| surroundings.environment.var(name).map(PathBuf::from);
    let absolute = |path: &PathBuf| path.is_absolute();
    // Several are divided by colons; the first is the unit's own.
    let given = surroundings.environment.var("STATE_DIRECTORY");
    let given = given.and_then(|given| given.split(':').next().map(PathBuf::from));
    if let Some(path) = given.filter(absolute) {
        return path;
    }
    if surroundings.is_root {
        return PathBuf::from("/var/lib/courier");
    }
    if let Some(path) = variable("XDG_STATE_HOME").filter(absolute) {
        return path.join("courier");
    }
    match variable("HOME").filter(absolute) {
        Some(home) => home.join(".local/state/courier"),
        None => PathBuf::from("/var/lib/courier"),
    }
}
