//! Restoring a backup: all of it, or nothing.
//!
//! What is restored is made ready beside its place, compared with the backup, and made the store of a new epoch (`ca::begin_epoch`)
//! before it takes the place of anything. It stays marked as unfinished until everything that belongs to it is in its place: whatever
//! breaks off before that leaves the old state, or a store that refuses to serve and says how to go on.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use ca::{Clock, ExportedLog, NewEpoch, Restored};
use jiff::Timestamp;
use pki::Certificate;
use store::audit::LoggedEntry;
use store::{Location, Store, StoreConfig};
use toml::{Table, Value};

use super::conditions::{check_accepted, check_loss, check_schema, check_store, check_target, check_time};
use super::manifest::{FileName, Header, Manifest, Role};
use super::place::{Place, Put};
use super::signature::Signature;
use super::unpack::{Source, Told, Unpacked, staged_config};
use crate::cli::StoreArgs;
use crate::config::Config;
use crate::files::{self, Readers};
use crate::interrupt;

/// How long the store that was closed may take to be free.
const PATIENCE: Duration = Duration::from_secs(20);

/// Lists that are named each.
const TOLD_LISTS: usize = 8;

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
    /// Whether it is accepted that the audit log of the backup is not what was signed.
    pub(crate) accepts_audit_alarm: bool,
    pub(crate) replaces: bool,
}

/// What was done.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) manifest: Manifest,
    pub(crate) signature: Signature,
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
    pub(crate) signature: Signature,
    pub(crate) place: Place,
    /// Whether something is there whose place it would take.
    pub(crate) replaces: bool,
    /// What it would be restored into.
    pub(crate) store: String,
}

/// Reads the whole backup, and looks at everything that a restore would look at before it changes anything. What has to be read of its
/// files is decrypted into a folder that is thrown away.
pub(crate) async fn plan(wanted: Wanted) -> Result<Plan> {
    let now = Clock::system().now();
    let mut sandbox = tempfile::Builder::new();
    let sandbox = sandbox
        .prefix("chancery-dry-run-")
        .permissions(fs::Permissions::from_mode(0o700));
    let sandbox = sandbox.tempdir().context("making a folder for the dry run")?;
    let folder = sandbox.path().join("restored");
    let mut end = LogEnd::before(wanted.log.as_ref());
    let read = wanted.source.read_through(Some(&folder), |table, octets| {
        if table == "audit" {
            end.take(store::audit::decode(octets)?);
        }
        Ok(())
    });
    let (manifest, signature) = read.await?;
    let header = &manifest.header;
    check_schema(header)?;
    check_time(header, now)?;
    check_accepted(header, wanted.accepts_loss_since)?;
    match &wanted.log {
        None => check_loss(header, wanted.accepts_loss_since)?,
        Some(log) => log.check_against(&end.entries, manifest.audit.entries)?,
    }
    let place = Place::new(
        &header.places,
        wanted.state.as_deref(),
        wanted.configuration.as_deref(),
    )?;
    drop(check_target(&place, header, wanted.replaces)?);
    let trial = Place {
        staging: folder,
        ..place.clone()
    };
    let store = store_config(&trial, &wanted.store)?;
    let target = check_store(&store, &header.id.to_string())?;
    Ok(Plan {
        replaces: place.is_taken()?,
        store: match &store.location {
            Location::File(_) => target.to_owned(),
            Location::Server(server) => format!("{server}: {target}"),
        },
        manifest,
        signature,
        place,
    })
}

/// The end of the audit log of a backup, as far as an export has the same entries, and its last entry.
struct LogEnd {
    since: i64,
    entries: Vec<LoggedEntry>,
}

impl LogEnd {
    fn before(log: Option<&ExportedLog>) -> Self {
        Self {
            since: log.map_or(i64::MAX, ExportedLog::first),
            entries: Vec::new(),
        }
    }

    fn take(&mut self, entries: Vec<LoggedEntry>) {
        for one in entries {
            if self.entries.last().is_some_and(|last| last.seq < self.since) {
                self.entries.clear();
            }
            self.entries.push(one);
        }
    }
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
        accepts_audit_alarm,
        replaces,
    } = wanted;
    let mut held = Vec::new();
    let decide = |header: &Header| {
        check_schema(header)?;
        check_time(header, now)?;
        if log.is_none() {
            check_loss(header, accepts_loss_since)?;
        }
        check_accepted(header, accepts_loss_since)?;
        let place = Place::new(&header.places, state.as_deref(), configuration.as_deref())?;
        held = check_target(&place, header, replaces)?;
        *known = Some(place.clone());
        Ok(place)
    };
    let open = |place: &Place| {
        Store::open(&store_config(place, &store)?).map_err(|error| {
            let what = "opening the store to restore into";
            // SQLite does not tell a disk that is full from one that fails.
            let is_disk = matches!(error, store::Error::Io(_) | store::Error::Full);
            let end = if is_disk { ": is its disk full?" } else { "" };
            anyhow::Error::from(error).context(format!("{what}{end}"))
        })
    };
    let unpacked = source.unpack(decide, open, told).await?;
    let restored = Restored {
        backup: unpacked.manifest.header.id.to_string(),
        taken_at: unpacked.manifest.header.taken_at,
        now,
        log,
        certificates,
        accepts_audit_alarm,
    };
    let (epoch, mut warnings) = begin_epoch(&unpacked, restored).await?;
    warnings.extend(kept_lists(&unpacked).await?);
    let Unpacked {
        manifest,
        signature,
        restore,
        place,
    } = unpacked;
    drop(restore);
    warnings.extend(write_configuration(&place, &store)?);
    interrupt::check()?;
    let when = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let old_state = place.switch(&when)?;
    drop(held);
    // From here on only what is in the backup, and only as copies, is among what was made ready.
    let names: Vec<FileName> = manifest.files.iter().map(|file| file.name.clone()).collect();
    let put = place.put_outside(&names, replaces, &when)?;
    let config = Config::load(&place.config_file())?.store_config()?;
    let finished = open_when_free(&config).await?;
    store::restore::complete(&finished).await?;
    let _ = fs::remove_dir_all(&place.staging);
    Ok(Done {
        manifest,
        signature,
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
async fn begin_epoch(unpacked: &Unpacked, restored: Restored) -> Result<(Option<NewEpoch>, Vec<String>)> {
    let store = unpacked.restore.store();
    let mut warnings = Vec::new();
    // The head of the log is among the settings, which come with the change below.
    if let Some(log) = restored.log.clone() {
        let skipped = log.skipped_lines();
        if let Some(first) = skipped.first() {
            warnings.push(format!(
                "{} lines of the export are no JSON and were passed over, the first is line {first}; no entry is missing for them",
                skipped.len()
            ));
        }
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
    let epoch = unpacked
        .restore
        .settle(move |tx| ca::begin_epoch(tx, &restored))
        .await?;
    if let Some(alarm) = epoch
        .as_ref()
        .and_then(|epoch: &NewEpoch| epoch.audit_alarm.as_ref())
    {
        warnings.push(format!(
            "the audit log of the backup was not what was signed: {alarm}"
        ));
    }
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

/// What is told of the lists that are handed out until the server has made others.
async fn kept_lists(unpacked: &Unpacked) -> Result<Option<String>> {
    let folder = unpacked.place.staged(Role::State).join("crls");
    let lists = unpacked.restore.store().read(ca::crls_in_files).await?;
    let mut kept: Vec<String> = lists
        .into_iter()
        .filter(|list| !list.is_imported && folder.join(&list.name).is_file())
        .map(|list| {
            let until = Timestamp::from_millisecond(list.next_update)?;
            Ok(format!("{} {} (until {until:.0})", list.issuer, list.number))
        })
        .collect::<Result<_>>()?;
    let more = kept.len().saturating_sub(TOLD_LISTS);
    kept.truncate(TOLD_LISTS);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    Ok((!kept.is_empty()).then(|| {
        format!(
            "the CRLs of the backup are handed out until the server has made newer ones: {}{more}. A CA whose key is on no token any more \
             makes none, and what was revoked after the backup is not on its list",
            kept.join(", ")
        )
    }))
}

/// Where the configuration of the backup is kept when another is written.
fn of_backup(file: &Path) -> PathBuf {
    file.with_extension("toml.of-backup")
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

/// The configurations as they are to be where they will be; what is told of one that is not as it was.
fn write_configuration(place: &Place, given: &StoreArgs) -> Result<Option<String>> {
    let file = place.staged_config();
    let mut text = fs::read_to_string(&file)?;
    if given.is_given() {
        files::write(&of_backup(&file), text.as_bytes(), Readers::Owner)?;
        text = with_store(&text, given)?;
    }
    write_moved(place, &file, &text)?;
    if let Some(signing) = &place.from.signing
        && signing.role != Role::Elsewhere
    {
        let file = place.staged_file(signing);
        write_moved(place, &file, &fs::read_to_string(&file)?)?;
    }
    Ok(given.is_given().then(|| {
        format!(
            "the configuration was written anew, with the store that was named and without its comments; what it was is beside it: {}",
            of_backup(&place.config_file()).display()
        )
    }))
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
