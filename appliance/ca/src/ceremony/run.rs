//! Carrying a plan out: one step after the other, each as soon as enough approve it.
//!
//! Before a step anything may be signed in, it stands in the transcript as begun, with its time and with what was approved; after
//! it, as done, with what it made. A program that is killed between the two finds out at its next start how far the step came.

use std::fs::File;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::act::Task;
use super::approval::Ballot;
use super::evidence::Evidence;
use super::fault::CeremonyError;
use super::folder::{Folder, Pending};
use super::known::Known;
use super::output::Output;
use super::plan::Plan;
use super::settle::Found;
use super::statement::Statement;
use super::transcript::{Event, Transcript};
use crate::authority::Authority;
use crate::certificates::CertRef;
use crate::clock::Clock;
use crate::error::Error;
use crate::principal::Principal;

use super::step::Step;

/// A ceremony at work.
#[derive(Debug)]
pub struct Ceremony {
    plan: Plan,
    beside: PathBuf,
    folder: Folder,
    operator: String,
    transcript: Transcript,
    _alone: File,
}

/// How far it came.
#[derive(Debug)]
pub enum Outcome {
    /// Every step is done.
    Finished,
    /// A step waits for approvals.
    Waiting(Box<Waiting>),
}

/// A step that waits.
#[derive(Debug)]
pub struct Waiting {
    /// What is to be approved.
    pub statement: Statement,
    /// Who has approved, who may still, and what was refused.
    pub ballot: Ballot,
    /// Who has not.
    pub missing: Vec<String>,
    /// How many it takes.
    pub threshold: usize,
}

/// What is told while it is at work.
#[derive(Debug)]
pub enum Progress<'a> {
    /// A step begins.
    Begins(usize, &'a str),
    /// A step was found broken off and settled.
    Settled(usize),
    /// A step is done; its files.
    Done(usize, &'a [Output], &'a [PathBuf]),
}

impl Ceremony {
    /// Takes up the ceremony of a plan where it stands. Input files are looked for in `beside`.
    pub fn open(plan: Plan, beside: &Path, folder: Folder, operator: &str) -> Result<Self, CeremonyError> {
        folder.make()?;
        let transcript = Transcript::open(&folder.transcript(), &plan)?;
        let alone = transcript.lock()?;
        // Read anew under the lock. Nothing is done, and no clock set, by a transcript that does not hold.
        let transcript = Transcript::open(&folder.transcript(), &plan)?;
        transcript.check(&plan)?;
        Ok(Self {
            transcript,
            plan,
            beside: beside.to_owned(),
            folder,
            operator: operator.to_owned(),
            _alone: alone,
        })
    }

    /// The time at which the next step takes place: that of a step broken off, that of the plan, or now.
    pub fn time(&self) -> Timestamp {
        let begun = match self.transcript.begun() {
            Some(Event::Begun { time, .. }) => Some(*time),
            _ => None,
        };
        let time = begun.or(self.plan.time).unwrap_or_else(|| Clock::system().now());
        Timestamp::from_second(time.as_second()).unwrap_or(time)
    }

    /// Goes on until everything is done or a step waits for approvals. The clock of the authority must be a fixed one that stands
    /// at [`Ceremony::time`].
    pub async fn run(
        &mut self,
        authority: &Authority,
        progress: &mut dyn FnMut(&Progress<'_>),
    ) -> Result<Outcome, CeremonyError> {
        if self.transcript.records.is_empty() {
            let program = env!("CARGO_PKG_VERSION").to_owned();
            self.note(Event::Opened {
                plan: self.plan.text.clone(),
                program,
            })?;
        }
        loop {
            let number = self.transcript.done() + 1;
            if number > self.plan.steps.len() {
                if !self.transcript.is_finished() {
                    self.note(Event::Finished {})?;
                }
                return Ok(Outcome::Finished);
            }
            let found = self.transcript.begun().cloned();
            if let Some(begun) = &found {
                self.evidence(authority, number).check_begun(begun).await?;
            }
            self.stand_at(authority, number).await?;
            let begun = match found {
                Some(begun) => begun,
                None => match self.begin(authority, number).await? {
                    Ok(begun) => begun,
                    Err(waiting) => return Ok(Outcome::Waiting(waiting)),
                },
            };
            self.go_on(authority, number, begun, progress).await?;
        }
    }

    fn note(&mut self, event: Event) -> Result<(), CeremonyError> {
        self.transcript
            .append(Clock::system().now(), &self.operator, event)
    }

    fn evidence<'a>(&'a self, authority: &'a Authority, number: usize) -> Evidence<'a> {
        Evidence {
            authority,
            plan: &self.plan,
            number,
        }
    }

    /// Moves the clock to the time of the step.
    async fn stand_at(&self, authority: &Authority, number: usize) -> Result<(), CeremonyError> {
        let (time, clock) = (self.time(), authority.clock());
        clock.advance(time.duration_since(clock.now()));
        if clock.now() != time {
            let what = "the authority's clock is not one that a ceremony can set".to_owned();
            return Err(CeremonyError::Step { step: number, what });
        }
        let is_behind = authority.inner().guard.behind(time) > authority.settings().clock_tolerance;
        let is_fixed = self.plan.time.is_some() || self.transcript.begun().is_some();
        if is_behind && is_fixed {
            // The approvers signed for this time.
            let by = Principal::local(&format!("ceremony {}", self.plan.short_hash()));
            let accepted = authority.accept_clock(&by).await;
            accepted.map_err(|source| CeremonyError::Refused { step: number, source })?;
        }
        Ok(())
    }

    /// Notes the beginning of a step that enough approve.
    async fn begin(
        &mut self,
        authority: &Authority,
        number: usize,
    ) -> Result<Result<Event, Box<Waiting>>, CeremonyError> {
        let wrong = |what: String| CeremonyError::Step { step: number, what };
        self.evidence(authority, number).check_is_new().await?;
        let known = Known::gather(authority, &self.plan, number, &self.beside).await?;
        check_revocations(authority, &self.plan, number, &known).await?;
        let statement =
            Statement::of(&self.plan, number, self.transcript.previous(), &known).map_err(wrong)?;
        let (handed_in, unreadable) = self.folder.approvals(number)?;
        let mut ballot = Ballot::count(&self.plan, &statement, handed_in);
        ballot.refused.extend(unreadable);
        if !ballot.is_enough(&self.plan) {
            let pending = Pending {
                step_hash: statement.hash(),
                statement: statement.clone(),
                known,
            };
            self.folder.keep_pending(&pending)?;
            let missing = ballot
                .missing(&self.plan)
                .into_iter()
                .map(str::to_owned)
                .collect();
            let threshold = self.plan.threshold;
            return Ok(Err(Box::new(Waiting {
                statement,
                ballot,
                missing,
                threshold,
            })));
        }
        let by = Principal::local("ceremony");
        let audit = authority.audit_last(&by).await;
        let begun = Event::Begun {
            step: number,
            // Where the clock was put for this step; asked again, the machine's may have gone on.
            time: authority.clock().now(),
            step_hash: statement.hash(),
            statement: Box::new(statement),
            known: Box::new(known),
            approvals: ballot.valid,
            audit: audit.map_err(|source| CeremonyError::Refused { step: number, source })?,
        };
        self.note(begun.clone())?;
        Ok(Ok(begun))
    }

    /// Does what is left of a step.
    async fn go_on(
        &mut self,
        authority: &Authority,
        number: usize,
        begun: Event,
        progress: &mut dyn FnMut(&Progress<'_>),
    ) -> Result<(), CeremonyError> {
        let Event::Begun {
            statement,
            known,
            audit,
            ..
        } = begun
        else {
            return Ok(());
        };
        let refused = |source: Error| CeremonyError::Refused { step: number, source };
        let absent = || CeremonyError::Step {
            step: number,
            what: "the plan has no such step".to_owned(),
        };
        let plan = self.plan.clone();
        let step = plan.step(number).ok_or_else(absent)?;
        let task = Task {
            plan: &plan,
            step,
            statement: &statement,
            known: &known,
        };
        progress(&Progress::Begins(number, &step.title()));
        let last = authority.audit_last(&task.principal()).await.map_err(refused)?;
        let mut outputs = None;
        // Nothing was done yet in a step that was begun just now.
        if last > audit {
            let found = task.settle(authority, audit).await.map_err(refused)?;
            outputs = self.note_found(number, found)?;
            progress(&Progress::Settled(number));
        }
        let outputs = if let Some(outputs) = outputs {
            outputs
        } else {
            let evidence = self.evidence(authority, number);
            let previous = self.transcript.previous();
            evidence.check_still(previous, &statement, &known).await?;
            task.carry_out(authority).await.map_err(refused)?
        };
        let above = above(authority, &known);
        let files = self.folder.keep_outputs(&outputs, &above)?;
        progress(&Progress::Done(number, &outputs, &files));
        self.note(Event::Done {
            step: number,
            outputs,
        })?;
        self.folder.clear_pending()
    }

    /// Notes what was found of a step, as far as that was not noted before; gives what it made.
    fn note_found(&mut self, number: usize, mut found: Found) -> Result<Option<Vec<Output>>, CeremonyError> {
        for record in &self.transcript.records {
            if let Event::Settled {
                step,
                orphans,
                abandoned,
                unused_keys,
            } = &record.event
                && *step == number
            {
                found.orphans.retain(|serial| !orphans.contains(serial));
                found.abandoned.retain(|output| !abandoned.contains(output));
                found.unused_keys.retain(|label| !unused_keys.contains(label));
            }
        }
        if found.is_worth_a_record() {
            self.note(Event::Settled {
                step: number,
                orphans: found.orphans,
                abandoned: found.abandoned,
                unused_keys: found.unused_keys,
            })?;
        }
        Ok(found.outputs)
    }
}

/// The certificates above one that a known issuer signed, in PEM.
fn above(authority: &Authority, known: &Known) -> Vec<String> {
    let issuer = known
        .issuer
        .as_ref()
        .and_then(|issuer| authority.issuer(&issuer.id.to_string()).ok());
    let chain = issuer.map(|issuer| issuer.whole_chain()).unwrap_or_default();
    chain
        .iter()
        .map(|der| pki::pem::encode("CERTIFICATE", der))
        .collect()
}

/// Every serial that a plan revokes is one of this issuer, and not revoked already.
pub(super) async fn check_revocations(
    authority: &Authority,
    plan: &Plan,
    number: usize,
    known: &Known,
) -> Result<(), CeremonyError> {
    let (Some(Step::Crl(step)), Some(issuer)) = (plan.step(number), &known.issuer) else {
        return Ok(());
    };
    let by = Principal::local("ceremony");
    for one in &step.revoke {
        let entry = authority.certificate(&by, CertRef::Serial(one.serial)).await;
        let wrong = match entry {
            Ok(entry) if entry.issuer_id == issuer.id => known
                .listed
                .iter()
                .any(|listed| listed.serial == one.serial)
                .then_some("is revoked already: take it out of the plan"),
            _ => Some("is of no certificate that this CA issued"),
        };
        if let Some(wrong) = wrong {
            let what = format!("the serial {} {wrong}", one.serial);
            return Err(CeremonyError::Step { step: number, what });
        }
    }
    Ok(())
}
