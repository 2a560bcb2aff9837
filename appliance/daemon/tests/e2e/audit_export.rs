//! The end of the audit log, and all of it: what `audit tail` and `audit export` give, and what a restore does with it.

use std::path::Path;

use serde_json::Value;
use store::audit::AuditEntry;

use crate::backup::{backup, key, restore, restored, taken_at};
use crate::harness::{Appliance, Keys, text};

fn numbers(file: &Path) -> Vec<i64> {
    let text = std::fs::read_to_string(file).unwrap();
    let line = |line: &str| {
        serde_json::from_str::<Value>(line).unwrap()["seq"]
            .as_i64()
            .unwrap()
    };
    text.lines().map(line).collect()
}

#[test]
fn more_than_a_page_is_told_from_the_end() {
    let mut appliance = Appliance::init(Keys::Software);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = ::store::Store::open(&appliance.store_config()).unwrap();
    let entry = |number: i64| AuditEntry {
        at: 1_763_700_000_000,
        actor: "test".to_owned(),
        action: "test.count".to_owned(),
        object: format!("object {}", number % 2),
        outcome: "ok".to_owned(),
        details: "{}".to_owned(),
    };
    let written = store.write(move |tx| {
        for number in 0..2100 {
            ::store::audit::append(tx, &entry(number))?;
        }
        Ok(())
    });
    runtime.block_on(written).unwrap();
    drop((store, runtime));
    appliance.serve();
    let seqs = |words: &[&str]| -> Vec<i64> {
        let told = appliance.json(&[&["audit", "tail"], words].concat());
        let told = told.as_array().unwrap();
        told.iter().map(|one| one["seq"].as_i64().unwrap()).collect()
    };
    let last = *seqs(&["-n", "1"]).last().unwrap();
    let tail = seqs(&["--lines", "2050"]);
    assert_eq!(tail, (last - 2049..=last).collect::<Vec<_>>());
    let about = seqs(&["--lines", "1040", "--object", "object 1"]);
    assert_eq!(about.len(), 1040);
    assert!(about.windows(2).all(|pair| pair[1] == pair[0] + 2), "{about:?}");
    assert_eq!(seqs(&["-n", "9", "--object", "nothing"]), [0_i64; 0]);
    let counted = seqs(&["-n", "9999", "--action", "test.count"]);
    assert_eq!(counted.len(), 2100);

    // All of it, beside the running server, and only as a whole.
    let file = appliance.file("all.jsonl");
    let out = file.to_str().unwrap();
    let told = appliance.json(&["audit", "export", "--out", out]);
    let all = numbers(&file);
    let end = told["last"].as_i64().unwrap();
    assert!(end >= last);
    assert_eq!(all, (1..=end).collect::<Vec<_>>());
    let twice = appliance.run(&["audit", "export", "--out", out]);
    assert!(
        !twice.status.success() && text(&twice).contains("is there already"),
        "{}",
        text(&twice)
    );
    let after = (last - 3).to_string();
    let printed = appliance.ok(&["audit", "export", "--after", &after]);
    let whole = std::fs::read_to_string(&file).unwrap();
    let tail: Vec<&str> = whole
        .lines()
        .skip(usize::try_from(last - 3).unwrap())
        .take(3)
        .collect();
    assert_eq!(printed.lines().take(3).collect::<Vec<_>>(), tail);
}

#[test]
fn a_restore_goes_on_with_what_was_exported_and_refuses_what_ends_too_early() {
    let mut appliance = Appliance::start(Keys::Software);
    let (identity, recipient) = key(&appliance, "key");
    let certificate = appliance.issue("one", "tls-server", "/CN=one.test", Some("DNS:one.test"));
    let early = appliance.file("early.jsonl");
    appliance.ok(&["audit", "export", "--out", early.to_str().unwrap()]);
    appliance.issue("two", "tls-server", "/CN=two.test", Some("DNS:two.test"));
    let file = backup(&appliance, &recipient, "one.age");
    let words = ["x509", "-noout", "-serial", "-in", certificate.to_str().unwrap()];
    let serial = crate::harness::judge("openssl", &words);
    let serial = serial.trim().strip_prefix("serial=").unwrap();
    appliance.ok(&["cert", "revoke", serial, "--reason", "superseded"]);
    appliance.signal("KILL");
    appliance.wait();
    let whole = appliance.file("whole.jsonl");
    appliance.ok(&["audit", "export", "--out", whole.to_str().unwrap()]);

    let target = appliance.file("restored");
    let target = target.to_str().unwrap();
    let early = early.to_str().unwrap();
    for trial in [&["--dry-run"][..], &[]] {
        let words = [&["--dir", target, "--audit-export", early], trial].concat();
        let refused = restore(&appliance, &file, &identity, &words);
        assert!(!refused.status.success(), "{}", text(&refused));
        let said = text(&refused);
        assert!(
            said.contains("before the backup") && said.contains("--accept-lost-revocations"),
            "{said}"
        );
        assert!(!Path::new(target).exists());
    }
    let at = taken_at(&appliance, &file, &identity);
    let accepted = [
        "--dir",
        target,
        "--audit-export",
        early,
        "--accept-lost-revocations",
        &at,
    ];
    restored(&restore(&appliance, &file, &identity, &accepted));
    std::fs::remove_dir_all(target).unwrap();
    let other = "2020-01-01T00:00:00Z";
    let wrong = [
        "--dir",
        target,
        "--audit-export",
        early,
        "--accept-lost-revocations",
        other,
    ];
    assert!(!restore(&appliance, &file, &identity, &wrong).status.success());

    let words = ["--dir", target, "--audit-export", whole.to_str().unwrap()];
    let done = restored(&restore(&appliance, &file, &identity, &words));
    assert_eq!(done["epoch"]["revocations"], 1, "{done}");
    assert!(done["epoch"]["log_continued"].as_i64().unwrap() >= 1, "{done}");
}
