//! What goes when it is old enough, and what stays.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ca::{CertRef, Filter, Retained, Retention, RevokeRequest, Settings};
use jiff::SignedDuration;
use pki::RevocationReason;
use serde_json::Value;
use uuid::Uuid;

use crate::bed::{BASE_URL, Bed, admin, certificate, server_request};

const DAY: Duration = Duration::from_hours(24);

/// How long nothing goes after the clock has leapt.
const A_DAY: SignedDuration = SignedDuration::from_hours(24);

/// What goes when the clock has gone steadily for a day.
async fn retain(bed: &Bed) -> Retained {
    bed.authority.retain().await.unwrap();
    bed.advance(A_DAY);
    bed.authority.retain().await.unwrap()
}

async fn bed(archive: &Path) -> Bed {
    let retention = Retention {
        certificates: Some(30 * DAY),
        orders: Some(10 * DAY),
        archive: archive.to_owned(),
    };
    Bed::ready_with(Settings {
        retention,
        ..Settings::new(BASE_URL)
    })
    .await
}

fn lines(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn files(archive: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(archive)
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default();
    found.sort();
    found
}

/// The server certificates that are there.
async fn ids(bed: &Bed) -> Vec<Uuid> {
    let filter = Filter {
        profile: Some("tls-server".to_owned()),
        limit: Some(100),
        ..Filter::default()
    };
    let page = bed.authority.certificates(&admin(), filter).await.unwrap();
    page.items.into_iter().map(|entry| entry.id).collect()
}

#[tokio::test]
async fn a_certificate_goes_into_the_archive_when_its_month_is_old_enough() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("old");
    let bed = bed(&archive).await;
    let revoked = bed.server("revoked.example").await;
    let gone = bed.server("ended.example").await;
    let revoke = RevokeRequest {
        certificate: CertRef::Id(revoked.id),
        reason: RevocationReason::Superseded,
        invalidity_date: None,
    };
    bed.authority.revoke(&admin(), revoke).await.unwrap();
    let end = certificate(&gone).not_after();
    assert_eq!(retain(&bed).await, Retained::default());
    assert!(files(&archive).is_empty());

    // Both ended in one month; when it is over for as long as it is kept, and not before.
    let now = bed.clock.now();
    bed.advance(end.duration_since(now) + SignedDuration::from_hours(24 * 29));
    // The responders' certificates live shorter.
    retain(&bed).await;
    assert_eq!(ids(&bed).await, [revoked.id, gone.id]);
    bed.advance(SignedDuration::from_hours(24 * 33));
    let young = bed.server("young.example").await;
    // The clock has leapt: nothing goes for a day.
    assert_eq!(bed.authority.retain().await.unwrap(), Retained::default());
    assert!((bed.metric("chancery_retention_waits_seconds") - 86_400.0).abs() < 0.5);
    let retained = retain(&bed).await;
    assert_eq!(retained.certificates, 2);
    assert!(bed.metric("chancery_retention_waits_seconds") < 0.5);
    assert_eq!(ids(&bed).await, [young.id]);

    let found: Vec<Value> = files(&archive).iter().flat_map(|file| lines(file)).collect();
    let line = |id: Uuid| found.iter().find(|line| line["id"] == id.to_string()).unwrap();
    assert_eq!(line(gone.id)["certificate"], certificate(&gone).pem());
    assert_eq!(line(gone.id)["revoked_at"], Value::Null);
    assert_eq!(line(revoked.id)["revocation_reason"], 4);
    let log = bed.authority.audit_tail(&admin(), 0, 1000).await.unwrap();
    let entries: Vec<_> = log
        .iter()
        .filter(|entry| entry.action == "retention.certificates")
        .collect();
    let counted: u64 = entries
        .iter()
        .map(|entry| entry.details["certificates"].as_u64().unwrap())
        .sum();
    assert_eq!(counted, found.len() as u64);
    let digest = sha256(&files(&archive)[0]);
    assert!(
        entries.iter().any(|entry| entry.details["sha256"] == digest),
        "{digest}"
    );
    let removed = bed.metric("chancery_retention_removed_total{kind=\"certificates\"}");
    assert!(
        (removed - f64::from(u32::try_from(found.len()).unwrap())).abs() < 0.5,
        "{removed}"
    );

    // The next start knows nothing of them, and the store is whole.
    let bed = bed.restarted().await;
    assert_eq!(ids(&bed).await, [young.id]);
    let again = bed.authority.certificate(&admin(), CertRef::Id(gone.id)).await;
    assert_eq!(again.unwrap_err().code(), "not_found");
    assert!(matches!(
        bed.authority.audit_verify(&admin()).await.unwrap(),
        ca::AuditVerdict::Sound { .. }
    ));
}

/// By the tool of the system.
fn sha256(file: &Path) -> String {
    let said = Command::new("sha256sum").arg(file).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    said.split(' ').next().unwrap().to_owned()
}

#[tokio::test]
async fn what_cannot_be_archived_is_not_removed() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("old");
    std::fs::write(&archive, "a file is in the way").unwrap();
    let bed = bed(&archive).await;
    let ended = bed.server("ended.example").await;
    bed.advance(SignedDuration::from_hours(24 * 900));
    assert_eq!(bed.authority.retain().await.unwrap(), Retained::default());
    bed.advance(A_DAY);
    let error = bed.authority.retain().await.unwrap_err().to_string();
    assert!(
        error.contains("nothing was removed") && error.contains("retention.archive"),
        "{error}"
    );
    assert_eq!(ids(&bed).await, [ended.id]);
    // When the way is free it goes, and what an interrupted run left is not overwritten.
    std::fs::remove_file(&archive).unwrap();
    std::fs::create_dir(&archive).unwrap();
    let month = bed
        .authority
        .certificates(
            &admin(),
            Filter {
                limit: Some(9),
                ..Filter::default()
            },
        )
        .await
        .unwrap();
    let end = month
        .items
        .iter()
        .find(|one| one.id == ended.id)
        .unwrap()
        .not_after;
    let of_before = archive.join(format!("certificates-{}.jsonl", end.strftime("%Y-%m")));
    std::fs::write(&of_before, "").unwrap();
    bed.authority.retain().await.unwrap();
    assert!(ids(&bed).await.is_empty());
    assert_eq!(std::fs::read(&of_before).unwrap(), b"");
    assert!(
        of_before.with_extension("2.jsonl").exists(),
        "{:?}",
        files(&archive)
    );
}

#[tokio::test]
async fn orders_in_vain_go_after_their_time() {
    let folder = tempfile::tempdir().unwrap();
    let bed = bed(&folder.path().join("old")).await;
    let mut order = server_request("refused.example");
    order.profile = "nothing-of-the-kind".to_owned();
    bed.authority.issue(&admin(), order).await.unwrap_err();
    bed.advance(SignedDuration::from_hours(24 * 8));
    assert_eq!(retain(&bed).await.orders, 0);
    bed.advance(SignedDuration::from_hours(24 * 2));
    let retained = bed.authority.retain().await.unwrap();
    assert!(retained.orders >= 1 && retained.certificates == 0, "{retained:?}");
    assert_eq!(bed.authority.retain().await.unwrap().orders, 0);
}

#[tokio::test]
async fn the_size_of_the_store_is_told() {
    let bed = Bed::ready().await;
    bed.server("a.example").await;
    assert!(bed.metric("chancery_store_size_bytes") < 1.0);
    bed.authority.look_at_store_size().await.unwrap();
    assert!(bed.metric("chancery_store_size_bytes") > 100_000.0);
    // The two CAs, their responders, the server.
    assert!(bed.metric("chancery_store_table_rows{table=\"certificates\"}") >= 2.0);
    assert!(bed.metric("chancery_store_table_rows{table=\"issuers\"}") > 1.5);
}
