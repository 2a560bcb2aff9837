//! The courier: what runs on the host that uses a certificate. How it shows who it is (`auth`), how it speaks to the appliance
//! (`client`), how it decides what to do (`decide`), and how keys, certificates and hooks get onto the host and back off it when
//! something is wrong (`key`, `write`, `hook`, `state`, `lock`, `export`).

pub mod args;
pub mod auth;
pub mod client;
pub mod cmd;
pub mod config;
pub mod decide;
pub mod export;
pub mod failure;
pub mod folder;
pub mod hook;
pub mod key;
pub mod lock;
pub mod log;
pub mod report;
pub mod run;
pub mod site;
pub mod state;
pub mod write;
