//! The courier.

pub mod decide;
pub mod export;
pub mod folder;
pub mod hook;
pub mod key;
pub mod lock;
pub mod state;
pub mod write;
