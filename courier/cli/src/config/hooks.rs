//! Commands: of `auth.on_failure`, of the section `hooks`, and of the two keys that stand for it in `certificate`.

use std::time::Duration;

use super::Hooks;
use super::section::Section;
use super::value::Value;
use crate::hook::{HookCommand, HookSettings};

/// A command: a text for the shell, or a list without one.
pub(super) fn command(section: &Section<'_>, key: &str) -> Option<HookSettings> {
    if let Some(Value::List(_)) = section.raw(key) {
        let list = section.texts(key);
        if list.first().is_none_or(String::is_empty) {
            section.problem(key, "has no program");
        }
        return Some(HookSettings::new(HookCommand::Direct(list)));
    }
    let text = section.text(key)?;
    if text.trim().is_empty() {
        section.problem(key, "is empty");
    }
    Some(HookSettings::new(HookCommand::Shell(text)))
}

pub(super) fn read(certificate: &Section<'_>) -> Hooks {
    let section = certificate.below("hooks", "certificate.hooks");
    let timeout = section.duration("timeout");
    if timeout.is_some_and(|timeout| timeout.is_zero()) {
        section.problem("timeout", "is no time at all");
    }
    let hooks = Hooks {
        pre: limited(command(&section, "pre"), timeout),
        on_success: limited(either(certificate, &section, "on_success"), timeout),
        on_failure: limited(either(certificate, &section, "on_failure"), timeout),
        on_nochange: limited(command(&section, "on_nochange"), timeout),
        strict: section.flag("strict", false),
        rollback: section.flag("rollback", false),
    };
    if hooks.rollback && !hooks.strict {
        section.problem(
            "rollback",
            "is for `strict: true`: without it a hook that fails changes nothing",
        );
    }
    hooks
}

fn limited(hook: Option<HookSettings>, timeout: Option<Duration>) -> Option<HookSettings> {
    let mut hook = hook?;
    hook.timeout = timeout.unwrap_or(hook.timeout);
    Some(hook)
}

/// The command of the section, or the one beside it.
fn either(certificate: &Section<'_>, hooks: &Section<'_>, key: &str) -> Option<HookSettings> {
    if hooks.has(key) && certificate.has(key) {
        certificate.problem(key, format!("stands in `hooks.{key}`, too: one of the two"));
    }
    command(hooks, key).or_else(|| command(certificate, key))
}
