//! Why a connector did not do what it was asked for.

/// What kind of failure it was: what is done about it depends on that alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// The settings cannot be used.
    Settings,
    /// A file cannot be used.
    File,
    /// The server does not want the new configuration.
    Check,
    /// The server did not take it.
    Apply,
    /// The server serves something else.
    Probe,
}

/// Why a connector did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub struct Fault {
    /// The kind.
    pub kind: FaultKind,
    /// Whether the same may go better later.
    pub is_passing: bool,
    /// For people. Holds no secret.
    pub detail: String,
    /// What was behind it.
    #[source]
    pub cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    /// Whether what was done before it was undone.
    pub is_undone: bool,
}

impl Fault {
    /// The same, with what else whoever reads it should know.
    #[must_use]
    pub fn noting(mut self, what: &str) -> Self {
        self.detail.push_str("; ");
        self.detail.push_str(what);
        self
    }

    /// A failure with nothing behind it.
    pub fn new(kind: FaultKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            is_passing: !matches!(kind, FaultKind::Settings | FaultKind::Check),
            detail: detail.into(),
            cause: None,
            is_undone: false,
        }
    }

    /// With what was behind it.
    #[must_use]
    pub fn because(mut self, cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.cause = Some(Box::new(cause));
        self
    }
}
