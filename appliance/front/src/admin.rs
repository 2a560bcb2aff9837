//! The handlers of the REST API, one file per noun; each parses, calls one use case, renders.

pub(crate) mod alarms;
pub(crate) mod api_tokens;
pub(crate) mod audit;
mod batch;
pub(crate) mod bridges;
mod certificate_body;
pub(crate) mod certificates;
pub(crate) mod courier_orders;
pub(crate) mod couriers;
pub(crate) mod credentials;
pub(crate) mod discovery;
pub(crate) mod domains;
mod download;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod issuer_body;
pub(crate) mod issuers;
pub(crate) mod keys;
mod offline_body;
pub(crate) mod orders;
pub(crate) mod policies;
mod profile_schema;
pub(crate) mod profiles;
pub(crate) mod status;
pub(crate) mod witness;
