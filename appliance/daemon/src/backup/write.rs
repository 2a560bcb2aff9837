//! Making a backup, beside a running server or without one.
//!
//! The tables come out of one snapshot; what is written is compressed and encrypted on a thread of its own, with a few pieces between
//! them, so that memory stays small however large the store is. The file gets its name when all of it is on the disk.

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use age_file::{Recipient, Sealed};
use anyhow::{Context as _, Result, anyhow, bail};
use aws_lc_rs::digest::{Context, SHA256};
use ca::Clock;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use store::dump::{Piece, TableSum};
use store::{Reader, Store};
use tar::{Builder, EntryType, Header as TarHeader};
use uuid::Uuid;

use super::collect::{Collected, Source};
use super::keys::random;
use super::manifest::{
    AuditEnd, FORMAT, File, HEADER, Header, Key, MANIFEST, Manifest, PieceSum, SIGNATURE, TABLES,
};
use super::sealing::Sealing;
use super::signature;
use super::signing_keys::signing_keys;
use crate::config::Config;
use crate::interrupt;

/// Pieces of the store that wait for the thread that writes.
const WAITING: usize = 3;
/// Octets that are written at once.
const BUFFER: usize = 1 << 20;

/// How far it is: a table, how many of its rows are done, and how many there are.
pub(crate) type Told<'a> = Box<dyn FnMut(&'static str, u64, u64) + Send + 'a>;

/// Where it goes.
#[derive(Debug)]
pub(crate) enum Target {
    /// A new file.
    File(PathBuf),
    /// Standard output.
    Output,
}

/// What was made.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) manifest: Manifest,
    /// Its length.
    pub(crate) octets: u64,
    /// Why it is not signed, if it is not.
    pub(crate) unsigned: Option<String>,
}

enum Part {
    Header(Box<Header>),
    Files(Vec<Source>),
    Piece(Piece),
    End(Box<End>),
}

/// What the manifest has besides the files.
struct End {
    header: Header,
    tables: Vec<TableSum>,
    audit: AuditEnd,
    keys: Vec<Key>,
    left_out: Vec<String>,
    sealing: Sealing,
}

/// Makes a backup.
pub(crate) async fn write(
    config_file: &Path,
    target: Target,
    recipients: Vec<Recipient>,
    told: Told<'static>,
) -> Result<Made> {
    let config = Config::load(config_file)?;
    let store_config = config.store_config()?;
    let (found, schema) = Store::schema_versions(&store_config)?;
    if found > schema {
        bail!(
            "the store has schema version {found}, this program knows {schema} and would leave out what is new: make the backup with \
             the newer program"
        );
    }
    let store = Store::open_read_only(&store_config).context("opening the store")?;
    let collected = Collected::look(config_file, &config, &store_config)?;
    let of = store.read(|reader| {
        let unfinished = store::restore::unfinished(reader)?;
        Ok((
            unfinished,
            store::epoch::installation(reader)?,
            store::epoch::current(reader)?,
        ))
    });
    let (unfinished, installation, epoch) = of.await?;
    if let Some(unfinished) = unfinished {
        bail!("this is no store to be backed up: {unfinished}");
    }
    if store.read(store::is_copy_unfinished).await? {
        bail!("this is no store to be backed up: a copy into it broke off; run `chancery store copy` again");
    }
    // To the second, because people write it; earlier rather than later.
    let taken_at = Timestamp::from_second(Clock::system().now().as_second())?;
    let header = Header {
        format: FORMAT,
        id: Uuid::now_v7(),
        program: "chancery".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        schema,
        installation,
        epoch,
        taken_at,
        places: collected.places.clone(),
    };
    let sealing = Sealing::look(&config, &store).await?;
    let (send, receive) = sync_channel(WAITING);
    let writing = std::thread::Builder::new()
        .name("backup".to_owned())
        .spawn(move || write_target(target, &recipients, &receive))?;
    let fed = feed(&store, (header, sealing), collected, send, told).await;
    let written = tokio::task::spawn_blocking(move || writing.join()).await?;
    let made = written.map_err(|_| anyhow!("the thread that writes the backup broke off"))?;
    match (made, fed) {
        // What stopped the feeding, unless that was the end of the writing.
        (_, Err(error)) if !error.is::<Gone>() => Err(error),
        (made, _) => made,
    }
}

/// The other side does not take anything any more, and knows why.
#[derive(Debug, thiserror::Error)]
#[error("the backup could not be written")]
struct Gone;

/// Hands out the parts. When the other side is gone, it says why.
async fn feed(
    store: &Store,
    (header, sealing): (Header, Sealing),
    mut collected: Collected,
    send: SyncSender<Part>,
    mut told: Told<'static>,
) -> Result<()> {
    let gone = || Gone;
    send.send(Part::Header(Box::new(header.clone())))
        .map_err(|_| gone())?;
    send.send(Part::Files(collected.first.clone()))
        .map_err(|_| gone())?;
    let pieces = send.clone();
    let (software, tokens) = (collected.has_software_keys, collected.soft_tokens.clone());
    let read = store.read(move |reader| {
        let mut rows = (TABLES, 0, 0);
        let tables = store::dump::dump(reader, |piece| {
            if rows.0 != piece.table {
                rows = (piece.table, 0, count(reader, piece.table)?);
            }
            rows.1 += piece.rows;
            told(rows.0, rows.1, rows.2);
            if interrupt::is_asked() || pieces.send(Part::Piece(piece)).is_err() {
                return Err(store::Error::Closed);
            }
            Ok(())
        })?;
        let is_included = |token: &str| match token {
            "software" => software,
            token => tokens.iter().any(|one| one == token),
        };
        let keys = signing_keys(reader, is_included)?;
        Ok((tables, audit_end(reader)?, keys, ca::crls_in_files(reader)?))
    });
    let (tables, audit, keys, lists) = match read.await {
        Err(store::Error::Closed) => {
            interrupt::check()?;
            return Err(gone().into());
        }
        read => read?,
    };
    let rest = collected.rest(&lists)?;
    send.send(Part::Files(rest)).map_err(|_| gone())?;
    let end = End {
        header,
        tables,
        audit,
        keys,
        left_out: collected.left_out,
        sealing,
    };
    send.send(Part::End(Box::new(end))).map_err(|_| gone())?;
    Ok(())
}

fn count(reader: &Reader<'_>, name: &str) -> store::Result<u64> {
    let table = store::dump::tables().find(|table| table.name == name);
    table.map_or(Ok(0), |table| table.count(reader))
}

fn audit_end(reader: &Reader<'_>) -> store::Result<AuditEnd> {
    let entries = store::audit::last(reader)?;
    let last = store::audit::after(reader, entries - 1, 1)?;
    Ok(AuditEnd {
        entries,
        head: last.first().map(|one| hexadecimal(&one.hash)).unwrap_or_default(),
    })
}

/// Writes it to where it goes. Of a file that cannot be written to its end nothing stays.
fn write_target(target: Target, recipients: &[Recipient], parts: &Receiver<Part>) -> Result<Made> {
    let Target::File(path) = target else {
        let out = BufWriter::with_capacity(BUFFER, io::stdout());
        return write_parts(out, recipients, parts).map(|(made, _)| made);
    };
    let beside = beside(&path);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside);
    let file = file.with_context(|| format!("making {}", beside.display()))?;
    let finish = || {
        let (made, out) = write_parts(BufWriter::with_capacity(BUFFER, file), recipients, parts)?;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(&beside, &path)?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::File::open(folder)?.sync_all()?;
        }
        Ok(made)
    };
    finish().map_err(|error: anyhow::Error| {
        // It may never have got there.
        let _ = fs::remove_file(&beside);
        explain(error, &path)
    })
}

fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.chancery-new"))
}

fn explain(error: anyhow::Error, path: &Path) -> anyhow::Error {
    let is_full = error.chain().any(|cause| {
        let kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        matches!(
            kind,
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        )
    });
    let what = if is_full {
        format!(
            "the disk of {} is full: make room, or write the backup elsewhere; nothing of it was kept",
            path.display()
        )
    } else {
        format!("writing {}", path.display())
    };
    error.context(what)
}

fn write_parts<W: Write>(out: W, recipients: &[Recipient], parts: &Receiver<Part>) -> Result<(Made, W)> {
    let counted = Counted { out, octets: 0 };
    let sealed = age_file::seal(counted, recipients, &mut random)?;
    let mut archive = Archive {
        builder: Builder::new(GzEncoder::new(sealed, Compression::fast())),
        files: Vec::new(),
        pieces: PieceSum::new(),
        at: 0,
    };
    loop {
        match parts.recv() {
            Ok(Part::Header(header)) => {
                archive.at = u64::try_from(header.taken_at.as_second()).unwrap_or(0);
                archive.put(Path::new(HEADER), &serde_json::to_vec_pretty(&header)?)?;
            }
            Ok(Part::Files(files)) => files.iter().try_for_each(|file| archive.file(file))?,
            Ok(Part::Piece(piece)) => {
                let name = format!("{TABLES}/{}/{:08}", piece.table, archive.pieces.count() + 1);
                archive.pieces.take(Path::new(&name), &piece.octets);
                archive.put(Path::new(&name), &piece.octets)?;
            }
            Ok(Part::End(end)) => return archive.end(*end),
            Err(_) => bail!("what was to be written did not come to its end"),
        }
    }
}

/// The archive that is being written.
struct Archive<W: Write> {
    builder: Builder<GzEncoder<Sealed<Counted<W>>>>,
    files: Vec<File>,
    pieces: PieceSum,
    at: u64,
}

impl<W: Write> Archive<W> {
    fn put(&mut self, name: &Path, octets: &[u8]) -> Result<()> {
        self.append(name, 0o600, octets.len() as u64, octets)
    }

    fn append(&mut self, name: &Path, mode: u32, octets: u64, contents: impl Read) -> Result<()> {
        let mut header = TarHeader::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(mode);
        header.set_mtime(self.at);
        header.set_size(octets);
        Ok(self.builder.append_data(&mut header, name, contents)?)
    }

    /// A file as long as it is now: a log may grow meanwhile.
    fn file(&mut self, source: &Source) -> Result<()> {
        let reading = || format!("reading {}", source.file.display());
        let file = match fs::File::open(&source.file) {
            Ok(file) => file,
            // It was there a moment ago, and nobody needs it now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).with_context(reading),
        };
        let about = file.metadata().with_context(reading)?;
        let mut contents = Whole {
            left: about.len(),
            digest: Context::new(&SHA256),
            input: file,
        };
        let mode = about.permissions().mode() & 0o777;
        self.append(&source.name.in_archive(), mode, about.len(), &mut contents)
            .with_context(reading)?;
        self.files.push(File {
            name: source.name.clone(),
            mode,
            octets: about.len(),
            digest: hexadecimal(contents.digest.finish().as_ref()),
        });
        Ok(())
    }

    fn end(mut self, end: End) -> Result<(Made, W)> {
        let manifest = Manifest {
            header: end.header,
            tables: end.tables,
            audit: end.audit,
            keys: end.keys,
            files: std::mem::take(&mut self.files),
            left_out: end.left_out,
            pieces: Some(std::mem::replace(&mut self.pieces, PieceSum::new()).finish()),
            log_key: end.sealing.verifier(),
        };
        let text = serde_json::to_vec_pretty(&manifest)?;
        self.put(Path::new(MANIFEST), &text)?;
        let unsigned = match end.sealing.sign(&signature::text(&text, &manifest)) {
            Ok(note) => {
                self.put(Path::new(SIGNATURE), note.as_bytes())?;
                None
            }
            Err(why) => Some(why),
        };
        let counted = self.builder.into_inner()?.finish()?.finish()?;
        let octets = counted.octets;
        let made = Made {
            manifest,
            octets,
            unsigned,
        };
        Ok((made, counted.out))
    }
}

/// Exactly so many octets of a file, or an error.
struct Whole {
    input: fs::File,
    left: u64,
    digest: Context,
}

impl Read for &mut Whole {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let buffer = buffer.get_mut(..most).unwrap_or_default();
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = self.input.read(buffer)?;
        if read == 0 {
            return Err(io::Error::other("it became shorter while it was read: try again"));
        }
        self.left -= read as u64;
        self.digest.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// Counts what goes through.
struct Counted<W> {
    out: W,
    octets: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let written = self.out.write(octets)?;
        self.octets += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Octets as lower-case hexadecimal digits.
pub(crate) fn hexadecimal(octets: &[u8]) -> String {
    use std::fmt::Write as _;
    octets.iter().fold(String::new(), |mut text, octet| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}
