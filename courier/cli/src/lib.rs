//! The courier: what runs on the host that uses a certificate. How it shows who it is (`auth`), how it speaks to the appliance
//! (`client`), how it decides what to do (`decide`), and how keys, certificates and hooks get onto the host and back off it when
//! something is wrong (`key`, `platform_key`, `write`, `hook`, `state`, `lock`, `export`).

pub mod auth;
pub mod client;
pub mod decide;
pub mod export;
pub mod folder;
pub mod hook;
pub mod key;
pub mod lock;
pub mod platform_key;
pub mod state;
pub mod write;
