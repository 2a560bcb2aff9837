//! Signed OCSP answers on disk: a cache, and nothing else.
//!
//! It holds nothing that cannot be signed again, so it is neither fsynced nor migrated: when it cannot be opened, it is
//! thrown away and begun anew. Reading is done where it is asked for, writing by a thread of its own, because a write may
//! wait for the disk; when that thread falls behind, what it cannot take is dropped.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::crash_point;
use crate::error::{Error, Result};

/// What is known of the answers, apart from them.
const ABOUT: &str = "about";
/// Of which epoch they are.
const EPOCH: &str = "epoch";
/// Octets of memory sled may use for pages.
const PAGES: u64 = 64 << 20;
/// Writes that may wait.
const WAITING: usize = 8192;
/// How long somebody else may have the folder open.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long writes gather, unless somebody waits for them: a thread that is woken for each costs more than the write.
const GATHERING: Duration = Duration::from_millis(20);

/// The answers. Clones are one.
#[derive(Clone, Debug)]
pub struct OcspAnswers {
    db: sled::Db,
    writes: SyncSender<Write>,
    writer: Arc<Mutex<Option<JoinHandle<()>>>>,
    lost: Arc<AtomicU64>,
    begun_anew: Option<Arc<str>>,
}

#[derive(Debug)]
enum Write {
    Put(Vec<u8>, Vec<u8>),
    /// Everything before it is in the store.
    Done(SyncSender<()>),
    Stop,
}

impl OcspAnswers {
    /// Opens the folder, and begins anew when it cannot be read or is of another epoch of the store ([`crate::epoch`]). One that
    /// somebody else has open is not touched.
    pub fn open(folder: &Path, epoch: i64) -> Result<Self> {
        let failed = |error: sled::Error| Error::Cache(error.to_string());
        let (db, begun_anew) = match open_when_free(folder) {
            Ok(db) => (db, None),
            Err(error) if is_in_use(&error) => {
                return Err(Error::CacheInUse {
                    folder: folder.to_owned(),
                });
            }
            Err(error) => {
                clear(folder).map_err(|error| failed(error.into()))?;
                (open(folder).map_err(failed)?, Some(error.to_string().into()))
            }
        };
        of_epoch(&db, epoch).map_err(failed)?;
        let (writes, waiting) = sync_channel(WAITING);
        let lost = Arc::<AtomicU64>::default();
        let thread = std::thread::Builder::new()
            .name("ocsp-answers".to_owned())
            .spawn({
                let (db, lost) = (db.clone(), Arc::clone(&lost));
                move || write_all(&db, &waiting, &lost)
            });
        let thread = thread.map_err(|error| failed(error.into()))?;
        Ok(Self {
            db,
            writes,
            writer: Arc::new(Mutex::new(Some(thread))),
            lost,
            begun_anew,
        })
    }

    /// Why the folder was begun anew when it was opened, if it was.
    pub fn begun_anew(&self) -> Option<&str> {
        self.begun_anew.as_deref()
    }

    /// What is kept under a key; nothing when the disk fails, because it is a cache.
    pub fn find<T>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
        let found = self.db.get(key).ok().flatten()?;
        read(&found)
    }

    /// Keeps a value soon. It is dropped when too many wait.
    pub fn keep(&self, key: Vec<u8>, value: Vec<u8>) {
        if let Err(TrySendError::Full(_)) = self.writes.try_send(Write::Put(key, value)) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until everything that was to be kept can be found.
    pub fn settle(&self) {
        let (done, settled) = sync_channel(1);
        if self.writes.send(Write::Done(done)).is_ok() {
            if let Some(writer) = self.writer.lock().as_ref() {
                writer.thread().unpark();
            }
            let _ = settled.recv();
        }
    }

    /// Removes what is no longer wanted; gives how many.
    pub fn trim(&self, mut is_wanted: impl FnMut(&[u8]) -> bool) -> usize {
        let unwanted = self
            .db
            .iter()
            .filter_map(std::result::Result::ok)
            .filter(|(_, value)| !is_wanted(value));
        unwanted
            .filter(|(key, _)| self.db.remove(key).is_ok_and(|removed| removed.is_some()))
            .count()
    }

    /// How many there are. Counts them.
    pub fn count(&self) -> usize {
        self.db.len()
    }

    /// How many were not kept, because too many waited or the disk failed.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Ends the writing thread, after everything that waits, and lets go of the folder.
    pub fn close(&self) {
        if let Some(writer) = self.writer.lock().take() {
            let _ = self.writes.send(Write::Stop);
            writer.thread().unpark();
            let _ = writer.join();
            let _ = self.db.flush();
        }
    }
}

/// What was signed in another epoch may say what is not so in this one. It is on the disk before the first answer of this one is.
fn of_epoch(db: &sled::Db, epoch: i64) -> sled::Result<()> {
    let (about, epoch) = (db.open_tree(ABOUT)?, epoch.to_be_bytes());
    let is_first = about.is_empty() && epoch == [0; 8];
    if is_first || about.get(EPOCH)?.is_some_and(|known| known == epoch) {
        return Ok(());
    }
    db.clear()?;
    about.insert(EPOCH, &epoch)?;
    db.flush().map(drop)
}

/// Who closed the folder a moment ago may still hold its lock: sled lets go of it on a thread of its own.
fn open_when_free(folder: &Path) -> sled::Result<sled::Db> {
    let until = Instant::now() + PATIENCE;
    loop {
        match open(folder) {
            Err(error) if is_in_use(&error) && Instant::now() < until => {
                std::thread::park_timeout(Duration::from_millis(10));
            }
            opened => return opened,
        }
    }
}

/// sled has no error of its own for this.
fn is_in_use(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error) if error.to_string().contains("could not acquire lock"))
}

fn open(folder: &Path) -> sled::Result<sled::Db> {
    sled::Config::new()
        .path(folder)
        .cache_capacity(PAGES)
        .mode(sled::Mode::HighThroughput)
        .flush_every_ms(Some(1000))
        .open()
}

fn clear(folder: &Path) -> std::io::Result<()> {
    if folder.is_dir() {
        std::fs::remove_dir_all(folder)
    } else {
        std::fs::remove_file(folder)
    }
}

/// Writes one after the other: a batch would stop those who read for as long as it takes, and sled writes it to its file at
/// once, which costs as much as many answers.
fn write_all(db: &sled::Db, waiting: &Receiver<Write>, lost: &AtomicU64) {
    while let Ok(first) = waiting.recv() {
        std::thread::park_timeout(GATHERING);
        for write in std::iter::once(first).chain(waiting.try_iter()) {
            match write {
                Write::Put(key, value) => {
                    crash_point::pass(|| "OCSP answer: before it is kept".to_owned());
                    if db.insert(key, value).is_err() {
                        lost.fetch_add(1, Ordering::Relaxed);
                    }
                }
                // Who asked may have gone.
                Write::Done(sender) => drop(sender.send(())),
                Write::Stop => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "the shape that is asked for")]
    fn octets(value: &[u8]) -> Option<Vec<u8>> {
        Some(value.to_vec())
    }

    #[test]
    fn what_was_kept_is_found_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let answers = OcspAnswers::open(folder.path(), 0).unwrap();
        answers.keep(b"one".to_vec(), b"1".to_vec());
        answers.keep(b"two".to_vec(), b"2".to_vec());
        answers.keep(b"one".to_vec(), b"11".to_vec());
        answers.settle();
        assert_eq!(answers.find(b"one", octets), Some(b"11".to_vec()));
        answers.close();
        drop(answers);
        let answers = OcspAnswers::open(folder.path(), 0).unwrap();
        assert_eq!(
            (answers.find(b"two", octets), answers.count()),
            (Some(b"2".to_vec()), 2)
        );
        assert_eq!(answers.trim(|value| value == b"2"), 1);
        assert_eq!((answers.find(b"one", octets), answers.count()), (None, 1));
        answers.close();
    }

    #[test]
    fn what_somebody_else_has_open_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let answers = OcspAnswers::open(folder.path(), 0).unwrap();
        answers.keep(b"one".to_vec(), b"1".to_vec());
        answers.settle();
        let refused = OcspAnswers::open(folder.path(), 0).unwrap_err();
        assert!(matches!(refused, Error::CacheInUse { .. }), "{refused:?}");
        assert_eq!(answers.find(b"one", octets), Some(b"1".to_vec()));
        answers.close();
        drop(answers);
        let answers = OcspAnswers::open(folder.path(), 0).unwrap();
        assert_eq!(answers.find(b"one", octets), Some(b"1".to_vec()));
        answers.close();
    }

    #[test]
    fn what_cannot_be_read_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let answers = OcspAnswers::open(folder.path(), 0).unwrap();
        answers.keep(b"one".to_vec(), b"1".to_vec());
        answers.close();
        drop(answers);
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                std::fs::write(path, "scribble").unwrap();
            }
        }
        let answers = OcspAnswers::open(folder.path(), 0).unwrap();
        assert_eq!(answers.find(b"one", octets), None);
        answers.keep(b"two".to_vec(), b"2".to_vec());
        answers.settle();
        assert_eq!(answers.find(b"two", octets), Some(b"2".to_vec()));
        answers.close();
    }

    #[test]
    fn what_is_of_another_epoch_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        for (epoch, is_kept) in [
            (0, false),
            (0, true),
            (1, false),
            (1, true),
            (0, false),
            (2, false),
        ] {
            let answers = OcspAnswers::open(folder.path(), epoch).unwrap();
            assert_eq!(answers.find(b"one", octets).is_some(), is_kept, "{epoch}");
            answers.keep(b"one".to_vec(), b"1".to_vec());
            answers.settle();
            answers.close();
        }
    }

    #[test]
    fn what_is_no_folder_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("answers");
        std::fs::write(&place, "scribble").unwrap();
        let answers = OcspAnswers::open(&place, 0).unwrap();
        assert!(answers.begun_anew().is_some());
        answers.keep(b"one".to_vec(), b"1".to_vec());
        answers.settle();
        assert_eq!((answers.count(), answers.lost()), (1, 0));
        answers.close();
    }
}
