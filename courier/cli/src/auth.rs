//! How the courier proves who it is: one file per method, what they share, and the seam through which the run calls them.

pub mod aws_oidc;
pub mod azure_arc;
pub mod azure_jwt;
pub mod certificate;
pub mod client_secret;
pub mod environment;
mod fault;
mod fetch;
pub mod oidc_jwt;
pub mod peek;
mod places;
pub mod presented;
pub mod proof;
mod signer;
pub mod source;
pub mod spiffe;
mod token_file;

#[cfg(test)]
pub(crate) mod bed;

pub use environment::Environment;
pub use fault::Fault;
pub use places::Places;
pub use presented::Presented;
pub use source::{Appliance, Context, Method, Pending};
