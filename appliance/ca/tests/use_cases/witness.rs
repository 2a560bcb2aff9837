//! Witnesses, from both sides: what a server has cosigned by others, and what it cosigns for them.

use std::path::PathBuf;

use ca::{AddCheckpointFault, Authority, HealthProblem, WitnessFault, WitnessRefusal, WitnessSettings};
use jiff::SignedDuration;
use store::audit_tree;
use tlog::{ConsistencyText, Note, NoteKey};

use crate::bed::{admin, principal};
use crate::log::{Log, with};
use crate::several::Pair;

/// A server that watches logs.
struct Watching {
    server: Log,
    settings: WitnessSettings,
    key: NoteKey,
}

impl Watching {
    async fn new(logs: &[NoteKey]) -> Self {
        let server = Log::new().await;
        let settings = WitnessSettings {
            name: "witness.example".to_owned(),
            key_file: server.folder.path().join("witness.pem"),
            folder: server.folder.path().join("witness"),
            logs: logs.to_vec(),
        };
        let key = server.authority.be_a_witness(&settings).unwrap();
        Self {
            server,
            settings,
            key,
        }
    }

    async fn of(log: &Log) -> Self {
        Self::new(&[log.key().await]).await
    }

    fn restart(&self) {
        self.server.authority.be_a_witness(&self.settings).unwrap();
    }

    fn authority(&self) -> &Authority {
        &self.server.authority
    }

    async fn asked(&self, body: &str) -> Result<String, AddCheckpointFault> {
        self.authority().add_checkpoint(body.as_bytes()).await
    }

    async fn refusal(&self, body: &str) -> WitnessRefusal {
        match self.asked(body).await {
            Err(AddCheckpointFault::Refused(refusal)) => refusal,
            other => panic!("{other:?}"),
        }
    }

    /// The file of the one log that it has seen.
    fn state(&self) -> PathBuf {
        let files = std::fs::read_dir(&self.settings.folder).unwrap();
        let files = files.map(|file| file.unwrap().path());
        let is_of_a_log = |file: &PathBuf| file.extension().is_none() && !file.ends_with("known");
        let [file] = files.filter(is_of_a_log).collect::<Vec<_>>().try_into().unwrap();
        file
    }

    fn size(&self) -> u64 {
        let (_, logs) = self.authority().witness(&admin()).unwrap().unwrap();
        logs[0].size
    }
}

/// What the log would ask a witness that has seen so many entries.
async fn body(log: &Log, old: i64) -> String {
    let admin = admin();
    let proved = log.authority.prove_audit_consistency(&admin, old, None);
    proved.await.unwrap()
}

async fn ask(log: &Log, witness: &Watching) -> (u32, Result<(), String>) {
    ask_for(&log.authority, witness).await
}

/// Asks as the job does; how often it had to, and what is wrong at the end.
async fn ask_for(log: &Authority, witness: &Watching) -> (u32, Result<(), String>) {
    for questions in 0..4 {
        let request = log.audit_witness_request(&witness.key).await.unwrap();
        let Some(request) = request else {
            return (questions, Ok(()));
        };
        let (status, answer) = match witness.asked(&request.body).await {
            Ok(lines) => (200, lines),
            Err(AddCheckpointFault::Refused(WitnessRefusal::Conflict(size) | WitnessRefusal::Fork(size))) => {
                (409, format!("{size}\n"))
            }
            Err(AddCheckpointFault::Refused(refusal)) => (refusal.status(), refusal.to_string()),
            Err(fault) => (503, fault.to_string()),
        };
        let concluded = log.audit_witness_answered(request, status, answer.as_bytes());
        if let Err(why) = concluded.await.unwrap() {
            return (questions + 1, Err(why));
        }
    }
    panic!("it never comes to an end");
}

async fn problem(authority: &Authority, code: &str) -> Option<HealthProblem> {
    let health = authority.health().await;
    assert!(health.is_ready, "no witness keeps a server from its work");
    health.problems.into_iter().find(|problem| problem.code == code)
}

async fn is_cosigned(log: &Log, by: &NoteKey) -> bool {
    log.checkpoint().await.verify(std::slice::from_ref(by)).is_ok()
}

#[tokio::test]
async fn a_checkpoint_gets_the_signatures_of_its_witnesses_everywhere() {
    let log = Log::signed(300).await;
    let (one, mut other) = (Watching::of(&log).await, Watching::of(&log).await);
    other.settings.name = "other.example".to_owned();
    other.key = other.authority().be_a_witness(&other.settings).unwrap();
    assert_eq!(ask(&log, &one).await, (1, Ok(())));
    assert_eq!(ask(&log, &one).await, (0, Ok(())), "there is nothing more to ask");
    assert!(log.metric("chancery_audit_witness_lag{witness=\"witness.example\"} 0"));
    assert_eq!(ask(&log, &other).await, (1, Ok(())));
    let (key, note) = (log.key().await, log.checkpoint().await);
    assert_eq!(note.signatures().len(), 3);
    // In the files, in proofs, and for who knows the log alone.
    let mut expected = with(&key, &[]);
    expected.witnesses = vec![one.key.clone(), other.key.clone()];
    ca::verify_audit_files(&log.files(), &expected).unwrap();
    ca::verify_audit_files(&log.files(), &with(&key, &[])).unwrap();
    let proof = log.authority.prove_audit_entry(&admin(), "7").await.unwrap();
    ca::verify_audit_proof(proof.text.as_bytes(), &expected).unwrap();
    assert!(log.is_sound(&[note]).await);
    // The next one is asked for from what was cosigned.
    log.append(5).await;
    assert!(log.tend().await);
    let request = log
        .authority
        .audit_witness_request(&one.key)
        .await
        .unwrap()
        .unwrap();
    assert!(request.body.starts_with("old 300\n"), "{}", request.body);
    log.authority
        .audit_witness_failed(request, "connection refused")
        .await;
    assert!(log.metric("chancery_audit_witness_lag{witness=\"witness.example\"} 5"));
    assert!(log.metric("chancery_audit_witness_failures_total{witness=\"witness.example\"} 1"));
    assert_eq!(ask(&log, &one).await, (1, Ok(())));
    ca::verify_audit_files(
        &log.files(),
        &ca::Expected {
            witnesses: vec![one.key.clone()],
            ..with(&key, &[])
        },
    )
    .unwrap();
    assert_eq!(one.size(), 305);
}

#[tokio::test]
async fn a_witness_answers_by_the_rules_of_the_protocol() {
    let log = Log::signed(300).await;
    let witness = Watching::of(&log).await;
    let first = body(&log, 0).await;
    let line = witness.asked(&first).await.unwrap();
    let note = ConsistencyText::parse(first.as_bytes()).unwrap().checkpoint;
    tlog::cosignature(&note, line.as_bytes(), &witness.key).unwrap();
    // The same once more is asked for from its own size.
    assert_eq!(witness.refusal(&first).await, WitnessRefusal::Conflict(300));
    let again = body(&log, 300).await;
    let state = std::fs::read(witness.state()).unwrap();
    assert!(witness.asked(&again).await.is_ok());
    assert_eq!(std::fs::read(witness.state()).unwrap(), state);
    log.append(10).await;
    assert!(log.tend().await);
    let next = body(&log, 300).await;
    let unproved = next.replacen(&next.lines().nth(1).unwrap().to_owned(), &"A".repeat(43), 1);
    let mut lines: Vec<&str> = next.lines().collect();
    lines.remove(1);
    let short = lines.join("\n") + "\n";
    assert_eq!(witness.refusal(&short).await, WitnessRefusal::BadProof);
    assert!(matches!(
        witness.refusal(&unproved).await,
        WitnessRefusal::Malformed(_)
    ));
    let stranger = Log::signed(20).await;
    assert_eq!(
        witness.refusal(&body(&stranger, 0).await).await,
        WitnessRefusal::UnknownLog
    );
    let forged = next.replacen("\n310\n", "\n311\n", 1);
    assert_eq!(witness.refusal(&forged).await, WitnessRefusal::Unsigned);
    assert_eq!(
        witness.refusal(&next.replacen("old 300", "old 311", 1)).await,
        WitnessRefusal::Shrinks
    );
    assert_eq!(witness.size(), 300, "nothing of this was cosigned");
    witness.asked(&next).await.unwrap();
    assert_eq!(witness.size(), 310);
    let auditor = principal("a", ca::Role::Operator);
    assert_eq!(
        witness.authority().witness(&auditor).unwrap_err().code(),
        "role_insufficient"
    );
    assert!(matches!(
        log.authority.add_checkpoint(next.as_bytes()).await,
        Err(AddCheckpointFault::NoWitness)
    ));
}

/// Of many at once that ask from the same size, those cosign one story.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_at_once_do_not_overtake_each_other() {
    let log = Log::signed(50).await;
    let witness = Watching::of(&log).await;
    let mut bodies = vec![body(&log, 0).await];
    for _ in 0..6 {
        log.append(7).await;
        assert!(log.tend().await);
        bodies.push(body(&log, 0).await);
    }
    let mut asked = tokio::task::JoinSet::new();
    for body in bodies {
        let authority = witness.authority().clone();
        asked.spawn(async move { (authority.add_checkpoint(body.as_bytes()).await, body) });
    }
    let mut cosigned = Vec::new();
    while let Some(done) = asked.join_next().await {
        let (outcome, body) = done.unwrap();
        match outcome {
            Ok(_) => cosigned.push(body),
            Err(AddCheckpointFault::Refused(WitnessRefusal::Conflict(_))) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(
        cosigned.len(),
        1,
        "all others ask from what is not the last any more"
    );
    let kept = Note::parse(&std::fs::read(witness.state()).unwrap()).unwrap();
    assert!(cosigned[0].contains(kept.unverified_text()));
}

#[tokio::test]
async fn a_witness_remembers_over_a_new_start_and_refuses_without_its_memory() {
    let log = Log::signed(300).await;
    let witness = Watching::of(&log).await;
    let first = body(&log, 0).await;
    witness.asked(&first).await.unwrap();
    witness.restart();
    assert_eq!(witness.size(), 300);
    assert_eq!(witness.refusal(&first).await, WitnessRefusal::Conflict(300));
    log.append(1).await;
    assert!(log.tend().await);
    let next = body(&log, 300).await;
    let (file, kept) = (witness.state(), std::fs::read(witness.state()).unwrap());
    let other = Log::signed(40).await;
    let foreign = other.checkpoint().await.to_string();
    let mut cut = kept.clone();
    cut.truncate(40);
    for damaged in [b"".to_vec(), cut, foreign.into_bytes()] {
        std::fs::write(&file, &damaged).unwrap();
        for is_new_start in [false, true] {
            if is_new_start {
                witness.restart();
            }
            let fault = witness.asked(&next).await.unwrap_err();
            assert!(matches!(fault, AddCheckpointFault::Unusable), "{fault}");
            assert_eq!(
                std::fs::read(&file).unwrap(),
                damaged,
                "it is left for the operator"
            );
            let told = problem(witness.authority(), "audit_witness_state").await.unwrap();
            assert!(told.message.contains(file.to_str().unwrap()), "{}", told.message);
        }
        std::fs::write(&file, &kept).unwrap();
        witness.restart();
    }
    // Removed while it runs: it still knows that there was one.
    assert!(witness.asked(&body(&log, 300).await).await.is_ok());
    std::fs::remove_file(&file).unwrap();
    let fault = witness.asked(&first).await.unwrap_err();
    assert!(matches!(fault, AddCheckpointFault::Unusable), "{fault}");
    std::fs::write(&file, &kept).unwrap();
    let fault = witness.asked(&next).await.unwrap_err();
    assert!(
        matches!(fault, AddCheckpointFault::Unusable),
        "nor may it be an older one: {fault}"
    );
    // All of it removed, and the key left.
    std::fs::remove_dir_all(&witness.settings.folder).unwrap();
    let refused = witness.authority().be_a_witness(&witness.settings).unwrap_err();
    assert!(matches!(refused, WitnessFault::Forgotten { .. }), "{refused}");
    // An empty folder says no more.
    std::fs::create_dir(&witness.settings.folder).unwrap();
    let refused = witness.authority().be_a_witness(&witness.settings).unwrap_err();
    assert!(matches!(refused, WitnessFault::Forgotten { .. }), "{refused}");
    // Another key has cosigned nothing.
    std::fs::remove_file(&witness.settings.key_file).unwrap();
    let key = witness.authority().be_a_witness(&witness.settings).unwrap();
    assert_ne!(key, witness.key);
    witness.asked(&first).await.unwrap();
}

/// One file of those that it keeps is gone while it does not run: that is not a log it has never seen.
#[tokio::test]
async fn a_witness_misses_the_file_of_a_log_it_has_cosigned() {
    let log = Log::signed(30).await;
    let witness = Watching::of(&log).await;
    let first = body(&log, 0).await;
    witness.asked(&first).await.unwrap();
    let (file, kept) = (witness.state(), std::fs::read(witness.state()).unwrap());
    std::fs::remove_file(&file).unwrap();
    witness.restart();
    let told = problem(witness.authority(), "audit_witness_state").await.unwrap();
    assert!(told.message.contains("it is not there"), "{}", told.message);
    let fault = witness.asked(&first).await.unwrap_err();
    assert!(matches!(fault, AddCheckpointFault::Unusable), "{fault}");
    assert!(!file.exists());
    std::fs::write(&file, kept).unwrap();
    witness.restart();
    assert_eq!(witness.refusal(&first).await, WitnessRefusal::Conflict(30));
}

/// The key is away for a start: that start makes nothing by which the next one takes it for a key that is new.
#[tokio::test]
async fn a_witness_whose_key_is_away_makes_nothing() {
    let log = Log::signed(30).await;
    let mut witness = Watching::of(&log).await;
    let safe = witness.server.folder.path().join("safe");
    std::fs::create_dir(&safe).unwrap();
    std::fs::rename(&witness.settings.key_file, safe.join("witness.pem")).unwrap();
    witness.settings.key_file = safe.join("witness.pem");
    witness.restart();
    witness.asked(&body(&log, 0).await).await.unwrap();
    let away = witness.server.folder.path().join("away");
    std::fs::rename(&safe, &away).unwrap();
    let refused = witness.authority().be_a_witness(&witness.settings).unwrap_err();
    assert!(matches!(refused, WitnessFault::Foreign { .. }), "{refused}");
    std::fs::remove_dir_all(&witness.settings.folder).unwrap();
    let refused = witness.authority().be_a_witness(&witness.settings).unwrap_err();
    assert!(matches!(refused, WitnessFault::Key(_)), "{refused}");
    assert!(!witness.settings.folder.exists());
    std::fs::rename(&away, &safe).unwrap();
    let refused = witness.authority().be_a_witness(&witness.settings).unwrap_err();
    assert!(matches!(refused, WitnessFault::Forgotten { .. }), "{refused}");
    // Another key where the folder is that of this one.
    let witness = Watching::of(&log).await;
    witness.asked(&body(&log, 0).await).await.unwrap();
    std::fs::remove_file(&witness.settings.key_file).unwrap();
    let refused = witness.authority().be_a_witness(&witness.settings).unwrap_err();
    assert!(
        refused.to_string().contains(&witness.key.to_string()),
        "{refused}"
    );
}

/// Of two that work with one file one waits, so neither signs what the other does not know of.
#[tokio::test]
async fn nobody_else_works_with_the_file_meanwhile() {
    let log = Log::signed(30).await;
    let witness = Watching::of(&log).await;
    witness.asked(&body(&log, 0).await).await.unwrap();
    let origin = log.key().await.name().to_string();
    let file = ca::SeenFile::new(&witness.state());
    let held = file.hold(&origin, &witness.key).unwrap();
    assert!(matches!(
        file.hold(&origin, &witness.key),
        Err(ca::SeenFault::Busy { .. })
    ));
    let again = body(&log, 30).await;
    let fault = witness.asked(&again).await.unwrap_err();
    assert!(matches!(fault, AddCheckpointFault::Unusable), "{fault}");
    drop(held);
    witness.asked(&again).await.unwrap();
    assert!(
        problem(witness.authority(), "audit_witness_state")
            .await
            .is_none()
    );
}

/// Two trees of one size under the key of a log are a proof, which is kept; a proof that proves nothing may be anybody's.
#[tokio::test]
async fn a_log_that_tells_two_stories_is_told_of_with_both() {
    let log = Log::signed(300).await;
    let witness = Watching::of(&log).await;
    log.append(50).await;
    assert!(log.tend().await);
    let size = log.size().await;
    witness.asked(&body(&log, 0).await).await.unwrap();
    log.cut_after(300).await;
    log.sql(&["DELETE FROM audit_checkpoints WHERE size > 300"]).await;
    log.rewrite_tiles().await;
    std::fs::remove_dir_all(log.files()).unwrap();
    let log = log.restarted().await;
    log.tend().await;
    let missing = size - log.size().await;
    log.append(1).await;
    log.append(missing - 1).await;
    assert!(log.tend().await);
    assert_eq!(log.size().await, size);
    let other = body(&log, 300).await;
    let cosigned = u64::try_from(size).unwrap();
    assert_eq!(witness.refusal(&other).await, WitnessRefusal::Fork(cosigned));
    let evidence = witness.state().with_extension("fork");
    let kept = std::fs::read_to_string(&evidence).unwrap();
    let first = std::fs::read_to_string(witness.state()).unwrap();
    let second = ConsistencyText::parse(other.as_bytes()).unwrap().checkpoint;
    assert!(
        kept.contains(&first) && kept.contains(second.unverified_text()),
        "{kept}"
    );
    for is_new_start in [false, true] {
        if is_new_start {
            witness.restart();
        }
        let told = problem(witness.authority(), "audit_witness_fork").await.unwrap();
        assert!(
            told.message.contains(evidence.to_str().unwrap()),
            "{}",
            told.message
        );
    }
    // The log hears of it as of every other tree that is not its own.
    let (_, outcome) = ask(&log, &witness).await;
    assert!(outcome.unwrap_err().contains("another checkpoint"));
    std::fs::remove_file(&evidence).unwrap();
    witness.restart();
    log.append(20).await;
    assert!(log.tend().await);
    let (_, outcome) = ask(&log, &witness).await;
    assert!(outcome.unwrap_err().contains("does not continue"));
    assert!(problem(witness.authority(), "audit_witness_fork").await.is_none());
    assert_eq!(witness.size(), cosigned);
}

/// A witness whose own signature stands under more than it says to have seen would sign another story as well.
#[tokio::test]
async fn a_witness_that_has_forgotten_is_an_alarm() {
    let log = Log::signed(300).await;
    let witness = Watching::of(&log).await;
    assert_eq!(ask(&log, &witness).await, (1, Ok(())));
    let request = asked_anew(&log, &witness).await;
    let said = log.authority.audit_witness_answered(request, 409, b"120\n");
    let why = said.await.unwrap().unwrap_err();
    assert!(why.contains("it has forgotten what it saw"), "{why}");
    assert!(problem(&log.authority, "audit_witness_alarm").await.is_some());
}

#[tokio::test]
async fn the_key_of_a_witness_is_its_owners_and_ed25519() {
    use std::os::unix::fs::PermissionsExt as _;
    let log = Log::signed(10).await;
    let witness = Watching::of(&log).await;
    let file = &witness.settings.key_file;
    let mode = std::fs::metadata(file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    std::fs::write(
        file,
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    )
    .unwrap();
    let refused = witness.authority().be_a_witness(&witness.settings).unwrap_err();
    assert!(
        refused.to_string().contains("no Ed25519 key"),
        "the remedy: {refused}"
    );
}

/// The database is brought back to an earlier time, and so are the files: only the witness knows.
#[tokio::test]
async fn a_log_that_was_brought_back_is_told_by_its_witness() {
    let log = Log::signed(300).await;
    let witness = Watching::of(&log).await;
    log.append(50).await;
    assert!(log.tend().await);
    assert_eq!(ask(&log, &witness).await, (1, Ok(())));
    // As if the last fifty had never been: rows, tiles and checkpoint, and the files.
    log.cut_after(300).await;
    log.sql(&["DELETE FROM audit_checkpoints WHERE size > 300"]).await;
    log.rewrite_tiles().await;
    std::fs::remove_dir_all(log.files()).unwrap();
    let log = log.restarted().await;
    log.tend().await;
    assert!(problem(&log.authority, "audit_alarm").await.is_none());
    let last = log.size().await;
    assert!((300..350).contains(&last), "{last}");
    let (_, outcome) = ask(&log, &witness).await;
    let why = outcome.unwrap_err();
    assert!(
        why.contains("350 entries") && why.contains("earlier time"),
        "{why}"
    );
    let told = problem(&log.authority, "audit_witness_alarm").await.unwrap();
    assert!(told.message.contains("witness.example"), "{}", told.message);
    assert!(log.metric("chancery_audit_witness_alarm{witness=\"witness.example\"} 1"));
    // It grows past what the witness has seen, and tells another story there.
    log.append(1).await;
    log.append(60).await;
    assert!(log.tend().await);
    let (_, outcome) = ask(&log, &witness).await;
    let why = outcome.unwrap_err();
    assert!(why.contains("does not continue the 350 entries"), "{why}");
    assert!(!is_cosigned(&log, &witness.key).await);
    assert_eq!(witness.size(), 350);
    // A new log is another one, which its witness does not know yet.
    log.authority
        .begin_audit_log_anew(&admin(), "a test")
        .await
        .unwrap();
    assert!(log.tend().await);
    let (_, outcome) = ask(&log, &witness).await;
    assert!(outcome.unwrap_err().contains("chancery audit key"));
    assert!(problem(&log.authority, "audit_witness_alarm").await.is_none());
    let mut settings = witness.settings.clone();
    settings.logs.push(log.key().await);
    witness.authority().be_a_witness(&settings).unwrap();
    assert_eq!(ask(&log, &witness).await, (1, Ok(())));
    assert!(is_cosigned(&log, &witness.key).await);
}

/// The same size, another root: the witness has been told another story of exactly this length.
#[tokio::test]
async fn another_tree_of_the_same_size_is_an_alarm() {
    let log = Log::signed(300).await;
    let witness = Watching::of(&log).await;
    assert_eq!(ask(&log, &witness).await, (1, Ok(())));
    let request = asked_anew(&log, &witness).await;
    let said = log.authority.audit_witness_answered(request, 409, b"301\n");
    assert_eq!(said.await.unwrap(), Ok(()), "it may be asked from there");
    let request = log.authority.audit_witness_request(&witness.key).await;
    let request = request.unwrap().unwrap();
    assert!(request.body.starts_with("old 301\n\n"), "{}", request.body);
    let said = log.authority.audit_witness_answered(request, 409, b"301\n");
    let why = said.await.unwrap().unwrap_err();
    assert!(why.contains("another checkpoint of 301 entries"), "{why}");
    assert!(problem(&log.authority, "audit_witness_alarm").await.is_some());
}

/// A request of a further checkpoint.
async fn asked_anew(log: &Log, witness: &Watching) -> ca::AuditWitnessRequest {
    log.append(1).await;
    assert!(log.tend().await);
    let request = log.authority.audit_witness_request(&witness.key).await;
    request.unwrap().unwrap()
}

#[tokio::test]
async fn every_other_answer_is_told_and_takes_nothing() {
    let log = Log::signed(300).await;
    let witness = Watching::of(&log).await;
    assert_eq!(ask(&log, &witness).await, (1, Ok(())));
    for (status, answer, told, is_alarm) in [
        (
            200,
            "\u{2014} witness.example AAAAAAAA\n",
            "not signed by the key",
            true,
        ),
        (200, "", "not signed by the key", true),
        (409, "99999\n", "has cosigned 99999 entries", true),
        (422, "", "does not continue", true),
        (403, "", "(403)", false),
        (404, "", "(404)", false),
        (409, "many\n", "without a size", false),
        (409, "{old}\n", "it was asked from", false),
        (503, "busy\n\u{7}", "503: busy", false),
    ] {
        let request = asked_anew(&log, &witness).await;
        let old = request.body.lines().next().unwrap().replace("old ", "");
        let answer = answer.replace("{old}", &old);
        let said = log
            .authority
            .audit_witness_answered(request, status, answer.as_bytes());
        let why = said.await.unwrap().unwrap_err();
        assert!(why.contains(told) && !why.contains('\u{7}'), "{why}");
        assert!(!is_cosigned(&log, &witness.key).await);
        let alarm = problem(&log.authority, "audit_witness_alarm").await;
        assert_eq!(alarm.is_some(), is_alarm, "{status} {answer}");
        // A good answer ends an alarm.
        let (_, outcome) = ask(&log, &witness).await;
        assert_eq!(outcome, Ok(()));
        assert!(problem(&log.authority, "audit_witness_alarm").await.is_none());
    }
}

#[tokio::test]
async fn a_witness_that_is_away_is_told_after_minutes_and_delays_nothing() {
    let log = Log::signed(300).await;
    let witness = Watching::of(&log).await;
    let late = || problem(&log.authority, "audit_witness_late");
    let request = asked_anew(&log, &witness).await;
    log.authority
        .audit_witness_failed(request, "connection refused")
        .await;
    assert!(late().await.is_none());
    log.clock.advance(SignedDuration::from_mins(6));
    let told = late().await.unwrap();
    assert!(
        told.message.contains("witness.example") && told.message.contains("connection refused"),
        "{}",
        told.message
    );
    log.append(1).await;
    assert!(log.tend().await, "checkpoints are signed as before");
    assert_eq!(ask(&log, &witness).await, (1, Ok(())));
    assert!(late().await.is_none());
}

/// The witness has remembered it, and nobody has heard of that.
#[tokio::test]
async fn an_answer_that_was_lost_is_given_again() {
    let log = Log::signed(300).await;
    let witness = Watching::of(&log).await;
    let request = log.authority.audit_witness_request(&witness.key).await;
    witness.asked(&request.unwrap().unwrap().body).await.unwrap();
    log.append(3).await;
    assert!(log.tend().await);
    assert_eq!(
        ask(&log, &witness).await,
        (2, Ok(())),
        "the first is told from where to ask"
    );
    // Likewise at the same size, and without anything new: after a start it is asked once, to be sure.
    let log = log.restarted().await;
    assert_eq!(ask(&log, &witness).await, (1, Ok(())));
    let request = asked_anew(&log, &witness).await;
    witness.asked(&request.body).await.unwrap();
    log.authority.audit_witness_failed(request, "cut off").await;
    assert_eq!(ask(&log, &witness).await, (2, Ok(())));
    assert!(is_cosigned(&log, &witness.key).await);
}

/// One server has the signature; all that share its store have it, in their files as well.
#[tokio::test]
async fn servers_of_one_store_share_what_was_cosigned() {
    let pair = Pair::ready().await;
    let folder = tempfile::tempdir().unwrap();
    let settings = ca::Settings {
        audit_folder: Some(folder.path().join("audit-log")),
        ..ca::Settings::new(crate::bed::BASE_URL)
    };
    let (another, _) = pair.another(settings).await;
    while pair.one.tend_audit_log_now().await.unwrap() {}
    let key: NoteKey = pair
        .one
        .audit_key(&admin())
        .await
        .unwrap()
        .unwrap()
        .parse()
        .unwrap();
    let witness = Watching::new(std::slice::from_ref(&key)).await;
    another.tend_audit_log_now().await.unwrap();
    let expected = ca::Expected {
        witnesses: vec![witness.key.clone()],
        ..with(&key, &[])
    };
    let files = folder.path().join("audit-log");
    assert!(ca::verify_audit_files(&files, &expected).is_err());
    assert_eq!(ask_for(&pair.one, &witness).await, (1, Ok(())));
    another.tend_audit_log_now().await.unwrap();
    ca::verify_audit_files(&files, &expected).unwrap();
    let note = pair.other.audit_checkpoint(&admin()).await.unwrap();
    assert!(note.contains("witness.example"), "{note}");
    // Each asks once after its start, for itself.
    assert_eq!(ask_for(&pair.other, &witness).await, (1, Ok(())));
    assert_eq!(ask_for(&pair.other, &witness).await, (0, Ok(())));
}

/// One server asks at a time.
#[tokio::test]
async fn a_line_that_somebody_spoiled_in_the_database_is_replaced() {
    let log = Log::signed(300).await;
    let witness = Watching::of(&log).await;
    let request = asked_anew(&log, &witness).await;
    let stranger = uuid::Uuid::from_u128(1);
    let job = log.store.write(move |tx| {
        let sql = "UPDATE leases SET node = ?1 WHERE name LIKE 'audit-witness:%'";
        tx.execute(sql, &[stranger.into()])
    });
    job.await.unwrap();
    let other = log.authority.audit_witness_request(&witness.key).await.unwrap();
    assert!(other.is_none(), "another server asks");
    log.sql(&["UPDATE leases SET until = 0 WHERE name LIKE 'audit-witness:%'"])
        .await;
    drop(request);
    assert_eq!(ask(&log, &witness).await.1, Ok(()));
    let row = log
        .store
        .read(audit_tree::last_checkpoint)
        .await
        .unwrap()
        .unwrap();
    let (before, line) = row.note.trim_end().rsplit_once(' ').unwrap();
    let mut octets = line.as_bytes().to_vec();
    let place = octets.len() - 8;
    octets[place] = if octets[place] == b'A' { b'B' } else { b'A' };
    let spoiled = format!("{before} {}\n", String::from_utf8(octets).unwrap());
    let own = audit_tree::CheckpointRow {
        note: spoiled,
        ..row.clone()
    };
    log.store
        .write(move |tx| audit_tree::put_checkpoint(tx, &own))
        .await
        .unwrap();
    assert!(!is_cosigned(&log, &witness.key).await);
    assert_eq!(ask(&log, &witness).await.1, Ok(()));
    assert!(is_cosigned(&log, &witness.key).await);
    assert_eq!(log.checkpoint().await.signatures().len(), 2);
}
