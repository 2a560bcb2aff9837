//! What the store of the machine says of a step, against what the transcript says.
//!
//! The transcript travels with its folder and its lines are chained without a key: whoever has it can cut it, and can write a line.
//! Everything that a step does stands in the audit log of the store under the name of the step, which does not travel. So a step is
//! begun when nothing there is of it, and goes on when nothing of it is older than its beginning and it is still what was approved.

use jiff::{SignedDuration, Timestamp};

use super::act::principal_of;
use super::fault::CeremonyError;
use super::known::Known;
use super::plan::Plan;
use super::statement::Statement;
use super::transcript::Event;
use super::verify::REMEDY;
use crate::authority::Authority;
use crate::clock::Clock;
use crate::error::Error;

/// A step of a plan, and the store it is held against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence<'a> {
    pub(super) authority: &'a Authority,
    pub(super) plan: &'a Plan,
    pub(super) number: usize,
}

impl Evidence<'_> {
    /// Nothing was done of a step that is about to begin.
    pub(super) async fn check_is_new(&self) -> Result<(), CeremonyError> {
        let Some(seq) = self.first_entry().await? else {
            return Ok(());
        };
        Err(self.wrong(format!(
            "entry {seq} of the audit log is of this step of this plan: it was begun before, and what was approved is done once. The \
             transcript in this folder does not know of it: put the one back that does, or, if it must be done again, make another \
             plan (its title is enough) and have that approved"
        )))
    }

    /// The beginning that was found can be one that this machine noted.
    pub(super) async fn check_begun(&self, begun: &Event) -> Result<(), CeremonyError> {
        let Event::Begun { time, audit, .. } = begun else {
            return Ok(());
        };
        let by = principal_of(self.plan, self.number);
        let last = self.authority.audit_last(&by).await.map_err(self.refused())?;
        if !(0..=last).contains(audit) {
            return Err(self.not_ours(&format!(
                "it says that it began after entry {audit} of the audit log, which ends with entry {last}"
            )));
        }
        if let Some(seq) = self.first_entry().await?
            && seq <= *audit
        {
            return Err(self.not_ours(&format!(
                "it says that it began after entry {audit} of the audit log, and entry {seq} is of it already"
            )));
        }
        let before = self
            .authority
            .audit_tail(&by, audit.saturating_sub(1).max(0), 1)
            .await
            .map_err(self.refused())?;
        let before = before.first().filter(|entry| entry.seq == *audit);
        self.check_time(*time, before.map(|entry| entry.at))
    }

    /// A time that the approvers did not fix lies between the last entry before the step and now.
    fn check_time(&self, time: Timestamp, before: Option<Timestamp>) -> Result<(), CeremonyError> {
        if self.plan.time.is_some() {
            return Ok(());
        }
        let tolerance =
            SignedDuration::try_from(self.authority.settings().clock_tolerance).unwrap_or_default();
        let now = Clock::system().now();
        if time.duration_since(now) > tolerance {
            return Err(self.not_ours(&format!("its time is {time}, and it is {now}")));
        }
        if let Some(before) = before
            && before.duration_since(time) > tolerance
        {
            return Err(self.not_ours(&format!(
                "its time is {time}, and the entry of the audit log before it is of {before}"
            )));
        }
        Ok(())
    }

    /// What is left of a step that was found is still what was approved: its statement, made again from the plan and from what is
    /// really there.
    pub(super) async fn check_still(
        &self,
        previous: &str,
        statement: &Statement,
        known: &Known,
    ) -> Result<(), CeremonyError> {
        let there = known
            .looked_up_again(self.authority, self.plan, self.number)
            .await?;
        let made = Statement::as_in(statement, self.plan, self.number, previous, &there);
        if there == *known && made.as_ref() == Ok(statement) {
            return Ok(());
        }
        let what = made.err().unwrap_or_else(|| {
            "what was approved is not what plan and store give now: the CA that signs, its addresses or what it revoked is another"
                .to_owned()
        });
        Err(self.not_ours(&what))
    }

    /// The first entry of the audit log that is of the step.
    async fn first_entry(&self) -> Result<Option<i64>, CeremonyError> {
        let actor = principal_of(self.plan, self.number).actor();
        let store = &self.authority.inner().store;
        let found = store
            .read(move |reader| store::audit::first_done_by(reader, &actor))
            .await;
        found.map_err(|fault| self.refused()(fault.into()))
    }

    fn refused(&self) -> impl Fn(Error) -> CeremonyError {
        let step = self.number;
        move |source| CeremonyError::Refused { step, source }
    }

    fn not_ours(&self, what: &str) -> CeremonyError {
        self.wrong(format!("the transcript has it begun, and {what}. {REMEDY}"))
    }

    fn wrong(&self, what: String) -> CeremonyError {
        CeremonyError::Step {
            step: self.number,
            what,
        }
    }
}
