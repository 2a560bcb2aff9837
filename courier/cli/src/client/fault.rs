//! Why a call did not do what it was for.

use super::answer::Refusal;
use crate::auth;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a call did not do what it was for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The settings cannot be used.
    #[error("api: {0}")]
    Setting(String),
    /// The appliance said no.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// There is no connection.
    #[error("{endpoint} cannot be reached")]
    Unreachable {
        /// Who.
        endpoint: String,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// There is a connection, and whoever is there is not trusted or does not trust.
    #[error("TLS with {endpoint} failed")]
    Tls {
        /// Who.
        endpoint: String,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// The time was over.
    #[error("{endpoint} did not answer in time")]
    Late {
        /// Who.
        endpoint: String,
    },
    /// The connection broke.
    #[error("the connection to {endpoint} broke")]
    Broken {
        /// Who.
        endpoint: String,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// The answer is longer than what is read.
    #[error("{endpoint} answered more than {limit} octets")]
    TooLong {
        /// Who.
        endpoint: String,
        /// The bound.
        limit: usize,
    },
    /// The answer is not what the protocol says.
    #[error("{endpoint} answered something else than this protocol says: {reason}")]
    Malformed {
        /// Who.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The answer points elsewhere.
    #[error("{endpoint} answered {status}, and redirects are not followed: correct base_url")]
    Redirected {
        /// Who.
        endpoint: String,
        /// The status of HTTP.
        status: u16,
    },
    /// No credential was made.
    #[error(transparent)]
    Credential(Box<auth::Fault>),
    /// The proof key failed.
    #[error(transparent)]
    Proof(#[from] auth::proof::ProofFault),
}

impl Fault {
    /// What the program ends with.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Setting(_) => 2,
            Self::Refused(refusal) => refusal.exit_code(),
            Self::Credential(fault) => fault.exit_code(),
            Self::Proof(_) => 1,
            Self::Unreachable { .. }
            | Self::Tls { .. }
            | Self::Late { .. }
            | Self::Broken { .. }
            | Self::TooLong { .. }
            | Self::Malformed { .. }
            | Self::Redirected { .. } => 4,
        }
    }

    /// Whether the same call may do better a little later.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Late { .. } | Self::Broken { .. } => true,
            Self::Refused(refusal) => refusal.is_passing(),
            _ => false,
        }
    }

    /// What a failed exchange means.
    pub(super) fn of_exchange(cause: reqwest::Error, endpoint: &str) -> Self {
        let endpoint = endpoint.to_owned();
        let cause = cause.without_url();
        if has_tls_in(&cause) {
            let cause = Box::new(cause);
            return Self::Tls { endpoint, cause };
        }
        if cause.is_connect() {
            let cause = Box::new(cause);
            return Self::Unreachable { endpoint, cause };
        }
        if cause.is_timeout() {
            return Self::Late { endpoint };
        }
        let cause = Box::new(cause);
        Self::Broken { endpoint, cause }
    }
}

impl From<auth::Fault> for Fault {
    fn from(fault: auth::Fault) -> Self {
        match fault {
            auth::Fault::Appliance(fault) => *fault,
            fault => Self::Credential(Box::new(fault)),
        }
    }
}

/// Whether somewhere behind an error is one of TLS.
fn has_tls_in(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<rustls::Error>() {
            return true;
        }
        // An error of input and output keeps what it was made of out of the chain of causes.
        let inner = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}
