//! Approving the step that waits, on this machine or on another one that was given the folder.

use std::path::PathBuf;

use super::approval::{Approval, Ballot};
use super::approver::ApproverKey;
use super::fault::CeremonyError;
use super::folder::Folder;
use super::plan::Plan;
use super::run::Waiting;
use super::statement::Statement;
use super::transcript::Transcript;

/// The step that waits, as it follows from the plan and the transcript; never merely what somebody wrote into the folder.
pub fn waiting(plan: &Plan, folder: &Folder) -> Result<Waiting, CeremonyError> {
    let transcript = Transcript::open(&folder.transcript(), plan)?;
    transcript.check(plan)?;
    let pending = folder.pending()?;
    let number = transcript.done() + 1;
    let wrong = |what: String| CeremonyError::Step { step: number, what };
    let statement = Statement::of(plan, number, transcript.previous(), &pending.known).map_err(wrong)?;
    if statement != pending.statement || statement.hash() != pending.step_hash {
        let what = "what waits in the folder is not the next step of this plan: run the ceremony again";
        return Err(wrong(what.to_owned()));
    }
    let (handed_in, unreadable) = folder.approvals(number)?;
    let mut ballot = Ballot::count(plan, &statement, handed_in);
    ballot.refused.extend(unreadable);
    let missing = ballot.missing(plan).into_iter().map(str::to_owned).collect();
    Ok(Waiting {
        statement,
        ballot,
        missing,
        threshold: plan.threshold,
    })
}

/// Approves it; gives the approval and its file.
pub fn approve(
    plan: &Plan,
    folder: &Folder,
    step: Option<usize>,
    key: &ApproverKey,
) -> Result<(Approval, PathBuf), CeremonyError> {
    let waiting = waiting(plan, folder)?;
    let number = waiting.statement.step;
    if step.is_some_and(|step| step != number) {
        let what =
            format!("it is step {number} that waits: each step is approved when the one before it is done");
        return Err(CeremonyError::Approval(what));
    }
    let approval = Approval::sign(plan, &waiting.statement, key)?;
    let file = folder.keep_approval(&approval)?;
    Ok((approval, file))
}
