//! Checking a transcript, from nothing but itself.
//!
//! It carries the plan, what was known before each step, the approvals and what was signed; everything that follows from these
//! is worked out again. What only the world knows stays with the reader: whether the plan is the one that was agreed on, whether
//! the keys are the approvers', and what the time was.

use std::collections::HashMap;

use jiff::Timestamp;
use pki::Serial;
use uuid::Uuid;

use super::approval::Ballot;
use super::fault::CeremonyError;
use super::output::{Output, Role};
use super::plan::Plan;
use super::remake::{Done, certificate_of};
use super::sha256;
use super::statement::Statement;
use super::transcript::{Event, Record, parse};

/// What to do when a ceremony does not go on with its transcript.
pub(super) const REMEDY: &str = "Nothing was signed: put the transcript back as the program left it, or carry out what is left by \
    another plan";

/// What a sound transcript says.
#[derive(Debug)]
pub struct Verdict {
    /// The plan.
    pub plan: Plan,
    /// How many records there are.
    pub records: usize,
    /// The hash of the last one.
    pub head: String,
    /// How many steps are done.
    pub done: usize,
    /// Whether that is all of them, and the end is noted.
    pub is_finished: bool,
    /// Step by step: who approved, when, and what was made.
    pub steps: Vec<StepVerdict>,
    /// Serials that were revoked because something may have been signed under them.
    pub orphans: Vec<Serial>,
    /// Certificates that were signed for a CA that did not come about; revoked.
    pub abandoned: Vec<Serial>,
}

/// A step that is done.
#[derive(Debug)]
pub struct StepVerdict {
    /// Which.
    pub step: usize,
    /// In few words.
    pub title: String,
    /// The time in what was signed.
    pub time: Timestamp,
    /// Who approved.
    pub approvers: Vec<String>,
    /// What was made.
    pub outputs: Vec<Output>,
}

/// What is carried from record to record.
struct Walk {
    plan: Plan,
    /// What the next statement stands on.
    previous: String,
    open: Option<Event>,
    /// Digests of the certificates of the CAs that came about.
    made: HashMap<Uuid, String>,
    /// The last number of each CA's CRLs.
    numbers: HashMap<Uuid, u64>,
    verdict: Verdict,
}

/// Checks a transcript; says what is wrong with the first record that is not right.
pub fn verify(text: &[u8]) -> Result<Verdict, CeremonyError> {
    let (records, hashes) = parse(text, None)?;
    let fault = |record: usize, what: &str| CeremonyError::Transcript {
        record,
        what: what.to_owned(),
    };
    let first = records
        .first()
        .ok_or_else(|| fault(1, "is missing: the transcript is empty"))?;
    let Event::Opened { plan, .. } = &first.event else {
        return Err(fault(1, "does not open a ceremony"));
    };
    Ok(walk(Plan::parse(plan)?, &records, &hashes)?.verdict)
}

/// The same of records of this plan whose chain holds: a ceremony does not go on with less, nor is a step of it approved. A step
/// that is begun and not done is looked at like the others.
pub(super) fn check(plan: &Plan, records: &[Record], hashes: &[String]) -> Result<(), CeremonyError> {
    let (Some(first), Some(_)) = (records.first(), hashes.first()) else {
        return Ok(());
    };
    let told = |fault: CeremonyError| match fault {
        CeremonyError::Transcript { record, what } => CeremonyError::Transcript {
            record,
            what: format!("{what}. {REMEDY}"),
        },
        other => other,
    };
    if !matches!(first.event, Event::Opened { .. }) {
        return Err(told(CeremonyError::Transcript {
            record: 1,
            what: "does not open a ceremony".to_owned(),
        }));
    }
    walk(plan.clone(), records, hashes).map(drop).map_err(told)
}

/// Goes over all records.
fn walk(plan: Plan, records: &[Record], hashes: &[String]) -> Result<Walk, CeremonyError> {
    let head = hashes.last().cloned().unwrap_or_default();
    let mut walk = Walk {
        previous: hashes.first().cloned().unwrap_or_default(),
        open: None,
        made: HashMap::new(),
        numbers: HashMap::new(),
        verdict: Verdict {
            plan: plan.clone(),
            records: records.len(),
            head,
            done: 0,
            is_finished: false,
            steps: Vec::new(),
            orphans: Vec::new(),
            abandoned: Vec::new(),
        },
        plan,
    };
    for (record, hash) in records.iter().zip(hashes).skip(1) {
        let step = walk.step(record, hash);
        step.map_err(|what| CeremonyError::Transcript {
            record: record.record,
            what,
        })?;
    }
    Ok(walk)
}

impl Walk {
    fn step(&mut self, record: &Record, hash: &str) -> Result<(), String> {
        if self.verdict.is_finished {
            return Err("stands behind the end".to_owned());
        }
        match &record.event {
            Event::Opened { .. } => Err("opens the ceremony again".to_owned()),
            Event::Begun { .. } => self.begun(&record.event),
            Event::Settled {
                step,
                orphans,
                abandoned,
                ..
            } => {
                if *step != self.verdict.done + 1 || self.open.is_none() {
                    return Err("settles a step that is not open".to_owned());
                }
                self.verdict.orphans.extend(orphans);
                for output in abandoned {
                    self.verdict.abandoned.push(certificate_of(output)?.serial());
                }
                Ok(())
            }
            Event::Done { step, outputs } => {
                self.done(*step, outputs)?;
                hash.clone_into(&mut self.previous);
                Ok(())
            }
            Event::Finished {} if self.verdict.done == self.plan.steps.len() => {
                self.verdict.is_finished = true;
                Ok(())
            }
            Event::Finished {} => Err("ends the ceremony before its last step".to_owned()),
        }
    }

    fn begun(&mut self, event: &Event) -> Result<(), String> {
        let Event::Begun {
            step,
            time,
            statement,
            step_hash,
            known,
            approvals,
            ..
        } = event
        else {
            return Ok(());
        };
        if self.open.is_some() || *step != self.verdict.done + 1 {
            return Err("begins a step out of turn".to_owned());
        }
        let made = Statement::as_in(statement, &self.plan, *step, &self.previous, known)?;
        if made != **statement || made.hash() != *step_hash {
            return Err("what was approved is not what plan and state give".to_owned());
        }
        if self
            .plan
            .time
            .is_some_and(|fixed| fixed.as_second() != time.as_second())
        {
            return Err("its time is not that of the plan".to_owned());
        }
        if let Some(issuer) = &known.issuer
            && let Some(digest) = self.made.get(&issuer.id)
            && sha256(issuer.certificate()?.der()) != *digest
        {
            return Err(format!(
                "the CA {} is not the one that came about before",
                issuer.name
            ));
        }
        let ballot = Ballot::count(&self.plan, statement, approvals.clone());
        if let Some(refused) = ballot.refused.first() {
            return Err(format!("an approval does not hold: {refused}"));
        }
        if !ballot.is_enough(&self.plan) {
            return Err(format!(
                "{} approved, and it takes {}",
                ballot.valid.len(),
                self.plan.threshold
            ));
        }
        self.open = Some(event.clone());
        Ok(())
    }

    fn done(&mut self, number: usize, outputs: &[Output]) -> Result<(), String> {
        let Some(Event::Begun {
            step,
            time,
            statement,
            known,
            approvals,
            ..
        }) = self.open.take()
        else {
            return Err("ends a step that was not begun".to_owned());
        };
        if step != number {
            return Err("ends another step than was begun".to_owned());
        }
        if let (Some(issuer), Some(number)) = (&known.issuer, outputs.iter().find_map(|output| output.number))
        {
            let last = self.numbers.insert(issuer.id, number);
            if last.is_some_and(|last| number <= last) {
                return Err(format!("the number {number} of the CRL does not rise"));
            }
        }
        Done {
            statement: &statement,
            known: &known,
            time,
        }
        .check(outputs)?;
        for output in outputs.iter().filter(|output| output.role == Role::Certificate) {
            if let Some(ca) = &output.ca {
                self.made.insert(ca.id, output.sha256.clone());
            }
        }
        self.verdict.done = number;
        self.verdict.steps.push(StepVerdict {
            step: number,
            title: self
                .plan
                .step(number)
                .map(super::step::Step::title)
                .unwrap_or_default(),
            time,
            approvers: approvals.into_iter().map(|approval| approval.approver).collect(),
            outputs: outputs.to_vec(),
        });
        Ok(())
    }
}
