//! Background duties of the authority: a table of jobs and the runner that supervises them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use ca::Authority;
use tokio_util::sync::CancellationToken;

/// What a duty of an edge does when its time comes; the text of an error is logged.
pub type Hook = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// Duties that belong to an edge.
#[derive(Clone, Default)]
pub struct Hooks {
    /// Looks whether the appliance's own TLS certificate is due, and renews it.
    pub tls_renewal: Option<Hook>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("tls_renewal", &self.tls_renewal.is_some())
            .finish()
    }
}

/// Runs all jobs until `cancel` is cancelled; returns when the runs under way have ended.
pub async fn run(authority: Authority, hooks: Hooks, cancel: CancellationToken) {
    todo!()
}
