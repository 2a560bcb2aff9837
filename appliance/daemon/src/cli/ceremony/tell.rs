//! What a ceremony tells: tables for people, JSON for machines.

use std::path::PathBuf;

use ca::ceremony::{Output as Made, Plan, Statement, Verdict, Waiting};
use serde_json::{Value, json};

use crate::cli::say::say;
use crate::cli::{Output, table};

/// A plan that can be used.
pub(super) fn plan(output: Output, plan: &Plan) {
    let steps: Vec<Value> = plan
        .steps
        .iter()
        .enumerate()
        .map(
            |(place, step)| json!({ "step": place + 1, "operation": step.operation(), "what": step.title() }),
        )
        .collect();
    let approvers: Vec<Value> = plan
        .approvers
        .iter()
        .map(|approver| {
            json!({ "name": approver.name, "key": approver.public_key.fingerprint().to_string(),
                "algorithm": approver.public_key.algorithm().to_string() })
        })
        .collect();
    if output == Output::Json {
        table::json(&json!({
            "title": plan.title, "plan": plan.hash, "base_url": plan.base_url, "time": plan.time,
            "threshold": plan.threshold, "approvers": approvers, "steps": steps,
        }));
        return;
    }
    say!("{}", plan.title);
    say!("SHA-256 of the plan: {}", plan.hash);
    say!(
        "each step takes {} of {} approvers",
        plan.threshold,
        plan.approvers.len()
    );
    table::list(
        output,
        &approvers.into(),
        &[
            ("APPROVER", "/name"),
            ("KEY", "/algorithm"),
            ("FINGERPRINT", "/key"),
        ],
    );
    table::list(
        output,
        &steps.into(),
        &[("STEP", "/step"), ("OPERATION", "/operation"), ("WHAT", "/what")],
    );
}

/// What an approver signs.
pub(super) fn statement(statement: &Statement) {
    say!("step {} of {}, as it is approved:", statement.step, statement.of);
    say!("{}", serde_json::to_string_pretty(statement).unwrap_or_default());
    say!("step hash: {}", statement.hash());
}

/// A step that waits.
pub(super) fn waiting(output: Output, plan: &Plan, waiting: &Waiting) {
    let approved: Vec<&str> = waiting
        .ballot
        .valid
        .iter()
        .map(|approval| approval.approver.as_str())
        .collect();
    if output == Output::Json {
        table::json(&json!({
            "state": "waiting", "step": waiting.statement.step, "statement": waiting.statement,
            "step_hash": waiting.statement.hash(), "threshold": waiting.threshold, "approved": approved,
            "missing": waiting.missing, "refused": waiting.ballot.refused,
        }));
        return;
    }
    statement(&waiting.statement);
    let number = waiting.statement.step;
    let what = plan
        .step(number)
        .map(ca::ceremony::Step::title)
        .unwrap_or_default();
    say!("step {number} waits: {what}");
    for refused in &waiting.ballot.refused {
        say!("  refused: {refused}");
    }
    let list = |names: &[&str]| {
        if names.is_empty() {
            "nobody".to_owned()
        } else {
            names.join(", ")
        }
    };
    let missing: Vec<&str> = waiting.missing.iter().map(String::as_str).collect();
    let needed = waiting.threshold.saturating_sub(approved.len());
    say!(
        "  approved by {}; {needed} more of {}",
        list(&approved),
        list(&missing)
    );
    say!("  next: chancery ceremony approve PLAN --step {number} --key FILE, then the same `run` again");
}

/// A step that is done.
pub(super) fn done(output: Output, step: usize, outputs: &[Made], files: &[PathBuf], is_rehearsal: bool) {
    if output == Output::Json {
        say!(
            "{}",
            json!({ "state": "done", "rehearsal": is_rehearsal, "step": step, "outputs": outputs, "files": files })
        );
        return;
    }
    let mark = if is_rehearsal {
        "REHEARSAL, nothing is kept: "
    } else {
        ""
    };
    for one in outputs {
        let what = match (one.serial, one.number) {
            (Some(serial), _) => format!("certificate, serial {serial}"),
            (None, number) => format!("CRL number {}", number.unwrap_or_default()),
        };
        say!("  {mark}{what}, SHA-256 {}", one.sha256);
        if let Some(ca) = one.ca.as_ref().filter(|_| !is_rehearsal) {
            say!(
                "    the CA {} has the identifier {}; its CRL goes to {}",
                ca.name,
                ca.id,
                ca.crl_url
            );
        }
    }
    for file in files {
        say!("    {}", file.display());
    }
}

/// A transcript that holds.
pub(super) fn verdict(output: Output, verdict: &Verdict) {
    let steps: Vec<Value> = verdict
        .steps
        .iter()
        .map(|step| {
            let digests: Vec<&str> = step.outputs.iter().map(|one| one.sha256.as_str()).collect();
            json!({ "step": step.step, "what": step.title, "time": step.time.to_string(),
                "approved_by": step.approvers, "outputs": step.outputs, "digests": digests })
        })
        .collect();
    let told = json!({
        "sound": true, "title": verdict.plan.title, "plan": verdict.plan.hash, "records": verdict.records,
        "head": verdict.head, "done": verdict.done, "of": verdict.plan.steps.len(),
        "finished": verdict.is_finished, "steps": steps, "orphans": verdict.orphans,
        "abandoned": verdict.abandoned,
    });
    if output == Output::Json {
        table::json(&told);
        return;
    }
    let rows = [
        ("Ceremony", "/title"),
        ("Plan", "/plan"),
        ("Records", "/records"),
        ("Last record", "/head"),
        ("Steps done", "/done"),
        ("Of", "/of"),
        ("Finished", "/finished"),
        ("Orphans", "/orphans"),
        ("Abandoned", "/abandoned"),
    ];
    say!("the transcript holds");
    table::one(output, &told, &rows);
    let columns = [
        ("STEP", "/step"),
        ("WHAT", "/what"),
        ("TIME", "/time"),
        ("APPROVED BY", "/approved_by"),
        ("SHA-256", "/digests"),
    ];
    table::list(output, told.pointer("/steps").unwrap_or(&Value::Null), &columns);
}
