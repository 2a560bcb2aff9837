//! How many files and connections the system lets this process have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The listeners, each with as many connections as it may have.
const LISTENERS: u64 = 3;
/// The store, its readers, the signing process, the log.
const OTHERS: u64 = 64;

/// Raises the limit as far as it may be raised, and warns when that is not enough for the connections that are allowed.
pub(crate) fn make_room(connections: usize) {
    let allowed = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: allowed.maximum,
        maximum: allowed.maximum,
    };
    // A system that refuses leaves the limit as it was.
    let _ = setrlimit(Resource::Nofile, most);
    let wanted = u64::try_from(connections)
        .unwrap_or(u64::MAX)
        .saturating_mul(LISTENERS)
        .saturating_add(OTHERS);
    if let Some(current) = getrlimit(Resource::Nofile).current
        && current < wanted
    {
        tracing::warn!(
            current,
            wanted,
            "fewer open files are allowed than limits.connections asks for: raise the limit (LimitNOFILE= of the unit, \
             `ulimit -Hn`), or lower limits.connections"
        );
    }
}
