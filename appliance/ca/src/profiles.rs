//! Profiles as the store keeps them: seeded once with the ready-made ones, then the operator's.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use pki::profile::Profile;
use serde_json::json;

use crate::audit;
use crate::authority::Authority;
use crate::clock::from_millis;
use crate::error::{Error, Refusal, Result};
use crate::permit::{self, Permit, action};
use crate::principal::Principal;

/// A profile and its history's length.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileEntry {
    /// The profile.
    pub profile: Arc<Profile>,
    /// Counts up from 1 with every change.
    pub version: i64,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// The ready-made profiles that were ever put into this store, so that one that was removed stays removed.
const SEEDED: &str = "profiles.seeded";

impl Authority {
    /// All profiles by name. From memory.
    pub fn profiles(&self) -> Vec<ProfileEntry> {
        self.inner().profiles.load().values().cloned().collect()
    }

    /// One profile.
    pub fn profile(&self, name: &str) -> Result<ProfileEntry> {
        self.inner()
            .profiles
            .load()
            .get(name)
            .cloned()
            .ok_or_else(|| Error::not_found("profile", name))
    }

    /// Adds a profile or changes it. Refused with all of its problems when it cannot be used.
    pub async fn put_profile(&self, principal: &Principal, profile: Profile) -> Result<ProfileEntry> {
        let permit = permit::to_manage_profiles(principal)?;
        let problems = profile.check();
        if !problems.is_empty() {
            let message = problems
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; ");
            let details = serde_json::to_value(&problems).unwrap_or_default();
            return Err(Refusal::of_requester("profile_invalid", message)
                .with_details(details)
                .into());
        }
        let body = serde_json::to_string(&profile).map_err(Error::internal)?;
        self.to_the_end(|authority| async move { authority.write_profile(&permit, profile, body).await })
            .await
    }

    /// Removes a profile. What was issued under it stays.
    pub async fn delete_profile(&self, principal: &Principal, name: &str) -> Result<()> {
        let permit = permit::to_manage_profiles(principal)?;
        self.profile(name)?;
        let name = name.to_owned();
        self.to_the_end(|authority| async move { authority.remove_profile(&permit, name).await })
            .await
    }

    async fn write_profile(
        &self,
        permit: &Permit<action::ManageProfiles>,
        profile: Profile,
        body: String,
    ) -> Result<ProfileEntry> {
        let _one_at_a_time = self.inner().table_changes.lock().await;
        let at = self.inner().clock.now();
        let logged: serde_json::Value = serde_json::from_str(&body).map_err(Error::internal)?;
        let entry = audit::entry(
            at,
            permit.actor(),
            "profile.put",
            &profile.name,
            audit::OK,
            &logged,
        );
        let name = profile.name.clone();
        let write = self.change(entry, move |tx| {
            store::profiles::put(tx, &name, &body, at.as_millisecond())
        });
        let (version, _) = write.await?;
        let entry = ProfileEntry {
            profile: profile.into(),
            version,
            updated_at: at,
        };
        self.change_profiles(|profiles| drop(profiles.insert(entry.profile.name.clone(), entry.clone())));
        Ok(entry)
    }

    async fn remove_profile(&self, permit: &Permit<action::ManageProfiles>, name: String) -> Result<()> {
        let _one_at_a_time = self.inner().table_changes.lock().await;
        let at = self.inner().clock.now();
        let entry = audit::entry(at, permit.actor(), "profile.delete", &name, audit::OK, &json!({}));
        let removed = name.clone();
        self.change(entry, move |tx| store::profiles::delete(tx, &removed))
            .await?;
        self.change_profiles(|profiles| drop(profiles.remove(&name)));
        Ok(())
    }

    fn change_profiles(&self, change: impl Fn(&mut BTreeMap<String, ProfileEntry>)) {
        self.inner().profiles.rcu(|profiles| {
            let mut profiles = BTreeMap::clone(profiles);
            change(&mut profiles);
            profiles
        });
    }

    /// A profile that the authority itself needs: the stored one, or the ready-made one when that was removed.
    pub(crate) fn own_profile(&self, name: &str) -> Result<Arc<Profile>> {
        let stored = self
            .inner()
            .profiles
            .load()
            .get(name)
            .map(|entry| Arc::clone(&entry.profile));
        let ready = || Profile::ready_named(name).cloned().map(Arc::new);
        stored
            .or_else(ready)
            .ok_or_else(|| Error::not_found("profile", name))
    }

    /// Reads all profiles, after putting those ready-made ones in that this store has never had.
    pub(crate) async fn load_profiles(&self) -> Result<()> {
        let read = self
            .inner()
            .store
            .read(|reader| store::settings::find(reader, SEEDED));
        let seeded = read.await?.unwrap_or_default();
        let is_new = |profile: &&Profile| !seeded.split(' ').any(|name| name == profile.name);
        let new: Vec<Profile> = Profile::ready().iter().filter(is_new).cloned().collect();
        if !new.is_empty() {
            self.seed(new).await?;
        }
        let rows = self.inner().store.read(store::profiles::all).await?;
        let mut profiles = BTreeMap::new();
        for row in rows {
            let profile: Profile = serde_json::from_str(&row.body).map_err(|error| {
                Error::Internal(format!("the stored profile {} cannot be read: {error}", row.name))
            })?;
            let entry = ProfileEntry {
                profile: profile.into(),
                version: row.version,
                updated_at: from_millis(row.updated_at),
            };
            profiles.insert(row.name, entry);
        }
        self.inner().profiles.store(Arc::new(profiles));
        Ok(())
    }

    async fn seed(&self, new: Vec<Profile>) -> Result<()> {
        let permit: Permit<action::ManageProfiles> = permit::of_duty("ready-made profiles");
        let at = self.inner().clock.now();
        let names: Vec<&str> = new.iter().map(|profile| profile.name.as_str()).collect();
        let object = names.join(" ");
        let all = Profile::ready()
            .iter()
            .map(|profile| profile.name.as_str())
            .collect::<Vec<_>>()
            .join(" ");
        let entry = audit::entry(at, permit.actor(), "profile.seed", object, audit::OK, &json!({}));
        let bodies: Vec<(String, String)> = new
            .iter()
            .map(|profile| {
                Ok((
                    profile.name.clone(),
                    serde_json::to_string(profile).map_err(Error::internal)?,
                ))
            })
            .collect::<Result<_>>()?;
        let write = self.change(entry, move |tx| {
            for (name, body) in &bodies {
                store::profiles::put(tx, name, body, at.as_millisecond())?;
            }
            store::settings::put(tx, SEEDED, &all)
        });
        write.await.map(|_| ())
    }
}
