//! `chancery restore`: a server out of a backup.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use ca::ExportedLog;
use jiff::Timestamp;
use pki::Certificate;
use serde_json::{Value, json};
use tlog::NoteKey;

use super::backup::Opened;
use super::progress::Teller;
use super::{Output, Place, StoreArgs, table};
use crate::backup::manifest::Header;
use crate::backup::restore::{self, Done, Wanted};
use crate::interrupt;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "All of it is restored, or nothing. A restored store is of a new epoch: its CRL numbers jump ahead, and what the export \
        of the audit log tells of the time after the backup is done again. Without an export what was revoked after the backup would be \
        good again, which must be accepted by its time.\n\nExamples:\n  \
        chancery restore chancery.age --identity backup.key --signed-by audit.vkey --audit-export audit.jsonl\n  \
        chancery restore chancery.age --identity backup.key --dir ./trial --accept-lost-revocations 2026-11-22T03:00:00Z\n  \
        chancery restore chancery.age --identity backup.key --audit-export audit.jsonl --replace\n  \
        chancery restore chancery.age --identity backup.key --audit-export audit.jsonl \
        --store-url postgres://chancery@db.example/chancery --store-password-file /etc/chancery/store-password"
)]
#[expect(clippy::struct_excessive_bools, reason = "the switches of a command line")]
pub(crate) struct Args {
    #[command(flatten)]
    opened: Opened,
    /// The state folder to restore into; where it was when left out.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The folder for the configuration; where it was when left out.
    #[arg(long, value_name = "DIR")]
    config_dir: Option<PathBuf>,
    #[command(flatten)]
    store: StoreArgs,
    /// What the audit log says of the time after the backup: JSON, an entry a line, without a gap, as exports and `chancery audit export`
    /// write it. One that ends before the backup does is refused.
    #[arg(long, value_name = "FILE")]
    audit_export: Option<PathBuf>,
    /// Certificates of the time after the backup (PEM), to be taken in again. May be given several times.
    #[arg(long = "certificates", value_name = "FILE", requires = "audit_export")]
    certificates: Vec<PathBuf>,
    /// Accept that what was revoked after the backup is good again; the time is that of the backup. Beside --audit-export it accepts
    /// one that ends before the backup does.
    #[arg(long, value_name = "TIME")]
    accept_lost_revocations: Option<Timestamp>,
    /// Accept an export of which nothing shows that it is of the log of the backup: it shares no entry with it, and its entries were
    /// written anew.
    #[arg(long, requires = "audit_export")]
    accept_unproven_export: bool,
    /// Accept that the audit log of the backup is not what was signed; the log that begins then tells so.
    #[arg(long)]
    accept_audit_alarm: bool,
    /// Take the place of what is there, which is kept under another name.
    #[arg(long)]
    replace: bool,
    /// Only read the backup and the export, look at the places and the database that they would go to, and tell what would be done.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(place: &Place, args: Args) -> Result<()> {
    let log = args.audit_export.as_ref().map(|file| {
        let opened =
            File::open(file).with_context(|| format!("the export {} cannot be opened", file.display()))?;
        ExportedLog::read(BufReader::new(opened)).with_context(|| file.display().to_string())
    });
    let log: Option<ExportedLog> = log.transpose()?;
    let log = match args.accept_lost_revocations {
        Some(_) => log.map(ExportedLog::accepted_if_early),
        None => log,
    };
    let log = if args.accept_unproven_export {
        log.map(ExportedLog::accepted_if_unproven)
    } else {
        log
    };
    let mut certificates = Vec::new();
    for file in &args.certificates {
        let octets = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
        certificates.extend(Certificate::parse_all(&octets).with_context(|| file.display().to_string())?);
    }
    let signed_by = args.opened.signed_by()?;
    let known_until = log.as_ref().and_then(ExportedLog::last);
    let wanted = Wanted {
        source: args.opened.source()?,
        state: args.dir,
        configuration: args.config_dir,
        store: args.store,
        log,
        certificates,
        accepts_loss_since: args.accept_lost_revocations,
        accepts_audit_alarm: args.accept_audit_alarm,
        replaces: args.replace,
    };
    interrupt::listen()?;
    if args.dry_run {
        return dry_run(place.output, wanted, signed_by.as_ref()).await;
    }
    let mut teller = Teller::new(place.output);
    let done = restore::restore(wanted, &mut |stage, table, rows, of| {
        teller.tell(stage, table, rows, of);
    })
    .await;
    teller.end();
    tell(place.output, &done?, known_until, signed_by.as_ref())
}

async fn dry_run(output: Output, wanted: Wanted, signed_by: Option<&NoteKey>) -> Result<()> {
    let planned = restore::plan(wanted).await?;
    let header = &planned.manifest.header;
    let mut told = of(header);
    add(&mut told, "signature", planned.signature.json(signed_by));
    add(&mut told, "signed", json!(planned.signature.words(signed_by)));
    add(&mut told, "state", json!(planned.place.state));
    add(&mut told, "configuration", json!(planned.place.config_file()));
    add(
        &mut told,
        "rows",
        json!(planned.manifest.tables.iter().map(|one| one.rows).sum::<u64>()),
    );
    add(&mut told, "store", json!(planned.store));
    add(&mut told, "replaces", json!(planned.replaces));
    add(&mut told, "changed", json!("nothing: this was a dry run"));
    let rows = [
        ("Backup", "/backup"),
        ("Taken at", "/taken_at"),
        ("Signed", "/signed"),
        ("State", "/state"),
        ("Configuration", "/configuration"),
        ("Rows", "/rows"),
        ("Store", "/store"),
        ("Takes the place of", "/replaces"),
        ("Changed", "/changed"),
    ];
    table::one(output, &told, &rows);
    Ok(())
}

fn of(header: &Header) -> Value {
    json!({ "backup": header.id, "taken_at": header.taken_at, "installation": header.installation })
}

fn tell(
    output: Output,
    done: &Done,
    known_until: Option<(i64, Timestamp)>,
    signed_by: Option<&NoteKey>,
) -> Result<()> {
    let mut told = of(&done.manifest.header);
    add(&mut told, "signature", done.signature.json(signed_by));
    add(&mut told, "signed", json!(done.signature.words(signed_by)));
    let mut warnings = done.warnings.clone();
    warnings.push(match known_until {
        Some((seq, at)) => {
            format!("nothing is known of what happened after entry {seq} of the audit log, at {at}")
        }
        None => "what was revoked after the backup is good again, unless it is revoked again".to_owned(),
    });
    for file in &done.put.kept {
        warnings.push(format!(
            "{} was there already, and was left as it is",
            file.display()
        ));
    }
    for file in &done.put.left_out {
        warnings.push(format!(
            "{} is in the backup and was left out: neither chancery.toml nor signerd.toml names it",
            file.display()
        ));
    }
    add(&mut told, "left_out", json!(done.put.left_out));
    add(&mut told, "state", json!(done.place.state));
    add(&mut told, "configuration", json!(done.place.config_file()));
    add(&mut told, "store", json!(done.store));
    add(&mut told, "epoch", serde_json::to_value(&done.epoch)?);
    add(&mut told, "old_state", json!(done.old_state));
    add(&mut told, "put_in_place", json!(done.put.there));
    add(&mut told, "kept_under_another_name", json!(done.put.aside));
    add(&mut told, "warnings", json!(warnings));
    let rows = [
        ("Restored", "/backup"),
        ("Taken at", "/taken_at"),
        ("Signed", "/signed"),
        ("State", "/state"),
        ("Configuration", "/configuration"),
        ("Store", "/store"),
        ("Old state", "/old_state"),
        ("Epoch", "/epoch/epoch"),
        ("Log continued by", "/epoch/log_continued"),
        ("Taken in again", "/epoch/certificates_taken_in"),
        ("Serials revoked", "/epoch/serials_revoked"),
        ("Revoked again", "/epoch/revocations"),
        ("Released again", "/epoch/releases"),
        ("Tokens ended", "/epoch/tokens_ended"),
        ("Not brought back", "/epoch/not_brought_back"),
        ("Put in place", "/put_in_place"),
    ];
    table::one(output, &told, &rows);
    if output == Output::Table {
        for warning in &warnings {
            eprintln!("warning: {warning}");
        }
    }
    Ok(())
}

fn add(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}
