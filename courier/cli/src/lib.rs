//! The courier.
