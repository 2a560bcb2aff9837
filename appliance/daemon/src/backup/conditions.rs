//! What must hold before a backup is restored, and what is said otherwise.

use std::fs::{File, TryLockError};
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, bail};
use jiff::Timestamp;
use store::restore::Target;
use store::{Location, Store, StoreConfig};

use super::manifest::Header;
use super::place::Place;
use crate::config::Config;

/// The schema of the backup must be this program's.
pub(super) fn check_schema(header: &Header) -> Result<()> {
    let (_, known) = Store::schema_versions(&StoreConfig::new("/nowhere/chancery.db"))?;
    let (found, version) = (header.schema, &header.version);
    if found > known {
        bail!(
            "the backup has schema version {found}, this program knows {known}: use Chancery {version} or later"
        );
    }
    if found < known {
        bail!(
            "the backup has schema version {found}, this program has {known}: restore it with Chancery {version}, which made it, then \
             put this version in its place"
        );
    }
    Ok(())
}

pub(super) fn check_time(header: &Header, now: Timestamp) -> Result<()> {
    if now < header.taken_at {
        bail!(
            "the clock stands at {now}, before the time of the backup ({}): set it right, then try again",
            header.taken_at
        );
    }
    Ok(())
}

/// Without an export of the log, what was revoked after the backup would be good again: somebody must say that they know.
pub(super) fn check_loss(header: &Header, accepted: Option<Timestamp>) -> Result<()> {
    check_accepted(header, accepted)?;
    let at = header.taken_at;
    match accepted {
        Some(_) => Ok(()),
        None => bail!(
            "what was revoked after the backup ({at}) would be good again: give the export of the audit log by --audit-export, or say \
             that there were no revocations, or that they are lost, by --accept-lost-revocations {at}"
        ),
    }
}

/// A loss is accepted by the time of the backup, so that nobody accepts that of another one.
pub(super) fn check_accepted(header: &Header, accepted: Option<Timestamp>) -> Result<()> {
    let at = header.taken_at;
    match accepted {
        Some(other) if other != at => {
            bail!("the backup was made at {at}, not at {other}: nothing was changed")
        }
        _ => Ok(()),
    }
}

/// Into an empty place; into another only when that was asked for, it is of the same installation and nobody uses it. What is given is
/// to be held for as long as it is to stay so: no server starts there meanwhile.
pub(super) fn check_target(place: &Place, header: &Header, replaces: bool) -> Result<Vec<File>> {
    if !place.is_taken()? {
        if place.config_file().exists() && place.configuration != place.state && !replaces {
            bail!(
                "{} is there already: name another folder by --config-dir, or let --replace keep it under another name",
                place.config_file().display()
            );
        }
        return Ok(Vec::new());
    }
    let (state, old) = (place.state.display(), place.config_file());
    let there = Config::load(&old)
        .ok()
        .and_then(|config| Some((config.store_config().ok()?, config.state_lock())));
    let Some((config, state_lock)) = there else {
        if replaces {
            return Ok(Vec::new());
        }
        bail!(
            "{state} is not empty: name another folder by --dir, or let --replace keep what is there under another name"
        );
    };
    let held = hold(place, &config, state_lock)?;
    let look = std::thread::scope(|scope| {
        let look = || {
            let store = Store::open_read_only(&config)?;
            store.read_here(|reader| {
                Ok((
                    store::restore::unfinished(reader)?.is_some(),
                    store::epoch::installation(reader)?,
                    store::issuers::all(reader)?.is_empty(),
                ))
            })
        };
        scope.spawn(look).join()
    });
    match look.map_err(|_| anyhow!("the look at the store that is there broke off"))? {
        // A restore that broke off is begun again.
        Ok((true, ..)) => Ok(held),
        // One without a CA is none that anybody would miss.
        Ok((false, installation, false)) if installation != header.installation => bail!(
            "{state} is another installation ({installation}) than the backup's ({}): restore into another folder by --dir",
            header.installation
        ),
        _ if replaces => Ok(held),
        _ => bail!(
            "{state} is not empty: name another folder by --dir, or let --replace keep what is there under another name"
        ),
    }
}

/// Whether a backup could be restored into this store, without a change; how it is.
pub(super) fn check_store(config: &StoreConfig, backup: &str) -> Result<&'static str> {
    let Location::Server(server) = &config.location else {
        return Ok("a new file in the state folder");
    };
    let look = || -> Result<&'static str> {
        let (found, known) = Store::schema_versions(config)?;
        if found == 0 {
            return Ok("an empty database");
        }
        let servers = Store::servers(config)?.len();
        if servers > 0 {
            bail!(
                "{servers} servers are at work on {server}, which is a store already: name an empty database"
            );
        }
        if found != known {
            bail!("{server} holds a store of schema version {found} already: name an empty database");
        }
        let store = Store::open_read_only(config)?;
        match store.read_here(|reader| store::restore::look(reader, backup))? {
            Target::Empty => Ok("an empty database"),
            Target::Loading | Target::Loaded => {
                Ok("a database in which a restore of this backup broke off: it goes on")
            }
        }
    };
    let looked = std::thread::scope(|scope| scope.spawn(look).join());
    let looked = looked.map_err(|_| anyhow!("the look at the database broke off"))?;
    looked.context("looking at the store to restore into")
}

/// Takes what a server of this folder takes.
fn hold(place: &Place, config: &StoreConfig, state_lock: PathBuf) -> Result<Vec<File>> {
    let running = || {
        anyhow!(
            "the server of {} is running: stop it first",
            place.state.display()
        )
    };
    let mut held = Vec::new();
    if let Ok(lock) = File::open(state_lock) {
        match lock.try_lock() {
            Ok(()) => held.push(lock),
            Err(TryLockError::WouldBlock) => return Err(running()),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
    if let Location::File(path) = &config.location {
        match store::lock_file(path) {
            Ok(lock) => held.push(lock),
            Err(store::Error::InUse { .. }) => return Err(running()),
            // Where there is no folder for a store there is no server.
            Err(_) => {}
        }
    }
    // A database that is gone has nobody at work on it.
    let servers = std::thread::scope(|scope| scope.spawn(|| Store::servers(config)).join());
    if let (Location::Server(server), Ok(Ok(servers))) = (&config.location, servers)
        && !servers.is_empty()
    {
        bail!(
            "{} servers are at work on {server}, the database of {}: stop all of them first",
            servers.len(),
            place.state.display()
        );
    }
    Ok(held)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;
    use crate::backup::manifest::Places;

    fn header() -> Header {
        let (_, schema) = Store::schema_versions(&StoreConfig::new("/nowhere/chancery.db")).unwrap();
        Header {
            format: 1,
            id: uuid::Uuid::nil(),
            program: "chancery".to_owned(),
            version: "9.9.9".to_owned(),
            schema,
            installation: "one".to_owned(),
            epoch: 0,
            taken_at: "2026-01-01T00:00:00Z".parse().unwrap(),
            places: Places {
                state: "/a".into(),
                configuration: "/a".into(),
                config: "chancery.toml".to_owned(),
                signing: None,
            },
        }
    }

    #[test]
    fn a_schema_of_another_program_is_told_with_the_program_that_knows_it() {
        let own = header();
        check_schema(&own).unwrap();
        for schema in [own.schema + 1, own.schema - 1] {
            let told = check_schema(&Header {
                schema,
                ..own.clone()
            })
            .unwrap_err()
            .to_string();
            assert!(told.contains("Chancery 9.9.9"), "{told}");
        }
    }

    #[test]
    fn a_loss_is_accepted_by_its_time_alone() {
        let own = header();
        let told = check_loss(&own, None).unwrap_err().to_string();
        assert!(
            told.contains("--accept-lost-revocations 2026-01-01T00:00:00Z"),
            "{told}"
        );
        assert!(check_loss(&own, Some("2026-01-01T00:00:01Z".parse().unwrap())).is_err());
        check_loss(&own, Some(own.taken_at)).unwrap();
        let told = check_time(&own, "2025-12-31T00:00:00Z".parse().unwrap())
            .unwrap_err()
            .to_string();
        assert!(told.contains("set it right"), "{told}");
    }
}
