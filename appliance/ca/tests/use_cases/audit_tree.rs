//! The audit log as a Merkle log: what is signed, what is proved, and who changes it behind the server's back.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use ca::{AuditTreeVerdict, Expected, examine_audit_tree, verify_audit_files, verify_audit_proof};
use jiff::SignedDuration;
use store::{audit, audit_tree, leases, settings};
use tlog::{Checkpoint, KeyName, Note, NoteKey, SignatureKind};
use token::KeyRing;
use uuid::Uuid;

use crate::bed::{START, admin, principal, server_request};
use crate::log::{Log, hex, with};

#[tokio::test]
async fn entries_are_signed_and_proved() {
    let log = Log::new().await;
    assert!(matches!(log.verdict(&[]).await, AuditTreeVerdict::Absent));
    assert!(log.tend().await);
    let (key, first) = (log.key().await, log.checkpoint().await);
    assert_eq!(
        log.size().await,
        log.last().await,
        "with the entry about its own key"
    );
    assert!(!log.tend().await, "there is nothing new");
    let issued = log
        .authority
        .issue(
            &admin(),
            ca::IssueRequest {
                profile: "tls-server".into(),
                ..server_request("a.example")
            },
        )
        .await
        .unwrap();
    let waits = log
        .authority
        .prove_audit_entry(&admin(), &log.last().await.to_string())
        .await;
    assert_eq!(waits.unwrap_err().code(), "audit_not_signed");
    assert!(log.tend().await);

    let seq = log.last().await;
    let proof = log
        .authority
        .prove_audit_entry(&admin(), &seq.to_string())
        .await
        .unwrap();
    let verdict = verify_audit_proof(proof.text.as_bytes(), &with(&key, &[])).unwrap();
    let entry: serde_json::Value = serde_json::from_str(&verdict.entry.unwrap()).unwrap();
    assert_eq!(
        (entry["seq"].as_i64(), entry["action"].as_str()),
        (Some(seq), Some("certificate.issue"))
    );
    let object = entry["object"].as_str().unwrap().to_owned();
    let by_object = log.authority.prove_audit_entry(&admin(), &object).await.unwrap();
    assert_eq!(
        by_object,
        proof,
        "{object} is what {:?} is called",
        issued.certificate.serial()
    );

    let old = i64::try_from(Checkpoint::parse(first.unverified_text()).unwrap().head().size()).unwrap();
    let continues = log
        .authority
        .prove_audit_consistency(&admin(), old, None)
        .await
        .unwrap();
    assert!(
        verify_audit_proof(continues.as_bytes(), &with(&key, &[&first]))
            .unwrap()
            .continues
    );
    assert!(log.is_sound(&[first]).await);
    assert!(log.metric(&format!("chancery_audit_checkpoint_entries {seq}")));
    assert!(log.metric("chancery_audit_alarm 0"));
    log.clock.advance(SignedDuration::from_secs(7));
    assert!(log.metric("chancery_audit_checkpoint_age_seconds 7"));
    let keys = log.authority.keys(&admin()).await.unwrap();
    assert!(
        keys.iter()
            .any(|key| key.used_by == ["audit log"] && key.label.starts_with("audit-"))
    );
}

#[tokio::test]
async fn a_proof_that_was_changed_proves_nothing() {
    let log = Log::signed(300).await;
    let (key, first) = (log.key().await, log.checkpoint().await);
    log.append(10).await;
    assert!(log.tend().await);
    let proof = log
        .authority
        .prove_audit_entry(&admin(), "17")
        .await
        .unwrap()
        .text;
    let good = with(&key, &[]);
    assert!(verify_audit_proof(proof.as_bytes(), &good).is_ok());
    let other = NoteKey::new(
        KeyName::new("other").unwrap(),
        SignatureKind::Ecdsa,
        public_key(&log.ring),
    )
    .unwrap();
    let changed = [
        proof.replace("index 16", "index 17"),
        proof.replacen("extra eyJzZXEi", "extra eyJzZXEj", 1),
        proof.replace("\n310\n", "\n311\n"),
    ];
    for changed in changed {
        assert_ne!(changed, proof);
        assert!(
            verify_audit_proof(changed.as_bytes(), &good).is_err(),
            "{changed}"
        );
    }
    assert!(
        verify_audit_proof(proof.as_bytes(), &with(&other, &[])).is_err(),
        "another key"
    );
    let unwitnessed = Expected {
        witnesses: vec![other],
        ..good
    };
    assert!(
        verify_audit_proof(proof.as_bytes(), &unwitnessed).is_err(),
        "no witness has signed"
    );
    let continues = log
        .authority
        .prove_audit_consistency(&admin(), 300, None)
        .await
        .unwrap();
    assert!(verify_audit_proof(continues.as_bytes(), &with(&key, &[&first])).is_ok());
    let size = log.last().await;
    log.append(1).await;
    assert!(log.tend().await);
    let to_before = log
        .authority
        .prove_audit_consistency(&admin(), 300, Some(size))
        .await;
    assert_eq!(to_before.unwrap(), continues, "the checkpoint that was asked for");
    let never = log
        .authority
        .prove_audit_consistency(&admin(), 300, Some(301))
        .await;
    assert_eq!(never.unwrap_err().code(), "not_found");
    let changed = continues.replace("old 300", "old 299");
    assert!(verify_audit_proof(changed.as_bytes(), &with(&key, &[&first])).is_err());
    let absent = log
        .authority
        .prove_audit_entry(&admin(), "9999")
        .await
        .unwrap_err();
    assert_eq!(absent.code(), "not_found");
    let requester = principal("a", ca::Role::Requester);
    assert!(log.authority.prove_audit_entry(&requester, "1").await.is_err());
}

fn public_key(ring: &KeyRing) -> pki::PublicKey {
    let made = ring
        .generate(
            &signer_wire::Backend::Software,
            "other",
            signer_wire::KeyKind::P256,
        )
        .unwrap();
    pki::PublicKey::from_spki_der(&made.spki).unwrap()
}

/// More than one bundle, more than one step, and what is there from the time before there was a tree.
#[tokio::test]
async fn a_long_log_is_taken_in_and_written_out() {
    let log = Log::new().await;
    log.append(9000).await;
    assert!(log.tend().await);
    let (key, first) = (log.key().await, log.checkpoint().await);
    assert_eq!(log.size().await, log.last().await);
    assert!(log.is_sound(&[]).await);
    let verdict = verify_audit_files(&log.files(), &with(&key, &[])).unwrap();
    assert!(verdict.has_entries && !verdict.continues);
    log.append(300).await;
    assert!(log.tend().await);
    let verdict = verify_audit_files(&log.files(), &with(&key, &[&first])).unwrap();
    assert!(verdict.continues);
    assert_eq!(i64::try_from(verdict.size).unwrap(), log.last().await);
    let narrower = log.files().join("tile/0/035.p");
    assert!(
        !narrower.exists(),
        "{} is of a tile that is full by now",
        narrower.display()
    );
    // Without the entries the tree itself can be looked at.
    std::fs::remove_dir_all(log.files().join("tile/entries")).unwrap();
    let verdict = verify_audit_files(&log.files(), &with(&key, &[&first])).unwrap();
    assert!(verdict.continues && !verdict.has_entries);
}

#[tokio::test]
async fn entries_are_closed_to_others_and_hashes_are_not() {
    use std::os::unix::fs::PermissionsExt as _;

    let log = Log::signed(20).await;
    let mode = |name: &str| {
        let there = std::fs::metadata(log.files().join(name)).unwrap();
        there.permissions().mode() & 0o007
    };
    assert_eq!((mode("tile/entries"), mode("tile/entries/000.p/20")), (0, 0));
    assert_eq!((mode("checkpoint"), mode("tile/0/000.p/20")), (4, 4));
}

#[tokio::test]
async fn files_that_were_changed_are_found() {
    let log = Log::signed(600).await;
    let key = log.key().await;
    let changed = |name: &str| {
        let file = log.files().join(name);
        let kept = std::fs::read(&file).unwrap();
        let mut octets = kept.clone();
        let last = octets.len() - 3;
        octets[last] ^= 1;
        std::fs::write(&file, octets).unwrap();
        let verdict = verify_audit_files(&log.files(), &with(&key, &[]));
        std::fs::write(&file, kept).unwrap();
        verdict.unwrap_err().to_string()
    };
    assert!(changed("tile/entries/001").contains("tile/0/001 is not the tile of the entries"));
    assert!(changed("tile/0/001").contains("tile/0/001 is not the tile"));
    assert!(changed("tile/1/000.p/2").contains("tile/1/000.p/2 is not the tile"));
    changed("checkpoint");
    std::fs::remove_file(log.files().join("tile/entries/000")).unwrap();
    let gone = verify_audit_files(&log.files(), &with(&key, &[])).unwrap_err();
    assert!(
        gone.to_string().contains("tile/entries/000 cannot be read"),
        "{gone}"
    );
}

#[tokio::test]
async fn a_rewritten_log_is_found_and_not_signed() {
    let log = Log::signed(600).await;
    let kept = log.checkpoint().await;
    log.rewrite(290).await;
    // The chain alone believes it.
    let chain = log.store.read(audit::verify).await.unwrap();
    assert!(matches!(chain, audit::Verdict::Sound { entries: 600, .. }));
    assert!(
        log.alarm()
            .await
            .contains("entry 290: it is not what it was when it was signed")
    );
    log.append(5).await;
    assert!(log.alarm().await.contains("entry 290:"));
    assert!(
        log.broken(&[]).await.contains("entry 290:"),
        "by the store's own checkpoint"
    );
    // With the tiles made anew, too.
    log.rewrite_tiles().await;
    assert!(log.alarm().await.contains("tiles"));
    assert!(log.broken(&[]).await.contains("the checkpoint of"));
    assert!(log.broken(&[kept]).await.contains("the checkpoint of"));
}

#[tokio::test]
async fn an_entry_that_was_rewritten_alone_is_found_in_its_turn() {
    let log = Log::signed(600).await;
    log.disarm().await;
    log.sql(&["UPDATE audit SET actor = 'nobody' WHERE seq = 3"])
        .await;
    let mut found = None;
    for _ in 0..3 {
        log.tend_whatever().await;
        let health = log.authority.health().await;
        found = found.or(health
            .problems
            .into_iter()
            .find(|problem| problem.code == "audit_alarm"));
    }
    assert!(found.unwrap().message.contains("entry 3:"));
    assert!(log.broken(&[]).await.contains("entry 3:"));
}

#[tokio::test]
async fn a_log_that_was_cut_is_found() {
    let log = Log::signed(600).await;
    let kept = log.checkpoint().await;
    log.cut_after(500).await;
    let chain = log.store.read(audit::verify).await.unwrap();
    assert!(matches!(chain, audit::Verdict::Sound { entries: 500, .. }));
    assert!(
        log.alarm()
            .await
            .contains("entry 501: it and those after it were cut off")
    );
    assert!(log.broken(&[]).await.contains("entry 501:"));
    // And filled again with others.
    log.append(200).await;
    assert!(log.alarm().await.contains("entry 501: it is not what it was"));
    // And the checkpoint and the tiles were removed, too.
    log.sql(&["DELETE FROM audit_checkpoints", "DELETE FROM audit_tiles"])
        .await;
    assert!(
        log.alarm()
            .await
            .contains("a checkpoint of 600 entries was signed and is gone")
    );
    assert!(
        log.broken(&[kept])
            .await
            .contains("a checkpoint of 600 entries was signed and is gone")
    );
}

#[tokio::test]
async fn tiles_that_are_gone_or_changed_are_found() {
    let log = Log::signed(600).await;
    log.sql(&["DELETE FROM audit_tiles WHERE level = 0 AND place = 2"])
        .await;
    assert!(log.alarm().await.contains("the tile tile/0/002.p/88 is missing"));
    assert!(log.broken(&[]).await.contains("tile/0/002.p/88"));
    let log = Log::signed(600).await;
    log.sql(&["UPDATE audit_tiles SET octets = (SELECT octets FROM audit_tiles WHERE level = 0 AND place = 1) WHERE level = 0 AND place = 0"])
        .await;
    let mut alarms = 0;
    for _ in 0..3 {
        log.tend_whatever().await;
        alarms += usize::from(log.metric("chancery_audit_alarm 1"));
    }
    assert!(alarms > 0);
    assert!(
        log.broken(&[])
            .await
            .contains("tile/0/000 is not that of the entries")
    );
}

/// Whoever holds the database does not hold the key: neither another key nor another start helps.
#[tokio::test]
async fn a_log_signed_by_another_key_is_found_after_a_start_too() {
    let log = Log::signed(300).await;
    let (key, kept) = (log.key().await, log.checkpoint().await);
    log.rewrite(100).await;
    let head = log.rewrite_tiles().await;
    let forger = KeyRing::in_memory();
    let made = forger
        .generate(
            &signer_wire::Backend::Software,
            "audit-1",
            signer_wire::KeyKind::P256,
        )
        .unwrap();
    let public = pki::PublicKey::from_spki_der(&made.spki).unwrap();
    let (fingerprint, origin) = (public.fingerprint().0.to_vec(), key.name().clone());
    let own = NoteKey::new(origin.clone(), SignatureKind::Ecdsa, public).unwrap();
    let text = Checkpoint::new(origin.as_str(), head).unwrap().to_string();
    let note = sign(&forger, &made, &own, &text);
    let spki = made.spki.clone();
    let job = log.store.write(move |tx| {
        let hex = hex(&fingerprint);
        settings::put(
            tx,
            "audit.log",
            &format!(r#"{{"origin":"{origin}","key":"{hex}"}}"#),
        )?;
        store::keys::insert(
            tx,
            &store::keys::KeyRow {
                fingerprint: fingerprint.clone(),
                algorithm: "ec-p256".to_owned(),
                spki: spki.clone(),
                backend: "software".to_owned(),
                label: "audit-1".to_owned(),
                created_at: 1,
            },
        )?;
        audit_tree::put_checkpoint(
            tx,
            &audit_tree::CheckpointRow {
                size: 300,
                at: 1,
                note: note.clone(),
            },
        )
    });
    job.await.unwrap();
    // The earlier checkpoints would give it away.
    log.sql(&["DELETE FROM audit_checkpoints WHERE size <> 300"])
        .await;
    assert!(log.alarm().await.contains("another log or key"));
    assert!(log.is_sound(&[]).await, "in itself it is sound");
    assert!(log.broken(&[kept]).await.contains("no known key has signed"));
    let expected = with(&key, &[]);
    let read = log
        .store
        .read(move |reader| examine_audit_tree(reader, &expected));
    let AuditTreeVerdict::Broken(alarm) = read.await.unwrap() else {
        panic!("the key was not looked at")
    };
    assert!(alarm.to_string().contains("another key"), "{alarm}");
    let log = log.restarted().await;
    assert!(log.alarm().await.contains("is not a checkpoint of this log"));
}

fn sign(ring: &KeyRing, made: &signer_wire::KeyRecord, key: &NoteKey, text: &str) -> String {
    let at = START.parse().unwrap();
    let message = key.message(text, at).unwrap();
    let hash = digest(&SHA256, &message);
    let input = signer_wire::Input::Digest(signer_wire::Digest::new(hash.as_ref()).unwrap());
    let signature = ring
        .sign(&made.key, signer_wire::Scheme::EcdsaSha256, &input, None)
        .unwrap();
    let line = key.signature(text, at, &signature).unwrap();
    Note::new(text, line).unwrap().to_string()
}

#[tokio::test]
async fn a_server_remembers_by_its_files_what_was_signed() {
    let log = Log::signed(300).await;
    log.cut_after(200).await;
    log.sql(&["DELETE FROM audit_checkpoints", "DELETE FROM audit_tiles"])
        .await;
    let log = log.restarted().await;
    assert!(
        log.alarm()
            .await
            .contains("a checkpoint of 300 entries was signed and is gone")
    );
    // Nor does it take up another log because the store has none.
    log.sql(&["DELETE FROM settings WHERE key = 'audit.log'"]).await;
    let log = log.restarted().await;
    assert!(log.alarm().await.contains("the store has no log"));
    assert!(log.authority.audit_key(&admin()).await.unwrap().is_none());
}

#[tokio::test]
async fn the_key_of_a_ca_signs_no_checkpoint() {
    let log = Log::new().await;
    let ca = log.authority.issuer("root").unwrap();
    let hex = hex(&ca.key.0);
    let job = log.store.write(move |tx| {
        settings::put(
            tx,
            "audit.log",
            &format!(r#"{{"origin":"pki.example/audit/1","key":"{hex}"}}"#),
        )
    });
    job.await.unwrap();
    assert!(log.alarm().await.contains("the key of a CA"));
    assert_eq!(log.size().await, 0);
}

#[tokio::test]
async fn one_server_at_a_time_signs() {
    let log = Log::signed(20).await;
    let other = Uuid::from_u128(0x0dd);
    let take = move |tx: &store::Tx<'_>| leases::take(tx, "audit", other, Duration::from_mins(1));
    // The lease of a server that has just signed is its own until it ends.
    log.sql(&["UPDATE leases SET until = 0 WHERE name = 'audit'"])
        .await;
    let lease = log.store.write(take).await.unwrap().unwrap();
    log.append(1).await;
    assert!(!log.tend().await);
    assert_eq!(log.size().await, 20);
    log.store
        .write(move |tx| leases::release(tx, &lease))
        .await
        .unwrap();
    assert!(log.tend().await);
    assert_eq!(log.size().await, 21);
}

/// A duty that nobody does is told, whoever keeps it, and one that was written into the database for years is nobody's.
#[tokio::test]
async fn a_duty_that_is_kept_and_not_done_is_told() {
    let log = Log::signed(20).await;
    let other = Uuid::from_u128(0x0dd);
    log.sql(&["UPDATE leases SET until = 0 WHERE name = 'audit'"])
        .await;
    let take = move |tx: &store::Tx<'_>| leases::take(tx, "audit", other, Duration::from_mins(1));
    log.store.write(take).await.unwrap().unwrap();
    log.append(1).await;
    let late = async |log: &Log| {
        let problems = log.authority.health().await.problems;
        problems
            .into_iter()
            .find(|problem| problem.code == "audit_checkpoint_late")
    };
    assert!(!log.tend().await);
    log.clock.advance(SignedDuration::from_mins(2));
    assert!(!log.tend().await);
    let told = late(&log).await.unwrap().message;
    assert!(told.contains("another server has the duty"), "{told}");
    log.sql(&["UPDATE leases SET until = 9000000000000 WHERE name = 'audit'"])
        .await;
    assert!(log.tend().await);
    assert_eq!(log.size().await, 21);
    assert_eq!(late(&log).await, None);
}

#[tokio::test]
async fn a_place_of_an_export_that_somebody_moved_is_told() {
    let log = Log::signed(20).await;
    let page = log.authority.audit_export_page("siem", 5).await.unwrap().unwrap();
    log.authority.audit_exported(page).await.unwrap();
    log.sql(&["UPDATE audit_exports SET seq = 1000000"]).await;
    assert!(
        log.authority
            .audit_export_page("siem", 5)
            .await
            .unwrap()
            .is_none()
    );
    log.clock.advance(SignedDuration::from_mins(6));
    assert!(
        log.authority
            .audit_export_page("siem", 5)
            .await
            .unwrap()
            .is_none()
    );
    let problems = log.authority.health().await.problems;
    let told = problems
        .iter()
        .find(|problem| problem.code == "audit_export_stuck")
        .unwrap();
    assert!(told.message.contains("another name"), "{}", told.message);
}

#[tokio::test]
async fn a_token_that_is_away_delays_checkpoints_and_nothing_else() {
    let mut log = Log::signed(20).await;
    let (ring, clock) = (Arc::new(KeyRing::in_memory()), log.clock.clone());
    let own = std::mem::replace(&mut log.ring, ring);
    let mut log = log.restarted().await;
    log.append(1).await;
    log.authority.tend_audit_log_now().await.unwrap_err();
    let late = |health: ca::Health| {
        let mut problems = health.problems.into_iter();
        problems.find(|problem| problem.code == "audit_checkpoint_late")
    };
    assert_eq!(late(log.authority.health().await), None, "not after a moment");
    clock.advance(SignedDuration::from_mins(2));
    log.authority.tend_audit_log_now().await.unwrap_err();
    assert!(late(log.authority.health().await).is_some());
    log.ring = own;
    let log = log.restarted().await;
    assert!(log.tend().await);
    assert_eq!(late(log.authority.health().await), None);
    assert!(log.is_sound(&[]).await);
}

#[tokio::test]
async fn a_log_that_is_lost_is_begun_anew_with_another_key() {
    let log = Log::signed(300).await;
    let (key, kept) = (log.key().await, log.checkpoint().await);
    log.cut_after(200).await;
    log.alarm().await;
    let refused = log
        .authority
        .begin_audit_log_anew(&principal("a", ca::Role::Auditor), "restored")
        .await;
    assert_eq!(refused.unwrap_err().code(), "role_insufficient");
    let silent = log.authority.begin_audit_log_anew(&admin(), " ").await;
    assert_eq!(silent.unwrap_err().code(), "reason_missing");
    log.authority
        .begin_audit_log_anew(&admin(), "restored from the backup of May")
        .await
        .unwrap();
    assert!(log.tend().await);
    assert!(log.metric("chancery_audit_alarm 0"));
    assert_ne!(log.key().await, key);
    assert_ne!(
        log.key().await.name(),
        key.name(),
        "no checkpoint of one log can be taken for one of the other"
    );
    assert!(log.is_sound(&[]).await);
    assert!(log.broken(&[kept]).await.contains("no known key has signed"));
    let entries = log
        .store
        .read(|reader| audit::after(reader, 200, 10))
        .await
        .unwrap();
    assert_eq!(entries[0].entry.action, "audit.begin_anew");
    assert!(
        entries[0].entry.details.contains("backup of May"),
        "{}",
        entries[0].entry.details
    );
    assert!(
        entries[0].entry.details.contains(r#""size":300"#),
        "{}",
        entries[0].entry.details
    );
    let set_aside = std::fs::read_dir(log.folder.path()).unwrap().filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with("audit-log.until-")
    });
    assert_eq!(set_aside.count(), 1);
    assert!(verify_audit_files(&log.files(), &with(&log.key().await, &[])).is_ok());
}

/// What another server does that begins the log anew; whoever has the database can do the same.
async fn begin_elsewhere(log: &Log) {
    log.sql(&[
        "DELETE FROM audit_checkpoints",
        "DELETE FROM audit_tiles",
        "DELETE FROM settings WHERE key = 'audit.log'",
    ])
    .await;
}

#[tokio::test]
async fn a_log_that_was_begun_anew_elsewhere_is_taken_up_when_the_files_are_moved_away() {
    let log = Log::signed(300).await;
    let key = log.key().await;
    begin_elsewhere(&log).await;
    for _ in 0..2 {
        let alarm = log.alarm().await;
        assert!(
            alarm.contains("another log or key") && alarm.contains("audit.folder"),
            "{alarm}"
        );
    }
    std::fs::rename(log.files(), log.folder.path().join("aside")).unwrap();
    assert!(log.tend().await, "without a new start");
    assert!(log.metric("chancery_audit_alarm 0"));
    assert_ne!(log.key().await, key);
    assert!(log.is_sound(&[]).await);
    assert!(verify_audit_files(&log.files(), &with(&log.key().await, &[])).is_ok());
}

/// Files that nobody could write are not files that somebody moved away.
#[tokio::test]
async fn a_log_without_files_is_not_taken_for_one_whose_files_were_moved() {
    let log = Log::new().await;
    // No folder can be made where a link leads nowhere.
    std::os::unix::fs::symlink("/nowhere/at/all", log.files()).unwrap();
    assert!(log.tend().await);
    let problems = log.authority.health().await.problems;
    assert!(
        problems.iter().any(|problem| problem.code == "audit_files"),
        "{problems:?}"
    );
    begin_elsewhere(&log).await;
    std::fs::remove_file(log.files()).unwrap();
    for _ in 0..2 {
        assert!(log.alarm().await.contains("another log or key"));
    }
    assert_eq!(
        log.authority.audit_key(&admin()).await.unwrap(),
        None,
        "none was made"
    );
}

#[tokio::test]
async fn an_export_gets_every_entry_once_it_is_confirmed() {
    let log = Log::new().await;
    log.append(10).await;
    let last = log.last().await;
    let page = |most| log.authority.audit_export_page("siem", most);
    let first = page(4).await.unwrap().unwrap();
    assert_eq!(
        first.lines.iter().map(|line| line.seq).collect::<Vec<_>>(),
        [1, 2, 3, 4]
    );
    assert!(first.lines[0].json.starts_with(r#"{"seq":1,"at":""#));
    assert!(log.metric(&format!("chancery_audit_export_lag{{export=\"siem\"}} {last}")));
    log.authority
        .audit_export_failed(first, "connection refused")
        .await;
    assert!(log.metric("chancery_audit_export_failures_total{export=\"siem\"} 1"));
    let stuck = |health: ca::Health| {
        health
            .problems
            .into_iter()
            .any(|problem| problem.code == "audit_export_stuck")
    };
    assert!(!stuck(log.authority.health().await));
    log.clock.advance(SignedDuration::from_mins(6));
    assert!(stuck(log.authority.health().await));
    let again = page(4).await.unwrap().unwrap();
    assert_eq!(again.lines[0].seq, 1);
    log.authority.audit_exported(again).await.unwrap();
    assert!(!stuck(log.authority.health().await));
    let rest = page(100).await.unwrap().unwrap();
    assert_eq!(rest.lines[0].seq, 5);
    // Another server has taken over meanwhile: what was sent here counts for nothing.
    log.sql(&["UPDATE leases SET token = token + 1 WHERE name = 'audit-export:siem'"])
        .await;
    assert!(log.authority.audit_exported(rest).await.is_err());
    let rest = page(100).await.unwrap().unwrap();
    assert_eq!(rest.lines[0].seq, 5);
    log.authority.audit_exported(rest).await.unwrap();
    assert!(page(100).await.unwrap().is_none());
    assert!(log.metric("chancery_audit_export_lag{export=\"siem\"} 0"));
}

/// A server that cannot sign keeps the duty from nobody: another one, which may have the key, takes it at once.
#[tokio::test]
async fn a_server_without_the_key_gives_the_duty_back() {
    let log = Log::signed(20).await;
    log.append(1).await;
    log.sql(&["UPDATE leases SET until = 0 WHERE name = 'audit'"])
        .await;
    let signer = ca::Signer::in_process(Arc::new(KeyRing::in_memory()));
    let settings = ca::Settings::new(crate::bed::BASE_URL);
    let without = ca::Authority::open(log.store.clone(), signer, log.clock.clone(), settings)
        .await
        .unwrap();
    let error = without.tend_audit_log_now().await.unwrap_err();
    assert_eq!(error.code(), "hsm_key_missing");
    let other = Uuid::from_u128(0x0dd);
    let take = move |tx: &store::Tx<'_>| leases::take(tx, "audit", other, Duration::from_mins(1));
    assert!(log.store.write(take).await.unwrap().is_some(), "at once");
}
