//! What a restored store makes of an export of the audit log: also when a backup is restored for the second time.

use ca::{
    Authority, CertRef, ExportFault, ExportedLog, ImportOffline, NewEpoch, Offline, Restored, RevokeRequest,
    Role, check_export,
};
use pki::{Certificate, KeyAlgorithm, RevocationReason, Serial};
use store::audit::LoggedEntry;
use store::dump::{self, Piece};
use store::{Restore, Store, revocations};

use crate::bed::{Bed, admin, certificate, open, principal, root};
use crate::log::hex;

/// A backup: every row of a store, and when it was made.
struct Backup {
    pieces: Vec<Piece>,
    taken_at: jiff::Timestamp,
    last: i64,
}

/// A second look at the store of an authority.
fn look(path: &std::path::Path) -> Store {
    Store::open_read_only(&store_bed::config(path)).unwrap()
}

async fn backup(bed: &Bed) -> Backup {
    let store = look(&bed.path("store.db"));
    let read = store.read(|reader| {
        let mut pieces = Vec::new();
        dump::dump(reader, |piece| {
            pieces.push(piece);
            Ok(())
        })?;
        Ok((pieces, store::audit::last(reader)?))
    });
    let (pieces, last) = read.await.unwrap();
    Backup {
        pieces,
        taken_at: bed.clock.now(),
        last,
    }
}

/// The audit log of a store as an export has it; rewritten, it shows nothing.
async fn exported(path: &std::path::Path, after: i64, is_rewritten: bool) -> String {
    let store = look(path);
    let read = store.read(move |reader| store::audit::after(reader, after, u32::MAX));
    let line = |one: LoggedEntry| {
        let (at, entry) = (
            jiff::Timestamp::from_millisecond(one.entry.at).unwrap(),
            one.entry,
        );
        let hash = hex(&one.hash);
        let details = if is_rewritten {
            entry.details.replacen('{', "{ ", 1)
        } else {
            entry.details
        };
        format!(
            "{{\"seq\":{},\"at\":\"{at}\",\"actor\":\"{}\",\"action\":\"{}\",\"object\":\"{}\",\"outcome\":\"{}\",\"details\":{details},\
             \"hash\":\"{hash}\"}}\n",
            one.seq, entry.actor, entry.action, entry.object, entry.outcome
        )
    };
    read.await.unwrap().into_iter().map(line).collect()
}

fn log(text: &str) -> ExportedLog {
    ExportedLog::read(text.as_bytes()).unwrap()
}

impl Backup {
    /// Restores it into a place of its own.
    async fn restored(
        &self,
        path: &std::path::Path,
        now: jiff::Timestamp,
        log: Option<ExportedLog>,
        certificates: Vec<Certificate>,
    ) -> Result<NewEpoch, ExportFault> {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut restore = Restore::begin(store_bed::open(path), "one").await.unwrap();
        for piece in &self.pieces {
            restore.take(piece.table, &piece.octets).await.unwrap();
        }
        if let Some(log) = log.clone() {
            let checked = restore.store().read(move |reader| check_export(reader, &log));
            checked.await.unwrap()?;
        }
        let restored = Restored {
            backup: "one".to_owned(),
            taken_at: self.taken_at,
            now,
            log,
            certificates,
            accepts_audit_alarm: false,
        };
        let settled = restore.settle(move |tx| ca::begin_epoch(tx, &restored)).await;
        let epoch = settled.unwrap().unwrap();
        store::restore::complete(restore.store()).await.unwrap();
        Ok(epoch)
    }
}

/// How a serial of a store is revoked: nothing, or the number of the reason.
async fn reason(path: &std::path::Path, issuer: uuid::Uuid, serial: Serial) -> Option<i64> {
    let store = look(path);
    let read = store.read(move |reader| revocations::find(reader, issuer, serial.as_bytes()));
    read.await.unwrap().map(|found| found.reason)
}

async fn is_there(path: &std::path::Path, issuer: uuid::Uuid, serial: Serial) -> bool {
    let store = look(path);
    let read = store.read(move |reader| store::certificates::of_issuer(reader, issuer, serial.as_bytes()));
    read.await.unwrap().is_some()
}

async fn revoke(authority: &Authority, one: &Certificate, reason: RevocationReason) {
    let request = RevokeRequest {
        certificate: CertRef::Serial(one.serial()),
        reason,
        invalidity_date: None,
    };
    authority.revoke(&admin(), request).await.unwrap();
}

/// An authority, its backup, and what happened after that.
struct Story {
    bed: Bed,
    issuer: uuid::Uuid,
    backup: Backup,
    /// Revoked after the backup.
    doomed: Certificate,
    /// On hold in the backup, and released after it.
    held: Certificate,
    /// Issued after the backup.
    lost: Certificate,
    kept: Certificate,
    /// An API token that ended after the backup.
    token: String,
}

async fn story() -> Story {
    let bed = Bed::ready().await;
    let [doomed, held] = [
        bed.server("doomed.example").await,
        bed.server("held.example").await,
    ]
    .map(|issued| certificate(&issued));
    revoke(&bed.authority, &held, RevocationReason::CertificateHold).await;
    let request = ca::NewApiToken {
        name: "leaver".to_owned(),
        role: Role::Operator,
        issuers: ca::Scope::All,
        profiles: ca::Scope::All,
        expires_at: None,
    };
    let token = bed.authority.create_api_token(&admin(), request).await.unwrap();
    let backup = backup(&bed).await;
    bed.advance(jiff::SignedDuration::from_mins(1));
    let [lost, kept] = [bed.server("lost.example").await, bed.server("kept.example").await]
        .map(|issued| certificate(&issued));
    revoke(&bed.authority, &doomed, RevocationReason::KeyCompromise).await;
    revoke(&bed.authority, &held, RevocationReason::RemoveFromCrl).await;
    bed.authority
        .revoke_api_token(&admin(), &token.token.id)
        .await
        .unwrap();
    bed.advance(jiff::SignedDuration::from_mins(10));
    Story {
        issuer: bed.issuer("issuing").id,
        backup,
        doomed,
        held,
        lost,
        kept,
        token: token.token.id,
        bed,
    }
}

impl Story {
    async fn is_as_it_was(&self, path: &std::path::Path, has_kept: bool) {
        let of = |one: &Certificate| reason(path, self.issuer, one.serial());
        assert_eq!(of(&self.doomed).await, Some(1), "revoked, and why");
        assert_eq!(of(&self.held).await, None, "released");
        assert!(of(&self.lost).await.is_some(), "nowhere, and revoked");
        assert_eq!(is_there(path, self.issuer, self.kept.serial()).await, has_kept);
        assert_eq!(of(&self.kept).await.is_none(), has_kept);
        let id = self.token.clone();
        let tokens = look(path).read(store::tokens::all).await.unwrap();
        let token = tokens.into_iter().find(|token| token.id == id).unwrap();
        assert!(token.revoked_at.is_some(), "an ended token");
    }
}

/// After a first restore by an export that was written anew nothing but its own entries tell what was revoked.
#[tokio::test]
async fn what_a_restore_did_again_is_done_again_by_the_next_restore_of_the_backup() {
    let story = story().await;
    let (first, second, third) = (
        story.bed.path("first/store.db"),
        story.bed.path("second/store.db"),
        story.bed.path("third/store.db"),
    );
    let anew = exported(&story.bed.path("store.db"), story.backup.last - 1, true).await;
    let now = story.bed.clock.now();
    let kept = || vec![story.kept.clone()];
    let epoch = story
        .backup
        .restored(&first, now, Some(log(&anew)), kept())
        .await
        .unwrap();
    assert_eq!(
        (epoch.log_continued, epoch.certificates_taken_in),
        (0, 1),
        "{epoch:?}"
    );
    assert_eq!(
        (epoch.revocations, epoch.releases, epoch.tokens_ended),
        (1, 1, 1),
        "{epoch:?}"
    );
    story.is_as_it_was(&first, true).await;
    // The log of that epoch, word for word, and then written anew.
    let later = now + jiff::SignedDuration::from_mins(10);
    let whole = exported(&first, 0, false).await;
    let epoch = story
        .backup
        .restored(&second, later, Some(log(&whole)), kept())
        .await
        .unwrap();
    assert!(
        epoch.log_continued > 0 && epoch.not_brought_back.is_empty(),
        "{epoch:?}"
    );
    story.is_as_it_was(&second, true).await;
    let anew = exported(&first, 0, true).await;
    story
        .backup
        .restored(&third, later, Some(log(&anew)), Vec::new())
        .await
        .unwrap();
    story.is_as_it_was(&third, false).await;
}

/// A serial that was revoked because its certificate was nowhere does not become good by bringing that along.
#[tokio::test]
async fn what_the_log_says_revoked_stays_revoked_whatever_certificate_is_brought_along() {
    let story = story().await;
    let (first, second) = (
        story.bed.path("first/store.db"),
        story.bed.path("second/store.db"),
    );
    let now = story.bed.clock.now();
    let whole = exported(&story.bed.path("store.db"), 0, false).await;
    let kept = vec![story.kept.clone()];
    story
        .backup
        .restored(&first, now, Some(log(&whole)), kept)
        .await
        .unwrap();
    story.is_as_it_was(&first, true).await;
    let whole = exported(&first, 0, false).await;
    let both = vec![story.kept.clone(), story.lost.clone()];
    let later = now + jiff::SignedDuration::from_mins(10);
    let epoch = story
        .backup
        .restored(&second, later, Some(log(&whole)), both)
        .await
        .unwrap();
    assert_eq!(epoch.certificates_taken_in, 2, "{epoch:?}");
    assert!(is_there(&second, story.issuer, story.lost.serial()).await);
    story.is_as_it_was(&second, true).await;
    // As the server of that store sees it.
    let authority = open(&second, &story.bed.ring, &story.bed.clock).await;
    let entry = authority
        .certificate(&admin(), CertRef::Serial(story.lost.serial()))
        .await;
    assert_eq!(entry.unwrap().status.name(), "revoked");
}

/// The export to a file goes on with the restored store.
#[tokio::test]
async fn of_a_file_with_both_epochs_the_revocations_of_the_last_are_done_again() {
    let story = story().await;
    let (first, second) = (
        story.bed.path("first/store.db"),
        story.bed.path("second/store.db"),
    );
    let now = story.bed.clock.now();
    // The loss of what is in the file already was accepted.
    let old = exported(&story.bed.path("store.db"), 0, false).await;
    story
        .backup
        .restored(&first, now, None, Vec::new())
        .await
        .unwrap();
    story.bed.advance(jiff::SignedDuration::from_mins(1));
    let authority = open(&first, &story.bed.ring, &story.bed.clock).await;
    revoke(&authority, &story.doomed, RevocationReason::CaCompromise).await;
    let later = principal("later", Role::Operator);
    let issued = authority
        .issue(&later, crate::bed::server_request("new.example"))
        .await
        .unwrap();
    authority.drain().await;
    let file = old + &exported(&first, story.backup.last - 2, false).await;
    let end = look(&first).read(store::audit::last).await.unwrap();
    let read = log(&file);
    assert_eq!(read.last().unwrap().0, end);
    let epoch = story
        .backup
        .restored(&second, story.bed.clock.now(), Some(read), Vec::new())
        .await
        .unwrap();
    assert!(epoch.log_continued > 0, "{epoch:?}");
    assert_eq!(
        reason(&second, story.issuer, story.doomed.serial()).await,
        Some(2)
    );
    assert!(
        reason(&second, story.issuer, issued.certificate.serial())
            .await
            .is_some()
    );
    // What the last epoch does not know is not of it.
    assert_eq!(reason(&second, story.issuer, story.lost.serial()).await, None);
    // A backup of the first epoch that the second did not begin with.
    let of_first = backup(&story.bed).await;
    let third = story.bed.path("third/store.db");
    let fault = of_first
        .restored(&third, story.bed.clock.now(), Some(log(&file)), Vec::new())
        .await
        .unwrap_err();
    assert!(matches!(fault, ExportFault::TwoEpochs { .. }), "{fault}");
}

/// The log of somebody else, whose numbers happen to go on where those of the backup end.
#[tokio::test]
async fn a_log_of_another_installation_is_refused_and_is_no_matter_once_the_epoch_began() {
    let story = story().await;
    let other = Bed::ready().await;
    for number in 0..10 {
        other.server(&format!("{number}.example")).await;
    }
    let foreign = exported(&other.path("store.db"), story.backup.last, false).await;
    let target = story.bed.path("first/store.db");
    let now = story.bed.clock.now();
    let fault = story
        .backup
        .restored(&target, now, Some(log(&foreign)), Vec::new())
        .await
        .unwrap_err();
    assert!(matches!(fault, ExportFault::NotFollowing(_)), "{fault}");
    // The epoch began, and the restore broke off.
    let target = story.bed.path("second/store.db");
    story
        .backup
        .restored(&target, now, None, Vec::new())
        .await
        .unwrap();
    let restored = store_bed::open(&target);
    let foreign = log(&foreign);
    let look = |there: &Store| {
        let (there, log) = (there.clone(), foreign.clone());
        async move {
            there
                .read(move |reader| check_export(reader, &log))
                .await
                .unwrap()
        }
    };
    assert!(look(&restored).await.is_err());
    let mark = |tx: &store::Tx<'_>| store::settings::put(tx, "restore.unfinished", "one placing");
    restored.write(mark).await.unwrap();
    assert!(look(&restored).await.is_ok());
}

/// An authority with a CA `far` whose key is elsewhere, and four lists of that.
async fn with_lists() -> (Bed, uuid::Uuid, Vec<Vec<u8>>) {
    let (machine, bed) = (Bed::empty().await, Bed::ready().await);
    let made = machine
        .authority
        .create_offline_root(&admin(), root("root", KeyAlgorithm::P256), Offline::default())
        .await
        .unwrap();
    let far = ImportOffline {
        name: "far".to_owned(),
        certificates: made.certificate.as_ref().unwrap().pem().into_bytes(),
        id: None,
        ca_url: None,
        crl_url: None,
    };
    let id = bed.authority.import_offline(&admin(), far).await.unwrap().id;
    let mut lists = Vec::new();
    for _ in 0..4 {
        let lasting = std::time::Duration::from_hours(24);
        let made = machine
            .authority
            .publish_crl_for(&admin(), "root", lasting)
            .await
            .unwrap();
        lists.push(made.der().unwrap().to_vec());
    }
    (bed, id, lists)
}

/// Imports a list; gives its number, or the code of the refusal.
async fn import(authority: &Authority, list: &[u8]) -> Result<u64, &'static str> {
    let imported = authority.import_crl(&admin(), "far", list).await;
    imported
        .map(|published| published.number)
        .map_err(|error| error.code())
}

/// The lists of a CA whose key is elsewhere come back, and none that is older is taken.
#[tokio::test]
async fn imported_lists_are_in_the_backup_and_none_older_is_taken_after_it() {
    let (bed, id, lists) = with_lists().await;
    import(&bed.authority, &lists[1]).await.unwrap();
    let backup = backup(&bed).await;
    import(&bed.authority, &lists[2]).await.unwrap();
    let whole = exported(&bed.path("store.db"), 0, false).await;
    let now = bed.clock.now();
    // Without an export: what is in the backup.
    let path = bed.path("first/store.db");
    backup.restored(&path, now, None, Vec::new()).await.unwrap();
    let authority = open(&path, &bed.ring, &bed.clock).await;
    assert_eq!(authority.current_crl(id).unwrap().der().unwrap(), lists[1]);
    assert_eq!(import(&authority, &lists[0]).await, Err("crl_not_newer"));
    assert_eq!(import(&authority, &lists[1]).await, Err("crl_not_newer"));
    assert_eq!(import(&authority, &lists[2]).await, Ok(3));
    authority.drain().await;
    // With one: nothing older than what it tells of.
    let path = bed.path("second/store.db");
    let epoch = backup
        .restored(&path, now, Some(log(&whole)), Vec::new())
        .await
        .unwrap();
    let mut told = epoch.not_brought_back.keys();
    assert!(
        told.any(|key| key.contains("import the newest again")),
        "{epoch:?}"
    );
    let authority = open(&path, &bed.ring, &bed.clock).await;
    assert_eq!(authority.current_crl(id).unwrap().number, 2);
    assert_eq!(import(&authority, &lists[1]).await, Err("crl_not_newer"));
    assert_eq!(import(&authority, &lists[2]).await, Ok(3));
    assert_eq!(import(&authority, &lists[2]).await, Err("crl_not_newer"));
}

/// A list that is only in a file, which is gone: that is told, and the very one is taken again.
#[tokio::test]
async fn an_imported_list_whose_file_is_gone_is_taken_again() {
    let (bed, id, lists) = with_lists().await;
    import(&bed.authority, &lists[1]).await.unwrap();
    let backup = backup(&bed).await;
    let path = bed.path("first/store.db");
    backup
        .restored(&path, bed.clock.now(), None, Vec::new())
        .await
        .unwrap();
    let gone = store_bed::open(&path);
    let take_away = gone.write(move |tx| {
        let mut row = store::crls::newest_of(tx, id, 0)?.remove(0);
        row.der = None;
        store::crls::put_der(tx, &row)
    });
    take_away.await.unwrap();
    drop(gone);
    let authority = open(&path, &bed.ring, &bed.clock).await;
    assert!(authority.current_crl(id).is_none());
    assert_eq!(authority.health().await.problems[0].code, "crl_expired");
    assert_eq!(import(&authority, &lists[0]).await, Err("crl_not_newer"));
    assert_eq!(import(&authority, &lists[1]).await, Ok(2));
    assert_eq!(authority.current_crl(id).unwrap().der().unwrap(), lists[1]);
    assert_eq!(import(&authority, &lists[1]).await, Err("crl_not_newer"));
    assert_eq!(import(&authority, &lists[2]).await, Ok(3));
    authority.drain().await;
    drop(authority);
    let authority = open(&path, &bed.ring, &bed.clock).await;
    assert_eq!(authority.current_crl(id).unwrap().der().unwrap(), lists[2]);
}
