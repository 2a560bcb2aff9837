//! What all connectors share, so that each of them is only what is odd about its vendor.
//!
//! A target says what has to happen as a [`Plan`]: files, a check of the new configuration, how the server takes it, and where the served
//! certificate can be seen. Doing it, telling it beforehand, undoing it and looking at the result are written once, in [`deploy()`].

pub mod account;
pub mod bundle;
pub mod command;
pub mod deploy;
mod fault;
pub mod folder;
pub mod kind;
pub mod plan;
pub mod probe;
mod watch;

pub use bundle::Bundle;
pub use deploy::{Options, Receipt, deploy};
pub use fault::{Fault, FaultKind};
pub use kind::{Field, HostTarget, Kind, Problem};
pub use plan::{Apply, Plan, PutFile};
pub use watch::Watch;
