//! What hooks are told, and how they are run.

use std::collections::BTreeMap;

use super::{Run, disk};
use crate::failure::Failure;
use crate::hook::{self, HookOutcome, HookSettings};
use crate::report::{hexadecimal, one_line};

impl Run<'_> {
    /// The variables of a hook.
    pub(super) fn facts(&self) -> BTreeMap<String, String> {
        let settings = self.task.settings;
        let mut facts = self.task.site.facts().clone();
        let mut tell = |name: &str, value: String| {
            facts.insert(name.to_owned(), value);
        };
        tell("COURIER_NAME", settings.name.clone());
        for (name, path) in disk::paths(settings) {
            if let Some(path) = path {
                tell(name, path.display().to_string());
            }
        }
        if let Some(leaf) = self.found.leaf() {
            let names = leaf.subject_alt_names().unwrap_or_default();
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            tell(
                "COURIER_COMMON_NAME",
                leaf.subject().common_name().unwrap_or_default(),
            );
            tell("COURIER_SANS", names.join(","));
            tell("COURIER_SERIAL", leaf.serial().to_string());
            tell(
                "COURIER_FINGERPRINT_SHA256",
                hexadecimal(&leaf.fingerprint_sha256()),
            );
            tell("COURIER_NOT_BEFORE", leaf.not_before().to_string());
            tell("COURIER_NOT_AFTER", leaf.not_after().to_string());
        }
        if let Some(pending) = &self.state.pending {
            if let Some(order) = pending.order {
                tell("COURIER_ORDER_UUID", order.to_string());
            }
            if let Some(previous) = &pending.previous {
                tell("COURIER_PREVIOUS_FINGERPRINT_SHA256", previous.clone());
            }
        }
        facts
    }

    /// Runs a hook. Its failure is an error only under `hooks.strict`.
    pub(super) async fn hook(
        &mut self,
        hook: &HookSettings,
        event: &str,
        facts: &BTreeMap<String, String>,
    ) -> Result<Option<HookOutcome>, Failure> {
        self.watch.step("run a hook");
        let outcome = match hook::run(hook, event, facts).await {
            Ok(outcome) if outcome.is_success() => return Ok(Some(outcome)),
            Ok(outcome) => outcome,
            Err(fault) if self.task.settings.hooks.strict => return Err(fault.into()),
            Err(fault) => {
                self.warn(&format!("the hook {event} was not run: {fault}"));
                return Ok(None);
            }
        };
        let how = match (outcome.timed_out, outcome.exit_code) {
            (true, _) => "it was killed when its time was over".to_owned(),
            (false, Some(code)) => format!("it ended with {code}"),
            (false, None) => "a signal ended it".to_owned(),
        };
        tracing::warn!(event, how, output = outcome.output_tail, "a hook failed");
        if self.task.settings.hooks.strict {
            let event = event.to_owned();
            return Err(Failure::Hook { event, how });
        }
        self.report
            .warnings
            .push(format!("the hook {event} failed: {how}"));
        Ok(Some(outcome))
    }

    /// Tells the operator, in the log and in the report.
    pub(super) fn warn(&mut self, text: &str) {
        let text = one_line(text);
        tracing::warn!("{text}");
        self.report.warnings.push(text);
    }
}
