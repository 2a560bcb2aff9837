//! Servers on this host that take certificates as files: one file each, with what is odd about that server.

mod apache;
mod dovecot;
mod haproxy;
mod nginx;
mod pair;
mod postfix;

use kit::Kind;

/// All kinds, by name.
pub static KINDS: &[&Kind] = &[
    &apache::KIND,
    &dovecot::KIND,
    &haproxy::KIND,
    &nginx::KIND,
    &postfix::KIND,
];

/// The kind of this name.
pub fn find(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name).copied()
}
