//! Profiles as the store keeps them: seeded once with the ready-made ones, then the operator's.

use jiff::Timestamp;
use pki::profile::Profile;

use crate::authority::Authority;
use crate::error::Result;
use crate::permit::Principal;

/// A profile and its history's length.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileEntry {
    /// The profile.
    pub profile: Profile,
    /// Counts up from 1 with every change.
    pub version: i64,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

impl Authority {
    /// All profiles by name. From memory.
    pub fn profiles(&self) -> Vec<ProfileEntry> {
        todo!()
    }

    /// One profile.
    pub fn profile(&self, name: &str) -> Result<ProfileEntry> {
        todo!()
    }

    /// Adds a profile or changes it. Refused with all of its problems when it cannot be used.
    pub async fn put_profile(&self, principal: &Principal, profile: Profile) -> Result<ProfileEntry> {
        todo!()
    }

    /// Removes a profile. What was issued under it stays.
    pub async fn delete_profile(&self, principal: &Principal, name: &str) -> Result<()> {
        todo!()
    }
}
