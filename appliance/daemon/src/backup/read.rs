//! Reading a backup, on a thread of its own: files go to where the other side says, everything else is handed over.

use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use age_file::Identity;
use anyhow::{Context as _, Result, bail};
use aws_lc_rs::digest::{Context, SHA256};
use flate2::bufread::GzDecoder;
use tar::{Archive, Entry};
use tokio::sync::{mpsc, oneshot};

use super::manifest::{
    FORMAT, File, FileName, HEADER, Header, MANIFEST, Manifest, PieceSum, SIGNATURE, TABLES,
};
use super::signature::Signature;
use super::write::hexadecimal;

/// No piece of a table is longer: those that are written end soon after four MiB. Many times as much is needed for its rows.
const MOST_PIECE: u64 = 32 << 20;
/// No header or manifest is longer.
const MOST_TEXT: u64 = 64 << 20;
const BUFFER: usize = 1 << 20;

/// What was read.
#[derive(Debug)]
pub(crate) enum Item {
    /// The header; the answer is the folder for the files, or nothing when they are not wanted.
    Header(Box<Header>, oneshot::Sender<Option<PathBuf>>),
    /// Rows of a table.
    Piece { table: String, octets: Vec<u8> },
    /// The manifest, and what is signed of it: the backup is whole.
    Manifest(Box<Manifest>, Box<Signature>),
}

/// Opens a backup; `-` is standard input.
pub(crate) fn open(file: &Path) -> Result<Box<dyn BufRead + Send>> {
    if file == Path::new("-") {
        return Ok(Box::new(BufReader::with_capacity(BUFFER, io::stdin())));
    }
    let opened =
        fs::File::open(file).with_context(|| format!("the backup {} cannot be opened", file.display()))?;
    Ok(Box::new(BufReader::with_capacity(BUFFER, opened)))
}

/// Reads all of it. Ends early, without an error, when nobody takes what was read.
pub(crate) fn read(
    input: Box<dyn BufRead + Send>,
    identities: &[Identity],
    items: &mpsc::Sender<Item>,
) -> Result<()> {
    let opened = age_file::open(input, identities).map_err(|error| match error {
        age_file::Error::NotAge => anyhow::Error::from(error).context("this is no backup"),
        age_file::Error::OtherRecipients => anyhow::Error::from(error).context(
            "the backup cannot be opened: name the private key of one of its recipients by --identity",
        ),
        other => anyhow::Error::from(other).context("the backup cannot be read: use another copy of it"),
    })?;
    let unpacked = GzDecoder::new(BufReader::with_capacity(BUFFER, opened));
    let mut archive = Archive::new(unpacked);
    let manifest = read_entries(&mut archive, items).map_err(explain)?;
    let Some((manifest, signature)) = manifest else {
        return Ok(());
    };
    // What is behind the archive: the ends of the compression and of the encryption, which show that nothing was cut off.
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink())
        .and_then(|_| io::copy(&mut rest.into_inner(), &mut io::sink()))
        .map_err(|error| explain(error.into()))?;
    // Who does not take it any more has ended with an error of its own.
    let _ = items.blocking_send(Item::Manifest(Box::new(manifest), Box::new(signature)));
    Ok(())
}

/// A failure of the disk that is written to is told as it is; what comes out of the backup is about the backup.
fn explain(error: anyhow::Error) -> anyhow::Error {
    let is_ours = error.chain().any(<dyn std::error::Error>::is::<Ours>);
    if is_ours {
        error
    } else {
        error
            .context("the backup cannot be read to its end: it is damaged or cut off; use another copy of it")
    }
}

/// Marks what is not the backup's fault.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Ours(String);

fn read_entries<R: Read>(
    archive: &mut Archive<R>,
    items: &mpsc::Sender<Item>,
) -> Result<Option<(Manifest, Signature)>> {
    let (mut files, mut read) = (None, Contents::new());
    for (number, entry) in archive.entries()?.enumerate() {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        if read.manifest.is_some() {
            if path != Path::new(SIGNATURE) || read.note.is_some() {
                bail!("something stands behind the manifest");
            }
            read.note = Some(text(&mut entry)?);
            continue;
        }
        if number == 0 {
            if path != Path::new(HEADER) {
                bail!(Ours(
                    "this is no backup of Chancery: its header is missing".to_owned()
                ));
            }
            let (answer, place) = oneshot::channel();
            let header = read_header(&text(&mut entry)?)?;
            read.header = Some(header.clone());
            if items
                .blocking_send(Item::Header(Box::new(header), answer))
                .is_err()
            {
                return Ok(None);
            }
            match place.blocking_recv() {
                Ok(folder) => files = folder,
                Err(_) => return Ok(None),
            }
        } else if path == Path::new(MANIFEST) {
            read.manifest = Some(text(&mut entry)?);
        } else if let Some(name) = FileName::from_archive(&path) {
            read.files.push(take_file(&mut entry, name, files.as_deref())?);
        } else if let Ok(below) = path.strip_prefix(TABLES) {
            let table = below
                .parent()
                .unwrap_or(Path::new(""))
                .to_string_lossy()
                .into_owned();
            let octets = bounded(&mut entry, MOST_PIECE)?;
            read.pieces.take(&path, &octets);
            if items.blocking_send(Item::Piece { table, octets }).is_err() {
                return Ok(None);
            }
        } else {
            bail!("it has {}, which means nothing", path.display());
        }
    }
    read.whole().map(Some)
}

/// What was read, besides what was handed over.
struct Contents {
    header: Option<Header>,
    files: Vec<File>,
    pieces: PieceSum,
    manifest: Option<Vec<u8>>,
    note: Option<Vec<u8>>,
}

impl Contents {
    fn new() -> Self {
        Self {
            header: None,
            files: Vec::new(),
            pieces: PieceSum::new(),
            manifest: None,
            note: None,
        }
    }

    /// The manifest, when everything is as it says. Tables are compared with it row by row once they are in a store; where a
    /// signature stands behind it, which somebody may want to rely on without a store, their pieces are compared here already.
    fn whole(mut self) -> Result<(Manifest, Signature)> {
        let text = self.manifest.context("its end is missing")?;
        let mut manifest: Manifest = serde_json::from_slice(&text)?;
        let signature = Signature::read(&text, &manifest, self.note.as_deref());
        let by_name = |one: &File, other: &File| one.name.in_archive().cmp(&other.name.in_archive());
        manifest.files.sort_by(by_name);
        self.files.sort_by(by_name);
        if manifest.files != self.files {
            bail!("its files are not those of its manifest");
        }
        if self.header.as_ref() != Some(&manifest.header) {
            bail!("its header is not the one of its manifest");
        }
        if signature.is_there() && manifest.pieces != Some(self.pieces.finish()) {
            bail!("its tables are not those of its manifest");
        }
        Ok((manifest, signature))
    }
}

fn text(entry: &mut impl Read) -> Result<Vec<u8>> {
    bounded(entry, MOST_TEXT)
}

fn bounded(entry: &mut impl Read, most: u64) -> Result<Vec<u8>> {
    let mut octets = Vec::new();
    let read = entry.take(most + 1).read_to_end(&mut octets)?;
    if read as u64 > most {
        bail!("a part of it is longer than {most} octets");
    }
    Ok(octets)
}

/// The version of the form comes first: what a newer one has besides is not known here.
fn read_header(text: &[u8]) -> Result<Header> {
    #[derive(serde::Deserialize)]
    struct Form {
        format: u32,
        version: String,
    }
    let form: Form = serde_json::from_slice(text)?;
    if form.format > FORMAT {
        bail!(Ours(format!(
            "the backup has form {}, this program reads up to {FORMAT}: use Chancery {} or later",
            form.format, form.version
        )));
    }
    let header: Header = serde_json::from_slice(text)?;
    if !header.places.is_inside() {
        bail!("its header names places outside their folders");
    }
    Ok(header)
}

fn take_file<R: Read>(entry: &mut Entry<'_, R>, name: FileName, into: Option<&Path>) -> Result<File> {
    if !entry.header().entry_type().is_file() {
        bail!("{} is no file", name.path.display());
    }
    let mode = entry.header().mode()? & 0o777;
    let mut out = match into {
        None => None,
        Some(folder) => Some(create(folder, &name, mode)?),
    };
    let (mut digest, mut octets, mut buffer) = (Context::new(&SHA256), 0, vec![0; 64 * 1024]);
    loop {
        let read = entry.read(&mut buffer)?;
        let part = buffer.get(..read).unwrap_or_default();
        if part.is_empty() {
            break;
        }
        digest.update(part);
        octets += read as u64;
        if let Some(out) = &mut out {
            out.write_all(part).map_err(|error| ours(&name, &error))?;
        }
    }
    if let Some(out) = out {
        out.sync_all().map_err(|error| ours(&name, &error))?;
    }
    Ok(File {
        name,
        mode,
        octets,
        digest: hexadecimal(digest.finish().as_ref()),
    })
}

/// Nothing comes out of a backup that everybody may write, or that runs as somebody else.
fn create(folder: &Path, name: &FileName, mode: u32) -> Result<fs::File> {
    let path = folder.join(name.role.to_string()).join(&name.path);
    let parent = path.parent().unwrap_or(folder);
    let folder = fs::DirBuilder::new().recursive(true).mode(0o700).create(parent);
    let file = folder.and_then(|()| {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode & 0o775)
            .open(&path)
    });
    file.map_err(|error| ours(name, &error))
}

fn ours(name: &FileName, error: &io::Error) -> anyhow::Error {
    let what = name.path.display();
    let told = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("the disk is full: there is no room for {what}; make room, then try again")
        }
        _ => format!("writing {what}: {error}"),
    };
    Ours(told).into()
}
