//! A backup of many certificates beside a running server, its verification, and its restore with everything that is compared.
//!
//! The certificates have rows in every table that a real one has rows in, and a DER that is as long, and compresses as badly, as that
//! of a real one.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::rand;
use jiff::Timestamp;
use serde_json::json;
use store::audit::AuditEntry;
use store::certificates::CertificateRow;
use store::orders::OrderRow;
use store::revocations::RevocationRow;
use store::{Store, StoreConfig};
use uuid::Uuid;

use crate::appliance::{Appliance, Plan};
use crate::cpu::Meter;
use crate::report::Figure;
use crate::run::Run;
use crate::seed;

/// Most certificates.
const MOST: u64 = 1_000_000;
/// Rows in one transaction.
const CHUNK: u64 = 10_000;
/// One of so many is revoked.
const REVOKED: u64 = 50;

/// Measures all three.
pub(crate) async fn run(run: &mut Run) -> Result<()> {
    let certificates = run.sizes.certificates.min(MOST);
    let mut appliance = Appliance::init_on(Plan::default(), run.store_url.as_deref())?;
    let store = appliance.store_config(run.store_url.as_deref())?;
    fill(&store, certificates, run.begun).await?;
    let (key, file) = (appliance.folder().join("key"), appliance.folder().join("one.age"));
    let recipient = keygen(&appliance, &key)?;
    appliance.serve().await?;
    let config = appliance.state().join("chancery.toml");
    let log_key = log_key(&appliance, &config)?;
    let mut backup = appliance.program("chancery")?;
    backup
        .arg("--config")
        .arg(&config)
        .args(["backup", "--recipient", &recipient, "--to"])
        .arg(&file);
    add(run, "online backup", certificates, &mut backup, &file)?;
    let mut verify = appliance.program("chancery")?;
    verify
        .arg("--config")
        .arg(&config)
        .args(["backup", "verify"])
        .arg(&file)
        .arg("--identity")
        .arg(&key)
        .arg("--signed-by")
        .arg(&log_key);
    add(run, "backup verify", certificates, &mut verify, &file)?;
    appliance.stop().await?;
    let at = taken_at(&appliance, &file, &key)?;
    let mut restore = appliance.program("chancery")?;
    restore.arg("restore").arg(&file).arg("--identity").arg(&key);
    restore.arg("--signed-by").arg(&log_key);
    restore
        .args(["--accept-lost-revocations", &at, "--dir"])
        .arg(appliance.folder().join("again"));
    let into = run.restore_store_url.as_deref();
    restore.args(["--store-url", into.unwrap_or("sqlite:chancery.db")]);
    add(run, "restore, compared", certificates, &mut restore, &file)
}

/// Runs a program to its end and notes how long that took.
fn add(run: &mut Run, what: &str, certificates: u64, program: &mut Command, file: &Path) -> Result<()> {
    let (begun, meter) = (Instant::now(), Meter::start(&[])?);
    let ended = program.stdin(Stdio::null()).output()?;
    let taken: Duration = begun.elapsed();
    ensure!(
        ended.status.success(),
        "{what}: {}",
        String::from_utf8_lossy(&ended.stderr)
    );
    let size = file.metadata()?.len() >> 20;
    let what = format!("{what} of {certificates} certificates ({size} MiB)");
    run.report.add(Figure::counted("backup", &what, 1, taken, meter)?);
    Ok(())
}

fn keygen(appliance: &Appliance, key: &Path) -> Result<String> {
    let mut program = appliance.program("chancery")?;
    let told = program
        .args(["--output", "json", "backup", "keygen", "--to"])
        .arg(key)
        .output()?;
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).context("backup keygen")?;
    let recipient = told.pointer("/recipient").and_then(serde_json::Value::as_str);
    Ok(recipient.context("a recipient")?.to_owned())
}

/// A file with the verifier key of the audit log, by which an operator knows a backup.
fn log_key(appliance: &Appliance, config: &Path) -> Result<PathBuf> {
    let mut program = appliance.program("chancery")?;
    let told = program
        .arg("--config")
        .arg(config)
        .args(["audit", "key"])
        .output()?;
    ensure!(
        told.status.success(),
        "audit key: {}",
        String::from_utf8_lossy(&told.stderr)
    );
    let file = appliance.folder().join("audit.vkey");
    std::fs::write(&file, told.stdout)?;
    Ok(file)
}

fn taken_at(appliance: &Appliance, file: &Path, key: &Path) -> Result<String> {
    let mut program = appliance.program("chancery")?;
    program
        .args(["--output", "json", "backup", "inspect"])
        .arg(file)
        .arg("--identity")
        .arg(key);
    let told: serde_json::Value =
        serde_json::from_slice(&program.output()?.stdout).context("backup inspect")?;
    let at = told
        .pointer("/header/taken_at")
        .and_then(serde_json::Value::as_str);
    Ok(at.context("the time of the backup")?.to_owned())
}

/// What all the certificates have in common.
#[derive(Clone)]
struct Model {
    issuer_id: Uuid,
    der: Vec<u8>,
    now: i64,
    end: i64,
}

async fn fill(config: &StoreConfig, certificates: u64, now: Timestamp) -> Result<()> {
    let store = Store::open(config)?;
    let chunk = if store.is_shared() {
        seed::SHARED_CHUNK
    } else {
        CHUNK
    };
    let read = store.read(|reader| {
        let filter = store::certificates::Filter {
            profile: Some("tls-server".to_owned()),
            limit: 1,
            ..Default::default()
        };
        store::certificates::list(reader, &filter)
    });
    let found = read
        .await?
        .into_iter()
        .next()
        .context("the server's own certificate")?;
    let model = Model {
        issuer_id: found.issuer_id,
        der: found.der,
        now: now.as_millisecond(),
        end: found.not_after,
    };
    for start in (0..certificates).step_by(usize::try_from(chunk)?) {
        let (numbers, model) = (start..certificates.min(start + chunk), model.clone());
        let job = move |tx: &store::Tx<'_>| {
            numbers
                .clone()
                .try_for_each(|number| model.issue(tx, certificates, number))
        };
        store.write(job).await?;
    }
    Ok(())
}

impl Model {
    fn issue(&self, tx: &store::Tx<'_>, of: u64, number: u64) -> store::Result<()> {
        let row = self.certificate(of, number)?;
        let names = [format!("dns:host-{number}.seed.chancery.test")];
        store::certificates::insert(tx, &row, &names)?;
        store::orders::insert(tx, &order(&row, &names))?;
        if number.is_multiple_of(REVOKED) {
            store::revocations::put(tx, &revocation(&row))?;
        }
        store::audit::append(tx, &entry(&row, &names)).map(drop)
    }

    fn certificate(&self, of: u64, number: u64) -> store::Result<CertificateRow> {
        let mut der = self.der.clone();
        // Its own key, serial and signature.
        let half = der.len() / 2;
        for range in [half..half + 80, der.len().saturating_sub(72)..der.len()] {
            if let Some(part) = der.get_mut(range) {
                rand::fill(part).map_err(|_| store::Error::Internal("no randomness".to_owned()))?;
            }
        }
        Ok(CertificateRow {
            id: Uuid::now_v7(),
            issuer_id: self.issuer_id,
            serial: seed::serial(of, number, false).as_bytes().to_vec(),
            profile: "tls-server".to_owned(),
            subject: format!("CN=host-{number}.seed.chancery.test"),
            der,
            not_before: self.now,
            not_after: self.end,
            requester: "seed".to_owned(),
            order_id: Uuid::now_v7(),
            replaces: None,
            created_at: self.now,
            revoked_at: None,
            revocation_reason: None,
        })
    }
}

fn order(row: &CertificateRow, names: &[String]) -> OrderRow {
    OrderRow {
        id: row.order_id,
        at: row.created_at,
        requester: row.requester.clone(),
        profile: row.profile.clone(),
        issuer_id: Some(row.issuer_id),
        subject: row.subject.clone(),
        names: names.join(" "),
        state: "issued".to_owned(),
        code: None,
        message: None,
        details: None,
        certificate_id: Some(row.id),
    }
}

fn revocation(row: &CertificateRow) -> RevocationRow {
    RevocationRow {
        issuer_id: row.issuer_id,
        serial: row.serial.clone(),
        revoked_at: row.created_at,
        reason: 4,
        invalidity_date: None,
        not_after: row.not_after,
        is_orphan: false,
    }
}

fn entry(row: &CertificateRow, names: &[String]) -> AuditEntry {
    let details = json!({
        "certificate_id": row.id, "serial": Uuid::from_slice(&row.serial).unwrap_or_default().simple().to_string(),
        "issuer_id": row.issuer_id, "subject": row.subject, "names": names, "profile": row.profile,
        "not_after": "2027-11-22T00:00:00Z", "requester": row.requester, "order_id": row.order_id, "replaces": null,
    });
    AuditEntry {
        at: row.created_at,
        actor: "seed".to_owned(),
        action: "certificate.issue".to_owned(),
        object: row.id.to_string(),
        outcome: "ok".to_owned(),
        details: details.to_string(),
    }
}
