//! Backups: one encrypted file that has all of an installation, and what becomes of it.
//!
//! A backup is an age file (`age_file`) around a gzip stream around a tar archive, so that whoever has the key can open it with other
//! people's tools as well: `age -d -i KEY FILE | tar -tz`. In the archive stand, in this order: `header.json`; the configuration
//! (`files/…`); the tables of the store, as pieces of rows (`tables/NAME/NUMBER`) out of one snapshot; all other files;
//! `manifest.json`, without which the backup counts as cut off, and which has digest and length of everything before it; and
//! `manifest.sig`, by which the key of the audit log says that this manifest was made here (`signature.rs`).
//!
//! What a key is needed for is here; what the words on the command line are is in `cli/backup.rs` and `cli/restore.rs`.

pub(crate) mod collect;
mod conditions;
pub(crate) mod examine;
pub(crate) mod keys;
pub(crate) mod manifest;
mod named;
pub(crate) mod place;
pub(crate) mod read;
pub(crate) mod restore;
mod sealing;
pub(crate) mod signature;
pub(crate) mod signing_keys;
pub(crate) mod soft_token;
pub(crate) mod unpack;
pub(crate) mod write;
