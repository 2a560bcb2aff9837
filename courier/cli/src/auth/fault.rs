//! Why no credential was made.

use std::path::PathBuf;

/// Why no credential was made.
///
/// No variant holds a token, a secret or an answer's body: what is told may be logged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The settings contradict each other or lack something.
    #[error("auth: {0}")]
    Setting(String),
    /// A file cannot be read.
    #[error("{what} {} cannot be read", path.display())]
    File {
        /// What the file is for.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// A file or an answer holds more than is read.
    #[error("{what} is longer than {limit} octets")]
    TooLong {
        /// What it is.
        what: String,
        /// The bound.
        limit: usize,
    },
    /// What was found is not of the expected form.
    #[error("{0}")]
    Malformed(String),
    /// The token is meant for somebody who could act with it.
    #[error(
        "the token of {origin} is meant for {audience}: whoever receives it can act at that cloud as this workload; project a token with the appliance's own audience, or accept this one with `allow_foreign_audience: true`"
    )]
    ForeignAudience {
        /// Where the token came from.
        origin: String,
        /// Whom it is meant for.
        audience: String,
    },
    /// The token is past its time.
    #[error("the token of {origin} expired at {expired_at}")]
    Expired {
        /// Where the token came from.
        origin: String,
        /// When it expired.
        expired_at: String,
    },
    /// The endpoint cannot be reached, or broke off.
    #[error("{endpoint} cannot be reached")]
    Unreachable {
        /// Which one, without its query.
        endpoint: String,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The endpoint said no.
    #[error("{endpoint} answered {status}")]
    Answered {
        /// Which one, without its query.
        endpoint: String,
        /// The status of HTTP.
        status: u16,
    },
    /// The endpoint is one that no token may be asked of.
    #[error("{endpoint} is not asked for a token: {reason}")]
    Endpoint {
        /// Which one.
        endpoint: String,
        /// Why not.
        reason: &'static str,
    },
    /// A program that prints a token failed.
    #[error("{program} gave no token: {reason}")]
    Program {
        /// Its path.
        program: String,
        /// What happened.
        reason: String,
    },
    /// The appliance gave no challenge or did not say who it is.
    #[error("the appliance was asked before a credential could be made")]
    Appliance(#[source] Box<crate::client::Fault>),
    /// The key does not sign.
    #[error("the key {} does not sign", path.display())]
    Key {
        /// Where it is.
        path: PathBuf,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Fault {
    /// What the program ends with: 2 for settings, what the appliance's answer means, else 3.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Setting(_) | Self::Endpoint { .. } => 2,
            Self::Appliance(fault) => fault.exit_code(),
            _ => 3,
        }
    }
}
