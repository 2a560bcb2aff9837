//! Everything of a backup but the last step: files and tables go to where they are made ready, and are compared with the manifest.

use std::path::{Path, PathBuf};

use age_file::Identity;
use anyhow::{Context as _, Result, anyhow, bail};
use store::{Restore, Store, StoreConfig};
use tlog::NoteKey;
use tokio::sync::{mpsc, oneshot};

use super::manifest::{Header, Manifest};
use super::place::Place;
use super::read::{self, Item};
use super::signature::Signature;
use crate::config::Config;
use crate::interrupt;

/// Pieces that wait for the store.
const WAITING: usize = 3;

/// Which backup, and what opens it.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) file: PathBuf,
    pub(crate) identities: Vec<Identity>,
    /// The key that must have signed it.
    pub(crate) signed_by: Option<NoteKey>,
}

/// How far it is: what is done, with which table, how many rows, and of how many when that is known.
pub(crate) type Told<'a> = dyn FnMut(&'static str, &str, u64, Option<u64>) + Send + 'a;

/// What was made ready.
#[derive(Debug)]
pub(crate) struct Unpacked {
    pub(crate) manifest: Manifest,
    pub(crate) signature: Signature,
    pub(crate) restore: Restore,
    pub(crate) place: Place,
}

impl Source {
    /// Only what the backup says of itself, after all of it was read, and after the signature was verified that is asked for.
    pub(crate) async fn inspect(&self) -> Result<(Manifest, Signature)> {
        self.read_through(None, |_, _| Ok(())).await
    }

    /// The same, with the files put into a folder, and a look at each piece of a table.
    pub(crate) async fn read_through(
        &self,
        folder: Option<&Path>,
        mut look: impl FnMut(&str, &[u8]) -> Result<()>,
    ) -> Result<(Manifest, Signature)> {
        let (mut items, reading) = self.begin()?;
        let mut found = None;
        while let Some(item) = items.recv().await {
            interrupt::check()?;
            match item {
                Item::Header(_, answer) => drop(answer.send(folder.map(Path::to_owned))),
                Item::Piece { table, octets } => look(&table, &octets)?,
                Item::Manifest(manifest, signature) => found = Some((*manifest, *signature)),
            }
        }
        reading.await??;
        let (manifest, signature) = found.context("the backup has no manifest")?;
        self.check(&signature)?;
        Ok((manifest, signature))
    }

    /// Whether the key made it that must have made it.
    fn check(&self, signature: &Signature) -> Result<()> {
        self.signed_by
            .as_ref()
            .map_or(Ok(()), |trusted| signature.check(trusted))
    }

    /// Whose it is comes last in it, and before that its configuration says which database is opened, and with which secrets. So
    /// where a key is named, all of it is read once before anything is done with it.
    async fn check_before(&self, told: &mut Told<'_>) -> Result<()> {
        if self.signed_by.is_none() {
            return Ok(());
        }
        if self.file == Path::new("-") {
            bail!(
                "a backup is read twice to see who signed it before anything is done with it, which standard input cannot be: write it \
                 into a file first"
            );
        }
        told("looking at", "the signature", 0, None);
        self.inspect().await.map(|_| ())
    }

    /// Makes it ready. `decide` looks at the header and says where; `open` opens the store once the configuration is there.
    pub(crate) async fn unpack(
        self,
        decide: impl FnOnce(&Header) -> Result<Place>,
        open: impl FnOnce(&Place) -> Result<Store>,
        told: &mut Told<'_>,
    ) -> Result<Unpacked> {
        self.check_before(told).await?;
        let (mut items, reading) = self.begin()?;
        let outcome = take(&mut items, decide, open, told).await;
        let outcome = outcome.and_then(|unpacked| {
            self.check(&unpacked.signature)?;
            Ok(unpacked)
        });
        // The other side ends when nobody takes what it reads, and knows best why it ended before.
        drop(items);
        let read = reading.await?;
        match outcome {
            Err(error) if read.is_ok() || !error.is::<CutShort>() => Err(error),
            outcome => {
                read?;
                outcome
            }
        }
    }

    fn begin(&self) -> Result<(mpsc::Receiver<Item>, tokio::task::JoinHandle<Result<()>>)> {
        let (send, items) = mpsc::channel(WAITING);
        let input = read::open(&self.file)?;
        let identities = self.identities.clone();
        let reading = tokio::task::spawn_blocking(move || read::read(input, &identities, &send));
        Ok((items, reading))
    }
}

/// Nothing more came, and no manifest.
#[derive(Debug, thiserror::Error)]
#[error("the backup ended early")]
struct CutShort;

async fn take(
    items: &mut mpsc::Receiver<Item>,
    decide: impl FnOnce(&Header) -> Result<Place>,
    open: impl FnOnce(&Place) -> Result<Store>,
    told: &mut Told<'_>,
) -> Result<Unpacked> {
    let Some(Item::Header(header, answer)) = items.recv().await else {
        return Err(CutShort.into());
    };
    let place = decide(&header)?;
    make_staging(&place, answer)?;
    let mut waiting = Some(open);
    let mut restore: Option<Restore> = None;
    let mut at = (String::new(), 0);
    while let Some(item) = items.recv().await {
        interrupt::check()?;
        let filled = match (&mut restore, waiting.take()) {
            (Some(restore), _) => restore,
            (None, Some(open)) => {
                let store = open(&place)?;
                restore.insert(Restore::begin(store, &header.id.to_string()).await?)
            }
            (None, None) => return Err(CutShort.into()),
        };
        match item {
            Item::Piece { table, octets } => {
                let rows = filled.take(&table, &octets).await?;
                if at.0 != table {
                    at = (table, 0);
                }
                at.1 += rows;
                told("restoring", &at.0, at.1, None);
            }
            Item::Manifest(manifest, signature) => {
                let compared = filled.compare(&manifest.tables, |sum| {
                    told("comparing", &sum.name, 0, Some(sum.rows));
                });
                compared.await?;
                let restore = restore.ok_or(CutShort)?;
                return Ok(Unpacked {
                    manifest: *manifest,
                    signature: *signature,
                    restore,
                    place,
                });
            }
            Item::Header(..) => return Err(anyhow!("the backup has two headers")),
        }
    }
    Err(CutShort.into())
}

/// An empty folder for what is made ready; what an earlier restore left there goes.
fn make_staging(place: &Place, answer: oneshot::Sender<Option<PathBuf>>) -> Result<()> {
    let staging = &place.staging;
    let make = || {
        if staging.exists() {
            std::fs::remove_dir_all(staging)?;
        }
        crate::files::private_folder(staging)?;
        crate::files::private_folder(&place.staged(super::manifest::Role::State))
    };
    make().with_context(|| format!("making the folder {}", staging.display()))?;
    answer.send(Some(staging.clone())).map_err(|_| CutShort.into())
}

/// The configuration of the store, as it is while everything is made ready: what is written into the staged configuration is
/// what belongs to the places where it will be.
pub(crate) fn staged_config(place: &Place) -> Result<Config> {
    let file = place.staged_config();
    let text = std::fs::read_to_string(&file).context("the backup has no configuration")?;
    let here = Place::sandbox(&place.from, &place.staging);
    let passing = file.with_file_name(".staged.chancery-new");
    crate::files::write(
        &passing,
        here.moved(&text).as_bytes(),
        crate::files::Readers::Owner,
    )?;
    let config = Config::load(&passing);
    std::fs::remove_file(&passing)?;
    Ok(config?)
}

/// An SQLite store in a folder of what is made ready.
pub(crate) fn staged_sqlite(folder: &Path, name: &Path) -> StoreConfig {
    StoreConfig::new(folder.join(name))
}
