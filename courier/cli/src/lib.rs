//! The courier: what runs on the host that uses a certificate. How it shows who it is (`auth`), how it speaks to the appliance
//! (`client`), how it decides what to do (`decide`), and how keys, certificates and hooks get onto the host and back off it when
//! something is wrong (`key`, `platform_key`, `token_key`, `write`, `hook`, `state`, `lock`, `export`). A first configuration and what starts the
//! courier are made by `init` and `schedule`.

pub use kit::folder;

pub mod args;
pub mod auth;
pub mod client;
pub mod cmd;
pub mod config;
pub mod decide;
pub mod discover;
pub mod export;
pub mod failure;
pub mod hook;
pub mod init;
pub mod key;
pub mod lock;
pub mod log;
pub mod platform_key;
pub mod report;
pub mod run;
pub mod schedule;
pub mod site;
pub mod state;
pub mod token_key;
pub mod write;
