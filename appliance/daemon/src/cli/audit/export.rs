//! `chancery audit export`: entries of the log as exports write them, for whoever has set up none.
//!
//! It reads the store itself, so that it also works where the server does not any more. A file has all entries that were asked for, or
//! is not there.

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use ca::AuditLine;
use serde_json::json;
use store::{Store, StoreConfig};
use tempfile::NamedTempFile;

use crate::cli::{Place, table};
use crate::config::Config;

/// Entries that are held at once.
const PAGE: u32 = 1000;

/// Which entries, and where to.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  chancery audit export --out audit.jsonl\n  chancery audit export --after 4711 | ssh elsewhere 'cat >> audit.jsonl'"
)]
pub(crate) struct Args {
    /// Only entries after this number; all when left out.
    #[arg(
        long,
        value_name = "SEQ",
        default_value_t = 0,
        hide_default_value = true,
        value_parser = clap::value_parser!(i64).range(0..)
    )]
    after: i64,
    /// The file to make; one that is there is not overwritten. Standard output when left out.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// This SQLite file in place of the store of the configuration.
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
}

pub(super) async fn run(place: &Place, args: &Args) -> Result<()> {
    let config = match &args.store {
        Some(file) => StoreConfig::new(file),
        None => Config::load(&place.config)?.store_config()?,
    };
    let store = Store::open_read_only(&config)?;
    let Some(file) = &args.out else {
        let mut out = io::BufWriter::new(io::stdout().lock());
        return match write(&store, args.after, &mut out).await {
            // The reader is gone: it has what it wanted.
            Err(error) if is_broken_pipe(&error) => Ok(()),
            // A file says it itself.
            done => done.map(drop).map_err(|error| {
                if error.is::<io::Error>() {
                    error.context(
                        "writing to standard output: make room where it goes, then export again; its last line may be cut off",
                    )
                } else {
                    error
                }
            }),
        };
    };
    if file.exists() {
        bail!("{} is there already: name another file", file.display());
    }
    let last = to_file(&store, args.after, file)
        .await
        .with_context(|| format!("writing {}", file.display()))?;
    let told = json!({ "file": file, "after": args.after, "last": last, "entries": last - args.after });
    let rows = [("Written", "/file"), ("Entries", "/entries"), ("Last", "/last")];
    table::one(place.output, &told, &rows);
    Ok(())
}

async fn to_file(store: &Store, after: i64, file: &Path) -> Result<i64> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut unfinished = io::BufWriter::new(NamedTempFile::new_in(folder)?);
    let last = write(store, after, &mut unfinished).await?;
    let finished = unfinished.into_inner()?;
    finished.as_file().sync_all()?;
    finished.persist_noclobber(file)?;
    Ok(last)
}

/// Writes the entries after a number, and gives the number of the last.
async fn write(store: &Store, after: i64, out: &mut impl Write) -> Result<i64> {
    let mut last = after;
    loop {
        let read = store.read(move |reader| store::audit::after(reader, last, PAGE));
        let page = read.await?;
        if page.is_empty() {
            out.flush()?;
            return Ok(last);
        }
        for entry in &page {
            if entry.seq != last + 1 {
                bail!(
                    "entry {} of the audit log is missing: see `chancery audit verify --offline`",
                    last + 1
                );
            }
            out.write_all(AuditLine::of(entry).json.as_bytes())?;
            out.write_all(b"\n")?;
            last = entry.seq;
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
