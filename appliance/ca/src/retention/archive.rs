//! The archive: a file of JSON lines for each month, written as a whole and never overwritten.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::ops::ControlFlow;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use serde::Serialize;
use store::certificates::CertificateRow;
use store::retention::Month;
use uuid::Uuid;

use crate::audit::hexadecimal;
use crate::clock::from_millis;

/// A month that was written into the archive.
pub(super) struct Archived {
    pub(super) month: Month,
    pub(super) file: PathBuf,
    pub(super) digest: String,
    pub(super) certificates: u64,
    pub(super) revoked: u64,
    /// The certificates and their orders.
    pub(super) rows: Vec<(Uuid, Uuid)>,
}

/// A line of the archive.
#[derive(Serialize)]
struct Line<'a> {
    id: Uuid,
    issuer_id: Uuid,
    serial: String,
    subject: &'a str,
    profile: &'a str,
    requester: &'a str,
    order_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    replaces: Option<Uuid>,
    created_at: String,
    not_before: String,
    not_after: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revocation_reason: Option<i64>,
    certificate: String,
}

/// Why a month could not be written.
pub(super) enum Broken {
    Store(store::Error),
    File(io::Error),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

/// What is done with each certificate.
pub(super) type Each<'a> = &'a mut dyn FnMut(CertificateRow) -> store::Result<ControlFlow<()>>;

/// Writes a month into its file, which is durable then.
pub(super) fn write_month(
    folder: &Path,
    month: Month,
    for_each: impl FnOnce(Each<'_>) -> store::Result<()>,
) -> Result<Archived, Broken> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let fresh = folder.join(format!("certificates-{month}.part"));
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?;
    let mut out = BufWriter::with_capacity(1 << 16, file);
    let mut digest = Context::new(&SHA256);
    let (mut rows, mut revoked, mut failed) = (Vec::new(), 0, None);
    let each = &mut |row: CertificateRow| {
        rows.push((row.id, row.order_id));
        revoked += u64::from(row.revoked_at.is_some());
        let written = line(&row).and_then(|line| {
            digest.update(&line);
            out.write_all(&line)
        });
        Ok(match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        })
    };
    for_each(each).map_err(Broken::Store)?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    out.into_inner()
        .map_err(io::IntoInnerError::into_error)?
        .sync_all()?;
    let file = put(&fresh, folder, month)?;
    Ok(Archived {
        month,
        file,
        digest: hexadecimal(digest.finish().as_ref()),
        certificates: rows.len() as u64,
        revoked,
        rows,
    })
}

/// Gives the file a name that no other has: what is in the archive is never overwritten.
fn put(fresh: &Path, folder: &Path, month: Month) -> io::Result<PathBuf> {
    for number in 1_u32.. {
        let number = if number == 1 {
            String::new()
        } else {
            format!(".{number}")
        };
        let path = folder.join(format!("certificates-{month}{number}.jsonl"));
        match fs::hard_link(fresh, &path) {
            Ok(()) => {
                fs::remove_file(fresh)?;
                File::open(folder)?.sync_all()?;
                return Ok(path);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("no name is free"))
}

fn line(row: &CertificateRow) -> io::Result<Vec<u8>> {
    let time = |at: i64| from_millis(at).to_string();
    let line = Line {
        id: row.id,
        issuer_id: row.issuer_id,
        serial: hexadecimal(&row.serial),
        subject: &row.subject,
        profile: &row.profile,
        requester: &row.requester,
        order_id: row.order_id,
        replaces: row.replaces,
        created_at: time(row.created_at),
        not_before: time(row.not_before),
        not_after: time(row.not_after),
        revoked_at: row.revoked_at.map(time),
        revocation_reason: row.revocation_reason,
        certificate: pki::pem::encode("CERTIFICATE", &row.der),
    };
    let mut line = serde_json::to_vec(&line)?;
    line.push(b'\n');
    Ok(line)
}
