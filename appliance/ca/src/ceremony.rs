//! Key ceremonies as code: a plan that approvers sign step by step, and a transcript that anybody can check.
//!
//! A step is done through the same use cases as everything else ([`crate::Authority`]): there is no second way to sign. What is
//! here decides whether a step may be done, notes what it did, and finds out after an interruption what was done already.
//!
//! Reading order: [`Plan`] is what is to be done, [`Statement`] is one step of it in the words that approvers sign,
//! [`Approval`] is such a signature, [`Transcript`] is what happened, [`Ceremony`] does it, [`verify`] checks it from files.

mod act;
mod approval;
mod approver;
mod evidence;
mod fault;
mod folder;
mod known;
mod output;
mod plan;
mod rehearsal;
mod remake;
mod run;
mod section;
mod settle;
mod statement;
mod step;
mod template;
mod transcript;
mod verify;
mod vote;

pub use approval::{Approval, Ballot};
pub use approver::{ApproverKey, public_key_toml};
pub use fault::CeremonyError;
pub use folder::Folder;
pub use known::{Known, KnownIssuer};
pub use output::{Output, Role};
pub use plan::{Approver, Plan};
pub use rehearsal::{StandIn, rehearse};
pub use run::{Ceremony, Outcome, Progress, Waiting};
pub use statement::Statement;
pub use step::{
    Addresses, CrlStep, CrossSignStep, IntermediateStep, NewKey, Revocation, RollOverStep, RootStep, Step,
};
pub use template::{TEMPLATES, template};
pub use transcript::{Event, Record, Transcript};
pub use verify::{StepVerdict, Verdict, verify};
pub use vote::{approve, waiting};

use pki::DigestAlgorithm;

use crate::audit::hexadecimal;

/// SHA-256 in hexadecimal: how plans, statements, records and files are named here.
pub(crate) fn sha256(octets: &[u8]) -> String {
    hexadecimal(&DigestAlgorithm::Sha256.digest(octets))
}
