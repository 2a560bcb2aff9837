//! `restore --dry-run` says of a database what the restore would say, and leaves it as it is.

use store_bed::Postgres;

use crate::backup::{backup, key, restore, restored, taken_at};
use crate::harness::{Appliance, Keys, text};

#[test]
fn e2e_backup_postgres_a_dry_run_looks_at_the_database() {
    let server = Postgres::start();
    let mut appliance = Appliance::start(Keys::Software);
    let (identity, recipient) = key(&appliance, "key");
    let file = backup(&appliance, &recipient, "one.age");
    let at = taken_at(&appliance, &file, &identity);
    appliance.signal("TERM");
    appliance.wait();
    let target = appliance.file("target");
    let run = |url: &str, trial: &[&str]| {
        let words = [
            "--dir",
            target.to_str().unwrap(),
            "--accept-lost-revocations",
            &at,
        ];
        let words = [&words[..], &["--store-url", url], trial].concat();
        restore(&appliance, &file, &identity, &words)
    };
    let refused = |url: &str, trial: &[&str], expected: &str| {
        let refused = run(url, trial);
        let said = text(&refused);
        assert!(
            !refused.status.success() && said.contains(expected),
            "{expected}: {said}"
        );
        assert!(!target.exists());
    };

    // An empty one is left empty.
    let empty = server.make("vacant");
    let planned = restored(&run(&empty, &["--dry-run"]));
    let store = planned["store"].as_str().unwrap();
    assert!(
        store.contains("vacant") && store.ends_with("an empty database"),
        "{planned}"
    );
    let tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'";
    let tables = || psql(&empty, tables);
    assert_eq!(tables(), "0");
    assert!(!target.exists());

    // One that is somebody's, with its server and without it.
    let taken = server.make("taken");
    let mut owner = Appliance::empty();
    let made = owner.init_on(Some(&taken), &["--init-token"]).output().unwrap();
    assert!(made.status.success(), "{}", text(&made));
    owner.serve();
    refused(&taken, &["--dry-run"], "servers are at work on");
    owner.signal("TERM");
    owner.wait();
    for trial in [&["--dry-run"][..], &[]] {
        refused(&taken, trial, "it holds a store already: name an empty database");
    }
    // One that is not there.
    let nowhere = server.make("nowhere");
    server.run("DROP DATABASE nowhere");
    for trial in [&["--dry-run"][..], &[]] {
        refused(&nowhere, trial, "nowhere");
    }

    // One in which a restore of this backup broke off is gone on with.
    let broken = server.make("broken");
    restored(&run(&broken, &[]));
    std::fs::remove_dir_all(&target).unwrap();
    psql(
        &broken,
        "INSERT INTO settings (key, value) VALUES ('restore.unfinished', 'another loading')",
    );
    refused(
        &broken,
        &["--dry-run"],
        "the restore of another backup into it broke off",
    );
}

fn psql(url: &str, sql: &str) -> String {
    let said = crate::harness::judge("psql", &[url, "-Atqc", sql]);
    said.trim().to_owned()
}
