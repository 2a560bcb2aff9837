//! Restoring a backup: all of it, or nothing.
//!
//! What is restored is made ready beside its place, compared with the backup, and made the store of a new epoch (`ca::begin_epoch`)
//! before it takes the place of anything. It stays marked as unfinished until everything that belongs to it is in its place: whatever
//! breaks off before that leaves the old state, or a store that refuses to serve and says how to go on.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use ca::{Clock, ExportedLog, NewEpoch, Restored};
use jiff::Timestamp;
use pki::Certificate;
use store::{Location, Store, StoreConfig};
use toml::{Table, Value};

use super::manifest::{FileName, Header, Manifest, Role};
use super::place::{Place, Put};
use super::unpack::{Source, Told, Unpacked, staged_config};
use crate::cli::StoreArgs;
use crate::config::Config;
use crate::files::{self, Readers};

/// How long the store that was closed may take to be free.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is to be restored, and how.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) source: Source,
    pub(crate) state: Option<PathBuf>,
    pub(crate) configuration: Option<PathBuf>,
    pub(crate) store: StoreArgs,
    /// What the audit log says of the time after the backup.
    pub(crate) log: Option<ExportedLog>,
    pub(crate) certificates: Vec<Certificate>,
    /// The time of the backup whose loss of later revocations is accepted.
    pub(crate) accepts_loss_since: Option<Timestamp>,
    pub(crate) replaces: bool,
}

/// What was done.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) manifest: Manifest,
    pub(crate) place: Place,
    /// Nothing when an earlier restore had done that before it broke off.
    pub(crate) epoch: Option<NewEpoch>,
    pub(crate) store: String,
    pub(crate) old_state: Option<PathBuf>,
    pub(crate) put: Put,
    pub(crate) warnings: Vec<String>,
}

/// What would be done.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) manifest: Manifest,
    pub(crate) place: Place,
    /// Whether something is there whose place it would take.
    pub(crate) replaces: bool,
}

/// Reads the whole backup and looks whether it could be restored. Changes nothing.
pub(crate) async fn plan(wanted: Wanted) -> Result<Plan> {
    let now = Clock::system().now();
    let manifest = wanted.source.inspect().await?;
    let header = &manifest.header;
    check_schema(header)?;
    check_time(header, now)?;
    match &wanted.log {
        None => check_loss(header, wanted.accepts_loss_since)?,
        Some(log) if log.first() > manifest.audit.entries + 1 => {
            return Err(ca::ExportFault::Gap(manifest.audit.entries + 1).into());
        }
        Some(_) => {}
    }
    let place = Place::new(
        &header.places,
        wanted.state.as_deref(),
        wanted.configuration.as_deref(),
    )?;
    check_target(&place, header, wanted.replaces)?;
    Ok(Plan {
        replaces: place.is_taken()?,
        manifest,
        place,
    })
}

/// Restores it.
pub(crate) async fn restore(wanted: Wanted, told: &mut Told<'_>) -> Result<Done> {
    let now = Clock::system().now();
    let mut place = None;
    let outcome = run(wanted, now, &mut place, told).await;
    if let (Err(_), Some(place)) = (&outcome, &place) {
        // What was made ready is of no use any more; if it cannot be removed now, the next restore does it.
        let place: &Place = place;
        let _ = fs::remove_dir_all(&place.staging);
    }
    outcome
}

async fn run(wanted: Wanted, now: Timestamp, known: &mut Option<Place>, told: &mut Told<'_>) -> Result<Done> {
    let Wanted {
        source,
        state,
        configuration,
        store,
        log,
        certificates,
        accepts_loss_since,
        replaces,
    } = wanted;
    let decide = |header: &Header| {
        check_schema(header)?;
        check_time(header, now)?;
        if log.is_none() {
            check_loss(header, accepts_loss_since)?;
        }
        let place = Place::new(&header.places, state.as_deref(), configuration.as_deref())?;
        check_target(&place, header, replaces)?;
        *known = Some(place.clone());
        Ok(place)
    };
    let open = |place: &Place| {
        Store::open(&store_config(place, &store)?)
            .context("opening the store to restore into: is its disk full?")
    };
    let unpacked = source.unpack(decide, open, told).await?;
    let (epoch, warnings) = begin_epoch(&unpacked, log, certificates, now).await?;
    let Unpacked {
        manifest,
        restore,
        place,
    } = unpacked;
    drop(restore);
    write_configuration(&place, &store)?;
    let when = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let old_state = place.switch(&when)?;
    // From here on only what is in the backup, and only as copies, is among what was made ready.
    let names: Vec<FileName> = manifest.files.iter().map(|file| file.name.clone()).collect();
    let put = place.put_outside(&names, replaces, &when)?;
    let config = Config::load(&place.config_file())?.store_config()?;
    let finished = open_when_free(&config).await?;
    store::restore::complete(&finished).await?;
    let _ = fs::remove_dir_all(&place.staging);
    Ok(Done {
        manifest,
        epoch,
        store: match &config.location {
            Location::File(path) => path.display().to_string(),
            Location::Server(server) => server.to_string(),
        },
        old_state,
        put,
        place,
        warnings,
    })
}

/// Begins the new epoch, and looks whether the store is whole.
async fn begin_epoch(
    unpacked: &Unpacked,
    log: Option<ExportedLog>,
    certificates: Vec<Certificate>,
    now: Timestamp,
) -> Result<(Option<NewEpoch>, Vec<String>)> {
    let (store, header) = (unpacked.restore.store(), &unpacked.manifest.header);
    let mut warnings = Vec::new();
    // The head of the log is among the settings, which come with the change below.
    if let Some(log) = log.clone() {
        let proven = log.is_proven();
        let checked = store.read(move |reader| ca::check_export(reader, &log)).await?;
        checked.context("nothing was changed")?;
        if !proven {
            warnings.push(
                "the hashes of the export prove nothing, because its entries were written anew: what it tells was done, but the \
                 restored log does not go on with its entries"
                    .to_owned(),
            );
        }
    }
    let restored = Restored {
        backup: header.id.to_string(),
        taken_at: header.taken_at,
        now,
        log,
        certificates,
    };
    let epoch = unpacked
        .restore
        .settle(move |tx| ca::begin_epoch(tx, &restored))
        .await?;
    for finding in store.read(store::check).await? {
        let Some(problem) = finding.problem else { continue };
        if problem.contains("postgresql.conf") {
            warnings.push(problem);
        } else if !problem.contains("chancery restore") {
            bail!("what was restored is not whole: {}: {problem}", finding.what);
        }
    }
    Ok((epoch, warnings))
}

/// The schema of the backup must be this program's.
pub(crate) fn check_schema(header: &Header) -> Result<()> {
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

fn check_time(header: &Header, now: Timestamp) -> Result<()> {
    if now < header.taken_at {
        bail!(
            "the clock stands at {now}, before the time of the backup ({}): set it right, then try again",
            header.taken_at
        );
    }
    Ok(())
}

/// Without an export of the log, what was revoked after the backup would be good again: somebody must say that they know.
fn check_loss(header: &Header, accepted: Option<Timestamp>) -> Result<()> {
    let at = header.taken_at;
    match accepted {
        Some(time) if time == at => Ok(()),
        Some(other) => bail!("the backup was made at {at}, not at {other}: nothing was changed"),
        None => bail!(
            "what was revoked after the backup ({at}) would be good again: give the export of the audit log by --audit-export, or say \
             that there were no revocations, or that they are lost, by --accept-lost-revocations {at}"
        ),
    }
}

/// Into an empty place; into another only when that was asked for, it is of the same installation and nobody uses it.
fn check_target(place: &Place, header: &Header, replaces: bool) -> Result<()> {
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

/// The store that is filled: an SQLite file among what is made ready, or an empty database.
fn store_config(place: &Place, given: &StoreArgs) -> Result<StoreConfig> {
    let mut config = staged_config(place)?;
    if given.is_given() {
        given.put(&mut config)?;
    }
    let elsewhere = place.staged(Role::Elsewhere);
    for file in [
        &mut config.store.password_file,
        &mut config.store.tls_roots,
        &mut config.store.tls_identity,
    ] {
        // What the configuration names outside its folders may not be in its place yet.
        if let Some(path) = file.as_ref().filter(|path| path.is_absolute() && !path.exists()) {
            let staged = elsewhere.join(path.strip_prefix("/").unwrap_or(path));
            if staged.exists() {
                *file = Some(staged);
            }
        }
    }
    let store = config.store_config()?;
    if let Location::File(path) = &store.location
        && !path.starts_with(place.staged(Role::State))
    {
        bail!(
            "the store was at {}, outside the state folder: let --store-url sqlite:chancery.db put it there, or name a database",
            path.display()
        );
    }
    Ok(store)
}

/// The configurations as they are to be where they will be.
fn write_configuration(place: &Place, given: &StoreArgs) -> Result<()> {
    let file = place.staged_config();
    let mut text = fs::read_to_string(&file)?;
    if given.is_given() {
        let original = file.with_extension("toml.of-backup");
        files::write(&original, text.as_bytes(), Readers::Owner)?;
        text = with_store(&text, given)?;
    }
    write_moved(place, &file, &text)?;
    if let Some(signing) = &place.from.signing
        && signing.role != Role::Elsewhere
    {
        let file = place.staged_file(signing);
        write_moved(place, &file, &fs::read_to_string(&file)?)?;
    }
    Ok(())
}

fn write_moved(place: &Place, file: &Path, text: &str) -> Result<()> {
    let mode = fs::metadata(file)?.permissions();
    files::write(file, place.moved(text).as_bytes(), Readers::Owner)?;
    Ok(fs::set_permissions(file, mode)?)
}

/// A configuration with another store.
fn with_store(text: &str, given: &StoreArgs) -> Result<String> {
    let mut table: Table = toml::from_str(text)?;
    let mut config = Config::new();
    given.put(&mut config)?;
    let mut own = Table::try_from(&config.store)?;
    let before = table.get("store").and_then(Value::as_table);
    if let Some(connections) = before.and_then(|before| before.get("connections")) {
        own.insert("connections".to_owned(), connections.clone());
    }
    table.insert("store".to_owned(), Value::Table(own));
    Ok(toml::to_string(&table)?)
}

/// Who closed it a moment ago may still hold it.
async fn open_when_free(config: &StoreConfig) -> Result<Store> {
    let since = Instant::now();
    loop {
        match Store::open(config) {
            Err(store::Error::InUse { .. }) if since.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            opened => return opened.context("opening the restored store"),
        }
    }
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
