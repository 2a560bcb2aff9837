//! What a job is.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ca::Authority;
use tokio::sync::Notify;

use crate::audit_export::AuditExport;
use crate::audit_witness::AuditWitness;

/// A duty under way. The text of an error is logged by the runner.
pub type Run = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// A duty of an edge.
pub type Hook = Arc<dyn Fn() -> Run + Send + Sync>;

/// Duties that belong to an edge.
#[derive(Clone, Default)]
pub struct Hooks {
    /// Looks whether the appliance's own TLS certificate is due, and renews it.
    pub tls_renewal: Option<Hook>,
    /// Where entries of the audit log are sent.
    pub audit_exports: Vec<Arc<AuditExport>>,
    /// Who cosigns the audit log.
    pub audit_witnesses: Vec<Arc<AuditWitness>>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("tls_renewal", &self.tls_renewal.is_some())
            .field("audit_exports", &self.audit_exports)
            .field("audit_witnesses", &self.audit_witnesses)
            .finish()
    }
}

/// What jobs work with.
#[derive(Clone, Debug)]
pub struct Context {
    /// The authority.
    pub authority: Authority,
    /// Duties of the edges.
    pub hooks: Hooks,
}

/// One row of the table.
#[derive(Clone, Copy)]
pub struct Job {
    /// Its name, in the log.
    pub name: &'static str,
    /// The longest time between two runs.
    pub every: Duration,
    /// What makes it run before its time.
    pub nudge: Option<fn(&Context) -> Arc<Notify>>,
    /// How long it waits after a nudge for more of them, so that many changes cost one run.
    pub settle: Duration,
    /// Does it.
    pub run: fn(Context) -> Run,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("name", &self.name)
            .field("every", &self.every)
            .finish_non_exhaustive()
    }
}
