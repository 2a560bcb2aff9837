//! What must hold before a backup is restored, and what is said otherwise.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use jiff::Timestamp;
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

/// Into an empty place; into another only when that was asked for, it is of the same installation and nobody uses it.
pub(super) fn check_target(place: &Place, header: &Header, replaces: bool) -> Result<()> {
    if !place.is_taken()? {
        if place.config_file().exists() && place.configuration != place.state && !replaces {
            bail!(
                "{} is there already: name another folder by --config-dir, or let --replace keep it under another name",
                place.config_file().display()
            );
        }
        return Ok(());
    }
    let (state, old) = (place.state.display(), place.config_file());
    let there = Config::load(&old)
        .ok()
        .and_then(|config| config.store_config().ok());
    let Some(config) = there else {
        if replaces {
            return Ok(());
        }
        bail!(
            "{state} is not empty: name another folder by --dir, or let --replace keep what is there under another name"
        );
    };
    if let Location::File(path) = &config.location
        && is_locked(path)
    {
        bail!("the server of {state} is running: stop it first");
    }
    let look = std::thread::scope(|scope| {
        let look = || {
            let store = Store::open_read_only(&config)?;
            store.read_here(|reader| {
                Ok((
                    store::restore::unfinished(reader)?.is_some(),
                    store::epoch::installation(reader)?,
                ))
            })
        };
        scope.spawn(look).join()
    });
    match look.map_err(|_| anyhow!("the look at the store that is there broke off"))? {
        // A restore that broke off is begun again.
        Ok((true, _)) => Ok(()),
        Ok((false, installation)) if installation != header.installation => bail!(
            "{state} is another installation ({installation}) than the backup's ({}): restore into another folder by --dir",
            header.installation
        ),
        _ if replaces => Ok(()),
        _ => bail!(
            "{state} is not empty: name another folder by --dir, or let --replace keep what is there under another name"
        ),
    }
}

fn is_locked(store: &Path) -> bool {
    let mut name = store.as_os_str().to_owned();
    name.push("-lock");
    let lock = File::open(PathBuf::from(name));
    lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
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
