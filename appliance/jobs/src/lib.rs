//! Background duties of the authority: a table of jobs and the runner that supervises them.
//!
//! A job is idempotent and takes no input but the authority's own state; it runs when the program starts, on a timer, and
//! on a nudge where it has one. What it does is a use case of `ca`; here is only when.

mod audit_checkpoint;
mod audit_export;
mod audit_trim;
mod audit_witness;
mod changes_trim;
mod clock_mark;
mod courier_settle;
mod courier_watch;
mod crl_schedule;
mod issuer_documents;
mod job;
mod ocsp_presign;
mod ocsp_refresh;
mod orphan_sweep;
mod presence;
mod responder_renewal;
mod retention;
mod runner;
mod store_size;
mod tls_renewal;
mod token_health;
mod web_client;

pub use audit_export::{AuditExport, Destination};
pub use audit_witness::AuditWitness;
pub use issuer_documents::{issuer_documents, signed_requests};
pub use job::{Context, Hook, Hooks, Job, Run};
pub use runner::{run, run_table};

/// Every job, in the order they are started.
pub static JOBS: &[Job] = &[
    clock_mark::JOB,
    presence::JOB,
    token_health::JOB,
    orphan_sweep::JOB,
    courier_settle::JOB,
    courier_watch::JOB,
    responder_renewal::JOB,
    crl_schedule::JOB,
    ocsp_refresh::JOB,
    ocsp_presign::JOB,
    tls_renewal::JOB,
    changes_trim::JOB,
    retention::JOB,
    store_size::JOB,
    audit_checkpoint::JOB,
    audit_trim::JOB,
];
