//! The client towards the appliance.
//!
//! One connection policy for every call: TLS is always verified, redirects are not followed, answers are bounded, another address is
//! tried only when there is no connection to the one before, and a call is repeated only when repeating it does no harm.

mod answer;
pub mod call;
mod credential;
pub mod endpoints;
mod exchange;
mod fault;
mod name;
pub mod retry;
mod session;
mod settings;
pub mod skew;
pub mod trust;

#[cfg(test)]
pub(crate) mod bed;
#[cfg(test)]
mod tests;

pub use answer::{Answer, Refusal};
pub use call::Call;
pub use courier_wire::{Detail, Health};
pub use exchange::Client;
pub use fault::Fault;
pub use session::{Courier, Principal};
pub use settings::{Clock, MinTls, Settings};
