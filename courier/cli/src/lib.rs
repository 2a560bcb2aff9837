//! The courier.

pub mod auth;
pub mod client;
