//! From when until when a certificate is valid.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::profile::{IssuerView, Profile, ProfileRefusal};

/// The validity of a certificate, in whole seconds, both ends included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Validity {
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    /// Whether what is left from now on is shorter than the profile's `short_lived_below`.
    pub(super) is_short_lived: bool,
}

impl Validity {
    /// notBefore = now less the profile's back-dating, but not before the issuer's own notBefore;
    /// notAfter = the earliest of now + the wish (or the default), now + `max_ttl`, and the issuer's own notAfter.
    pub(super) fn decide(
        profile: &Profile,
        wish: Option<Duration>,
        issuer: &IssuerView,
        now: Timestamp,
    ) -> Result<Self, ProfileRefusal> {
        let start = now.as_second();
        let wish = wish.map_or(profile.default_validity.as_seconds(), |wish| wish.as_secs());
        if wish == 0 {
            return Err(ProfileRefusal::new(
                "validity_invalid",
                "a validity of less than one second is asked for",
            ));
        }
        let lifetime = wish.min(profile.max_ttl.as_seconds());
        let end = start
            .saturating_add_unsigned(lifetime)
            .min(issuer.not_after.as_second());
        if end <= start {
            return Err(ProfileRefusal::new(
                "issuer_expired",
                format!("the issuer's own certificate ends at {}", issuer.not_after),
            ));
        }
        let earliest = start.saturating_sub_unsigned(profile.backdate.as_seconds());
        let begin = earliest.max(issuer.not_before.as_second()).min(start);
        let left = end.saturating_sub(start).unsigned_abs();
        Ok(Self {
            not_before: whole_second(begin)?,
            not_after: whole_second(end)?,
            is_short_lived: left < profile.short_lived_below.as_seconds(),
        })
    }
}

fn whole_second(second: i64) -> Result<Timestamp, ProfileRefusal> {
    Timestamp::UNIX_EPOCH
        .checked_add(SignedDuration::from_secs(second))
        .map_err(|_| {
            ProfileRefusal::new(
                "validity_invalid",
                "the validity lies outside the times X.509 can write",
            )
        })
}
