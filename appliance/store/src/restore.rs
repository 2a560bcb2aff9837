//! Filling an empty store with what a backup has of another.
//!
//! From the first row on the store is marked, and nobody opens it to serve. The rows of a table arrive in the order of their keys, so
//! that a restore into a database that broke off goes on after the last that arrived. The settings come with the change that makes a
//! store of it, in one transaction; the mark is taken away when everything beside the store is in its place, too.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};

use crate::audit::hex;
use crate::db::{Reader, Store, Tx};
use crate::dump::{self, SETTINGS, TableSum};
use crate::error::{Error, Result};
use crate::settings;
use crate::tables::Values;
use crate::value::Value;

/// The mark: which backup is restored, and how far it is.
const UNFINISHED: &str = "restore.unfinished";
const LOADING: &str = "loading";
const PLACING: &str = "placing";

/// A store that is being filled.
#[derive(Debug)]
pub struct Restore {
    store: Store,
    of: String,
    arrived: HashMap<&'static str, u64>,
    settings: Vec<(String, String)>,
    settings_sum: Option<(u64, String)>,
    is_loaded: bool,
}

/// What is said of a store that a restore broke off in; nothing of others.
pub fn unfinished(reader: &Reader<'_>) -> Result<Option<String>> {
    let mark = settings::find(reader, UNFINISHED)?;
    Ok(mark.map(|mark| {
        let of = mark.split(' ').next().unwrap_or_default();
        format!(
            "a restore of the backup {of} into it broke off: run `chancery restore` again with the same file"
        )
    }))
}

/// Whether a restore broke off in it after it was made a store: what is missing then is beside it.
pub fn is_settled(reader: &Reader<'_>) -> Result<bool> {
    let mark = settings::find(reader, UNFINISHED)?;
    Ok(mark.is_some_and(|mark| mark.split_once(' ').is_some_and(|(_, stage)| stage == PLACING)))
}

impl Restore {
    /// Marks an empty store, or finds that the restore of the same backup broke off in it.
    pub async fn begin(store: Store, of: &str) -> Result<Self> {
        let backup = of.to_owned();
        let is_loaded = store.write(move |tx| begin(tx, &backup)).await?;
        let mut arrived = HashMap::new();
        for table in dump::tables().filter(|table| table.name != SETTINGS) {
            let count = store.read(|reader| table.count(reader)).await?;
            arrived.insert(table.name, count);
        }
        Ok(Self {
            store,
            of: of.to_owned(),
            arrived,
            settings: Vec::new(),
            settings_sum: None,
            is_loaded,
        })
    }

    /// Whether everything is in it already, of a restore that broke off after that.
    pub fn is_loaded(&self) -> bool {
        self.is_loaded
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Takes a piece; gives how many rows it has.
    pub async fn take(&mut self, table: &str, octets: &[u8]) -> Result<u64> {
        let known = dump::tables().find(|one| one.name == table);
        let table =
            known.ok_or_else(|| Error::Corrupt(format!("a table {table} that this program has not")))?;
        let mut rows = crate::rows::decode(table, octets)?;
        let count = rows.len() as u64;
        if self.is_loaded {
            return Ok(count);
        }
        if table.name == SETTINGS {
            self.keep_settings(octets, &rows)?;
            return Ok(count);
        }
        let arrived = self.arrived.entry(table.name).or_default();
        let known = usize::try_from(*arrived).map_or(rows.len(), |known| known.min(rows.len()));
        *arrived -= known as u64;
        rows.drain(..known);
        if !rows.is_empty() {
            self.store.write(move |tx| table.insert(tx, &rows)).await?;
        }
        Ok(count)
    }

    fn keep_settings(&mut self, octets: &[u8], rows: &[Values]) -> Result<()> {
        for row in rows {
            match row.as_slice() {
                [Value::Text(key), Value::Text(value)] => {
                    self.settings.push((key.to_string(), value.to_string()));
                }
                _ => return Err(Error::Corrupt("a setting".to_owned())),
            }
        }
        self.settings_sum = Some((rows.len() as u64, hex(digest(&SHA256, octets).as_ref())));
        Ok(())
    }

    /// Compares what is in the store with what was in the one that was backed up, by `told` with the name of each table.
    pub async fn compare(&self, sums: &[TableSum], mut told: impl FnMut(&TableSum)) -> Result<()> {
        if self.is_loaded {
            return Ok(());
        }
        for table in dump::tables() {
            let wanted = sums.iter().find(|sum| sum.name == table.name);
            let wanted =
                wanted.ok_or_else(|| Error::Corrupt(format!("no table {} in the backup", table.name)))?;
            told(wanted);
            let found = if table.name == SETTINGS {
                self.settings_sum.clone()
            } else {
                let sum = self.store.read(|reader| dump::sum(reader, table)).await?;
                Some((sum.rows, sum.digest))
            };
            if found != Some((wanted.rows, wanted.digest.clone())) {
                let what = format!("what arrived of {} differs from the backup", table.name);
                return Err(Error::Corrupt(what));
            }
        }
        Ok(())
    }

    /// Makes a store of it, with further changes, in one transaction. It stays marked until [`complete`].
    pub async fn settle<T, F>(&self, mut change: F) -> Result<Option<T>>
    where
        T: Send + 'static,
        F: FnMut(&Tx<'_>) -> Result<T> + Send + 'static,
    {
        if self.is_loaded {
            return Ok(None);
        }
        let (settings, mark) = (self.settings.clone(), format!("{} {PLACING}", self.of));
        let settled = self.store.write(move |tx| {
            tx.execute("DELETE FROM settings", &[])?;
            for (key, value) in &settings {
                settings::put(tx, key, value)?;
            }
            settings::put(tx, UNFINISHED, &mark)?;
            change(tx)
        });
        settled.await.map(Some)
    }
}

/// Takes the mark away: from now on it is a store.
pub async fn complete(store: &Store) -> Result<()> {
    let sql = "DELETE FROM settings WHERE key = ?1";
    store
        .write(move |tx| tx.execute(sql, &[UNFINISHED.into()]))
        .await?;
    Ok(())
}

/// How a store is that a backup is to be restored into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Nothing is in it.
    Empty,
    /// A restore of the same backup broke off in it while rows arrived.
    Loading,
    /// The same, after everything was in it.
    Loaded,
}

/// Looks whether a backup can be restored into it.
pub fn look(reader: &Reader<'_>, of: &str) -> Result<Target> {
    if let Some(known) = settings::find(reader, UNFINISHED)? {
        return match known.split_once(' ') {
            Some((backup, PLACING)) if backup == of => Ok(Target::Loaded),
            Some((backup, _)) if backup == of => Ok(Target::Loading),
            _ => Err(Error::Rejected(
                "the restore of another backup into it broke off: go on with that one, or empty the database"
                    .to_owned(),
            )),
        };
    }
    for table in dump::tables().filter(|table| table.name != SETTINGS) {
        if table.count(reader)? > 0 {
            return Err(Error::Rejected(
                "it holds a store already: name an empty database, which leaves the old one as it is"
                    .to_owned(),
            ));
        }
    }
    Ok(Target::Empty)
}

/// Whether everything is in it already.
fn begin(tx: &Tx<'_>, of: &str) -> Result<bool> {
    let target = look(tx, of)?;
    if target == Target::Empty {
        settings::put(tx, UNFINISHED, &format!("{of} {LOADING}"))?;
    }
    Ok(target == Target::Loaded)
}
