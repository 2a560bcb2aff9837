//! What a run has to do: a pure function of what stands on disk, what is wanted, what is remembered and the time.

use jiff::{SignedDuration, Timestamp};
use pki::{DistinguishedName, KeyAlgorithm, SubjectAltName};

/// How often the appliance is asked when there is nothing to do.
const STATUS_EVERY: SignedDuration = SignedDuration::from_hours(24);
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// When a certificate is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threshold {
    /// One third of the lifetime, but a day at least; never more than half of the lifetime, so that a certificate of
    /// hours is not due when it is made.
    Default,
    /// `renew.before`, cut to what leaves the certificate a tenth of its lifetime.
    Before(SignedDuration),
    /// `renew.before_percent` of the lifetime, 1 to 90.
    Percent(u8),
}

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The names.
    pub names: Vec<SubjectAltName>,
    /// The subject; not compared when absent.
    pub subject: Option<DistinguishedName>,
    /// Whether the configuration is another one than what the certificate was ordered with; none when that is not remembered. An
    /// appliance may add names and fill the subject: only what was asked for tells whether something else is asked for now.
    pub has_changed: Option<bool>,
    /// The kind of key.
    pub key: KeyAlgorithm,
    /// When it is due.
    pub threshold: Threshold,
    /// `renew.on_config_change`.
    pub renew_on_drift: bool,
    /// `renew.use_server_window`.
    pub use_window: bool,
}

/// A certificate on disk.
#[derive(Clone, Debug)]
pub struct OnDisk {
    /// Its names.
    pub names: Vec<SubjectAltName>,
    /// Its subject.
    pub subject: DistinguishedName,
    /// Its key.
    pub key: KeyAlgorithm,
    /// First second.
    pub not_before: Timestamp,
    /// Last second.
    pub not_after: Timestamp,
    /// Whether the private key on disk is its own.
    pub key_matches: bool,
    /// Whether its chain ends in a trusted authority.
    pub is_trusted: bool,
}

/// What was found under the output names.
#[derive(Clone, Debug)]
pub enum Disk {
    /// Nothing.
    Missing,
    /// Something that is no certificate or key.
    Unreadable,
    /// A certificate.
    Certificate(Box<OnDisk>),
}

/// What the appliance said last of the certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nothing, or that it is good.
    #[default]
    Good,
    /// It is revoked.
    Revoked,
    /// Another took its place.
    Superseded,
    /// The appliance does not know it as one of this courier.
    Unknown,
}

/// What is remembered and was heard.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heard {
    /// Whether an order is pending.
    pub has_pending: bool,
    /// When the appliance was last asked.
    pub checked_at: Option<Timestamp>,
    /// What it said.
    pub standing: Standing,
    /// The window that it suggests, first and last instant.
    pub window: Option<(Timestamp, Timestamp)>,
}

/// How things stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// There is no certificate.
    Missing,
    /// Nothing to do.
    Current,
    /// Its time to be renewed has come.
    RenewalDue,
    /// Its time is over.
    Expired,
    /// Its time has not begun.
    NotYetValid,
    /// It is revoked.
    Revoked,
    /// Another took its place.
    Superseded,
    /// The private key is another's.
    KeyMismatch,
    /// The configuration asks for something else.
    ConfigDrift,
    /// Its chain ends nowhere.
    UntrustedChain,
    /// What is there cannot be read.
    Unreadable,
    /// An order is on its way.
    OrderPending,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Order a certificate.
    Issue,
    /// Order the next one.
    Renew,
    /// Nothing.
    Nothing,
    /// Go on with the pending order.
    Resume,
    /// Ask the appliance how things stand.
    CheckStatus,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// How things stand.
    pub outcome: Outcome,
    /// How what is on disk stands, whether an order is on its way or not.
    pub on_disk: Outcome,
    /// What to do.
    pub action: Action,
    /// When the certificate is renewed.
    pub renew_at: Option<Timestamp>,
}

/// Decides. `fraction` is a random number of this certificate from 0 to 1 that the caller keeps between runs, so that
/// the instant in the window stays the same.
pub fn decide(disk: &Disk, wanted: &Wanted, heard: &Heard, now: Timestamp, fraction: f64) -> Decision {
    let certificate = match disk {
        Disk::Certificate(certificate) => Some(certificate.as_ref()),
        Disk::Missing | Disk::Unreadable => None,
    };
    let renew_at = certificate.map(|one| renew_at(one, wanted, heard, fraction));
    let on_disk = match (disk, renew_at) {
        (Disk::Certificate(one), Some(renew_at)) => judge(one, wanted, heard, now, renew_at),
        (Disk::Unreadable, _) => Outcome::Unreadable,
        _ => Outcome::Missing,
    };
    let outcome = if heard.has_pending {
        Outcome::OrderPending
    } else {
        on_disk
    };
    let is_asked_again = heard
        .checked_at
        .is_none_or(|at| now.duration_since(at) >= STATUS_EVERY || at > now);
    let action = match outcome {
        Outcome::OrderPending => Action::Resume,
        Outcome::Missing | Outcome::Unreadable => Action::Issue,
        Outcome::Expired
        | Outcome::RenewalDue
        | Outcome::Revoked
        | Outcome::Superseded
        | Outcome::KeyMismatch
        | Outcome::UntrustedChain => Action::Renew,
        Outcome::ConfigDrift if wanted.renew_on_drift => Action::Renew,
        // A clock that was set back mends itself; another certificate would not help.
        Outcome::Current | Outcome::NotYetValid | Outcome::ConfigDrift if is_asked_again => {
            Action::CheckStatus
        }
        Outcome::Current | Outcome::NotYetValid | Outcome::ConfigDrift => Action::Nothing,
    };
    Decision {
        outcome,
        on_disk,
        action,
        renew_at,
    }
}

/// The worst that can be said of a certificate. What only the configuration wants comes behind what is due: drift that
/// is not renewed must not keep a certificate from being renewed in time.
fn judge(one: &OnDisk, wanted: &Wanted, heard: &Heard, now: Timestamp, renew_at: Timestamp) -> Outcome {
    if !one.key_matches {
        Outcome::KeyMismatch
    } else if heard.standing == Standing::Revoked {
        Outcome::Revoked
    } else if now > one.not_after {
        Outcome::Expired
    } else if heard.standing == Standing::Superseded {
        Outcome::Superseded
    } else if !one.is_trusted {
        Outcome::UntrustedChain
    } else if now < one.not_before {
        Outcome::NotYetValid
    } else if now >= renew_at {
        Outcome::RenewalDue
    } else if has_drifted(one, wanted) {
        Outcome::ConfigDrift
    } else {
        Outcome::Current
    }
}

fn has_drifted(one: &OnDisk, wanted: &Wanted) -> bool {
    let sorted = |names: &[SubjectAltName]| {
        let mut names = names.to_vec();
        names.sort_unstable();
        names.dedup();
        names
    };
    let is_another_set = match wanted.has_changed {
        Some(true) => true,
        Some(false) => wanted.names.iter().any(|name| !one.names.contains(name)),
        None => sorted(&one.names) != sorted(&wanted.names),
    };
    one.key != wanted.key
        || is_another_set
        || wanted
            .subject
            .as_ref()
            .is_some_and(|subject| *subject != one.subject)
}

/// The instant of renewal: the threshold, or earlier one in the appliance's window.
pub fn renew_at(one: &OnDisk, wanted: &Wanted, heard: &Heard, fraction: f64) -> Timestamp {
    let lifetime = one
        .not_after
        .duration_since(one.not_before)
        .max(SignedDuration::ZERO);
    let before = match wanted.threshold {
        Threshold::Default => (lifetime / 3).max(DAY).min(lifetime / 2),
        Threshold::Before(before) => before.max(SignedDuration::ZERO).min(lifetime / 10 * 9),
        Threshold::Percent(percent) => lifetime / 100 * i32::from(percent.clamp(1, 90)),
    };
    let due = one.not_after.checked_sub(before).unwrap_or(one.not_before);
    let Some((start, end)) = heard.window.filter(|_| wanted.use_window) else {
        return due;
    };
    let length = end.duration_since(start).max(SignedDuration::ZERO);
    let fraction = if fraction.is_finite() {
        fraction.clamp(0.0, 1.0)
    } else {
        0.0
    };
    let into =
        SignedDuration::try_from_secs_f64(length.as_secs_f64() * fraction).unwrap_or(SignedDuration::ZERO);
    start.checked_add(into).map_or(due, |chosen| chosen.min(due))
}

#[cfg(test)]
mod tests;
