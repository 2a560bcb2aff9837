//! Exports as they are found on disks, and what is told of those that cannot be used.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test says what broke by panicking"
)]

use store::audit::AuditEntry;

use super::*;
use crate::audit::hexadecimal;

/// A log of so many entries, each hanging on the one before it.
fn log(entries: i64) -> Vec<LoggedEntry> {
    let mut log: Vec<LoggedEntry> = Vec::new();
    for seq in 1..=entries {
        let entry = AuditEntry {
            at: 1_767_225_600_000 + seq,
            actor: "anna".to_owned(),
            action: "certificate.issue".to_owned(),
            object: seq.to_string(),
            outcome: "ok".to_owned(),
            details: format!(r#"{{"z":{seq},"a":"é"}}"#),
        };
        let before = log.last().map(|one| one.hash.clone()).unwrap_or_default();
        let mut logged = LoggedEntry {
            seq,
            entry,
            hash: Vec::new(),
        };
        logged.hash = hash_after(&before, &logged);
        log.push(logged);
    }
    log
}

/// As the head of the store's `audit.rs` says.
fn hash_after(before: &[u8], one: &LoggedEntry) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut field = |bytes: &[u8]| {
        octets.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        octets.extend_from_slice(bytes);
    };
    let (seq, at) = (one.seq.to_be_bytes(), one.entry.at.to_be_bytes());
    let entry = &one.entry;
    let texts = [
        &entry.actor,
        &entry.action,
        &entry.object,
        &entry.outcome,
        &entry.details,
    ];
    [b"chancery audit 1".as_slice(), before, &seq, &at]
        .into_iter()
        .for_each(&mut field);
    for text in texts {
        field(text.as_bytes());
    }
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &octets)
        .as_ref()
        .to_vec()
}

fn line(one: &LoggedEntry, details: &str) -> String {
    let at = crate::clock::from_millis(one.entry.at);
    format!(
        r#"{{"seq":{},"at":"{at}","actor":"anna","action":"{}","object":"{}","outcome":"ok","details":{details},"hash":"{}"}}"#,
        one.seq,
        one.entry.action,
        one.entry.object,
        hexadecimal(&one.hash)
    )
}

#[test]
fn lines_arrays_and_pages_are_read_and_the_hashes_hold_where_details_are_as_they_were() {
    let log = log(4);
    let lines: Vec<String> = log.iter().map(|one| line(one, &one.entry.details)).collect();
    let texts: Vec<String> = log
        .iter()
        .map(|one| line(one, &serde_json::to_string(&one.entry.details).unwrap()))
        .collect();
    for text in [
        lines.join("\n"),
        format!("[{}]", lines.join(",")),
        format!(r#"{{"items":[{}],"next":null}}"#, lines.join(",")),
        format!("{}\n[{}]", lines.join("\n"), lines.join(",")),
        texts.join("\n"),
    ] {
        let read = ExportedLog::read(text.as_bytes()).unwrap();
        assert_eq!(read.entries, log, "{text}");
        assert!(read.is_proven() && read.first() == 1 && read.last().unwrap().0 == 4);
        read.check_against(log.get(..2).unwrap(), 2).unwrap();
    }
    let anew: Vec<String> = log.iter().map(|one| line(one, r#"{"a":"é","z":1}"#)).collect();
    assert!(!ExportedLog::read(anew.join("\n").as_bytes()).unwrap().is_proven());
}

#[test]
fn a_gap_and_another_log_are_found() {
    let log = log(4);
    let text = |numbers: &[usize]| -> String {
        let chosen = numbers.iter().filter_map(|number| log.get(*number));
        chosen.map(|one| line(one, &one.entry.details)).collect()
    };
    assert!(matches!(
        ExportedLog::read(text(&[0, 1, 3]).as_bytes()),
        Err(ExportFault::Gap(3))
    ));
    assert!(matches!(
        ExportedLog::read(text(&[]).as_bytes()),
        Err(ExportFault::Empty)
    ));
    let late = ExportedLog::read(text(&[2, 3]).as_bytes()).unwrap();
    assert!(matches!(late.check_against(&[], 1), Err(ExportFault::Gap(2))));
    late.check_against(log.get(..2).unwrap(), 2).unwrap();
    let whole = ExportedLog::read(text(&[0, 1]).as_bytes()).unwrap();
    let mut other = log.clone();
    for one in &mut other {
        one.hash = vec![7; 32];
    }
    assert!(matches!(
        whole.check_against(&other, 4),
        Err(ExportFault::Other(1))
    ));
}

fn lines_of(log: &[LoggedEntry]) -> Vec<String> {
    log.iter()
        .map(|one| line(one, &one.entry.details) + "\n")
        .collect()
}

/// Entries that go on behind these as if they had been written there.
fn goes_on(log: &[LoggedEntry], actions: &[&str]) -> Vec<LoggedEntry> {
    let mut log = log.to_vec();
    for action in actions {
        let before = log.last().unwrap().clone();
        let mut next = before.clone();
        next.seq += 1;
        next.entry.at += 3_600_000;
        (*action).clone_into(&mut next.entry.action);
        next.hash = hash_after(&before.hash, &next);
        log.push(next);
    }
    log
}

/// As a full disk, a fall of the machine and an export that went on after that leave a file.
#[test]
fn half_lines_are_passed_over_and_told_and_what_is_missing_for_them_is_found() {
    let log = log(5);
    let lines = lines_of(&log);
    let half = |place: usize, octets: usize| lines[place].as_bytes()[..octets].to_vec();
    let read = |text: &[u8]| ExportedLog::read(text);
    for octets in 1..lines[4].len() - 1 {
        // At the end, and in the middle where its entry came again.
        let end = read(&[lines[..4].concat().into_bytes(), half(4, octets)].concat()).unwrap();
        assert_eq!(
            (end.last().unwrap().0, end.skipped_lines()),
            (4, &[5][..]),
            "{octets}"
        );
        let with = |rest: &[String]| {
            let parts = [
                lines[..2].concat().into_bytes(),
                half(2, octets),
                b"\n".to_vec(),
                rest.concat().into_bytes(),
            ];
            read(&parts.concat())
        };
        let middle = with(&lines[2..]).unwrap();
        assert_eq!(middle.skipped_lines(), [3], "{octets}");
        assert!(middle.is_proven() && middle.entries == log, "{octets}");
        // Where it did not come again, its entry is missing.
        let missing = with(&lines[3..]).unwrap_err();
        assert!(
            matches!(missing, ExportFault::Torn { seq: 3, line: 3 }),
            "{missing}"
        );
    }
    let read = |text: &str| ExportedLog::read(text.as_bytes());
    let pretty = format!("[\n{},\n{}]\n", lines[0], lines[1]);
    assert!(read(&pretty).unwrap().skipped_lines().is_empty());
    let zeros = format!("{}\0\0\0\n\u{fffd}{}\n", lines[0], lines[1]);
    assert_eq!(read(&zeros).unwrap().skipped_lines(), [2, 3]);
    let not_text = [lines[0].as_bytes(), &[0xff, 0xfe, b'\n'], lines[1].as_bytes()].concat();
    assert_eq!(ExportedLog::read(&not_text[..]).unwrap().skipped_lines(), [2]);
    assert!(matches!(read("no export\n"), Err(ExportFault::NoJson(1))));
    // What is JSON and no entry is another file.
    let other = read(&format!("{}{{\"seq\":2}}\n", lines[0])).unwrap_err();
    assert!(
        matches!(other, ExportFault::Unreadable { line: 2, .. }),
        "{other}"
    );
}

/// Entries that hang on each other and not on the backup: of another installation, or made up by somebody.
#[test]
fn an_export_that_hangs_on_another_entry_than_the_last_of_the_backup_is_refused() {
    let log = log(4);
    let head = log.get(1..2).unwrap();
    let mut made_up: Vec<LoggedEntry> = Vec::new();
    for one in &log[2..] {
        let before = made_up.last().map_or(vec![7; 32], |one| one.hash.clone());
        let hash = hash_after(&before, one);
        made_up.push(LoggedEntry { hash, ..one.clone() });
    }
    let read = ExportedLog::read(lines_of(&made_up).concat().as_bytes()).unwrap();
    assert!(read.is_proven());
    let fault = read.check_against(head, 2).unwrap_err();
    assert!(matches!(fault, ExportFault::NotFollowing(3)), "{fault}");
    assert!(fault.to_string().contains("with entry 2 as well"), "{fault}");
    let honest = ExportedLog::read(lines_of(&log[2..]).concat().as_bytes()).unwrap();
    honest.check_against(head, 2).unwrap();
    // One that was written anew shows nothing; with an entry of the backup it is seen whose it is.
    let anew = |log: &[LoggedEntry]| -> ExportedLog {
        let lines: String = log.iter().map(|one| line(one, r#"{"a":"é","z":1}"#)).collect();
        ExportedLog::read(lines.as_bytes()).unwrap()
    };
    anew(&log[1..]).check_against(head, 2).unwrap();
    let fault = anew(&log[2..]).check_against(head, 2).unwrap_err();
    assert!(
        matches!(fault, ExportFault::Unproven { first: 3, known: 2 }),
        "{fault}"
    );
    let mut foreign = log[1..].to_vec();
    foreign[0].hash = vec![7; 32];
    assert!(matches!(
        anew(&foreign).check_against(head, 2),
        Err(ExportFault::Other(2))
    ));
}

/// An export to a file goes on when the store is restored: the numbers after the backup come once more.
#[test]
fn of_a_file_with_two_epochs_the_last_one_is_taken() {
    let first = log(8);
    let second = goes_on(
        &first[..4],
        &["certificate.reconcile", "store.restore", "certificate.revoke"],
    );
    let third = goes_on(&second[..6], &["store.restore", "certificate.issue"]);
    let anew = |text: &str| text.replace("{\"z\"", "{ \"z\"");
    let (one, two, three) = (lines_of(&first), lines_of(&second), lines_of(&third));
    // What was sent last before the backup is sent again after the restore.
    let file = one.concat() + &two[2..].concat();
    for text in [file.clone(), anew(&file), file.clone() + &two[5..6].concat()] {
        let read = ExportedLog::read(text.as_bytes()).unwrap();
        let hashes = |log: &[LoggedEntry]| log.iter().map(|one| one.hash.clone()).collect::<Vec<_>>();
        assert_eq!(hashes(&read.entries), hashes(&second));
        read.check_against(&second[..4], 4).unwrap();
        read.check_against(&second[..6], 6).unwrap();
        // A backup of the first epoch that the second did not begin with.
        let fault = read.check_against(&first[..6], 6).unwrap_err();
        let ExportFault::TwoEpochs { seq: 5, line: 11 } = fault else {
            panic!("{fault}");
        };
    }
    let all = file.clone() + &three[6..].concat();
    for text in [all.clone(), anew(&all)] {
        let read = ExportedLog::read(text.as_bytes()).unwrap();
        assert_eq!(read.last().unwrap().0, 8);
        assert!(
            read.entries
                .iter()
                .zip(&third)
                .all(|(one, other)| one.hash == other.hash)
        );
        assert_eq!(read.first(), 1);
    }
    assert!(ExportedLog::read(all.as_bytes()).unwrap().is_proven());
    // Which is the last cannot be told: the files one after the other in the wrong order, or without the restore.
    for text in [
        two[4..].concat() + &one.concat(),
        one.concat() + &two[4..5].concat(),
        three[6..].concat() + &file,
    ] {
        let fault = ExportedLog::read(text.as_bytes()).unwrap_err();
        assert!(matches!(fault, ExportFault::TwoEpochs { .. }), "{fault}");
        assert!(fault.to_string().contains("the file has two epochs"), "{fault}");
    }
}

#[test]
fn an_export_that_ends_before_the_backup_is_told_unless_that_is_accepted() {
    let log = log(4);
    let lines: String = log
        .iter()
        .take(2)
        .map(|one| line(one, &one.entry.details))
        .collect();
    let early = ExportedLog::read(lines.as_bytes()).unwrap();
    early.check_against(log.get(..2).unwrap(), 2).unwrap();
    let fault = early.check_against(&log, 4).unwrap_err();
    assert!(matches!(fault, ExportFault::Early { ends: 2, known: 4 }));
    assert!(fault.to_string().contains("from entry 5 on"), "{fault}");
    early.accepted_if_early().check_against(&log, 4).unwrap();
}

#[test]
fn one_that_shows_nothing_and_shares_nothing_is_taken_only_when_somebody_says_so() {
    let log = log(5);
    let anew = |from: usize| {
        let lines = log.get(from..).unwrap().iter();
        let lines: String = lines.map(|one| line(one, r#"{"a":"é","z":1}"#)).collect();
        ExportedLog::read(lines.as_bytes()).unwrap()
    };
    let known = log.get(..2).unwrap();
    let told = anew(2).check_against(known, 2).unwrap_err().to_string();
    assert!(
        told.contains("--after 1") && told.contains("--accept-unproven-export"),
        "{told}"
    );
    // The entry that both have is of one hash, or the log is another one.
    anew(1).check_against(known, 2).unwrap();
    anew(2).accepted_if_unproven().check_against(known, 2).unwrap();
    // What hangs on the last entry needs nobody to say so.
    let lines = log.get(2..).unwrap().iter();
    let lines: String = lines.map(|one| line(one, &one.entry.details)).collect();
    let proven = ExportedLog::read(lines.as_bytes()).unwrap();
    proven.check_against(known, 2).unwrap();
}

/// Each line begins what none ends, and reading on from each to the end of the file would take minutes.
#[test]
fn lines_that_all_begin_something_are_passed_over_in_time() {
    let torn = "{\"a\":[1,\n".repeat(20_000);
    let began = std::time::Instant::now();
    let read = ExportedLog::read(torn.as_bytes());
    assert!(matches!(read, Err(ExportFault::NoJson(20_000))), "{read:?}");
    assert!(began.elapsed().as_secs() < 15, "{:?}", began.elapsed());
}
