//! Why a ceremony does not go on.

use std::path::PathBuf;

/// Why a ceremony does not go on. What was done before stands.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CeremonyError {
    /// The plan cannot be used; each problem with the path of its key.
    #[error("the plan cannot be used:\n  {}", .0.join("\n  "))]
    Plan(Vec<String>),
    /// A transcript is not what it should be.
    #[error("the transcript, record {record}: {what}")]
    Transcript {
        /// Which record, from 1.
        record: usize,
        /// What is wrong with it.
        what: String,
    },
    /// The folder holds the ceremony of another plan.
    #[error("{}: {what}", path.display())]
    OtherPlan {
        /// The transcript.
        path: PathBuf,
        /// What to do.
        what: String,
    },
    /// An approval cannot be given.
    #[error("{0}")]
    Approval(String),
    /// A step cannot be done as it is planned.
    #[error("step {step}: {what}")]
    Step {
        /// Which, from 1.
        step: usize,
        /// Why.
        what: String,
    },
    /// The authority refused, or could not do it.
    #[error("step {step}")]
    Refused {
        /// Which, from 1.
        step: usize,
        /// What it said.
        source: crate::Error,
    },
    /// A file cannot be read or written.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A key cannot sign.
    #[error("the approver's key")]
    Key(#[from] token::Error),
}
