//! A store that is lost, or that somebody else opens, is not a new beginning: nothing is made in its place, and what was acknowledged
//! is there after a crash whoever looked at the file meanwhile.

use crate::backup::ocsp;
use crate::harness::{Appliance, Keys, judge, text};

/// A database browser closes the file as the last one that has it, it thinks, and takes the write-ahead log away: not while a server
/// holds its locks.
#[test]
fn e2e_store_python_opens_the_file_of_a_running_server_in_a_file() {
    let mut appliance = Appliance::start(Keys::Software);
    appliance.issue("host", "tls-server", "/CN=host.test", Some("DNS:host.test"));
    let database = appliance.state().join("chancery.db");
    // The server's own programs look at the store, too.
    appliance.ok(&["store", "stats"]);
    let script = "import sqlite3, sys\n\
        store = sqlite3.connect(sys.argv[1])\n\
        print(store.execute('SELECT count(*) FROM certificates').fetchone()[0])\n\
        store.close()\n";
    let count = judge("python3", &["-c", script, database.to_str().unwrap()]);
    assert!(count.trim().parse::<u64>().unwrap() >= 3, "{count}");
    assert!(
        appliance.state().join("chancery.db-wal").exists(),
        "the write-ahead log was taken away"
    );
    let serial = appliance.json(&["cert", "list", "--name", "host.test"])[0]["serial"].clone();
    let serial = serial.as_str().unwrap().to_owned();
    appliance.ok(&["cert", "revoke", &serial, "--reason", "keyCompromise"]);
    appliance.signal("KILL");
    appliance.wait();
    appliance.serve();
    assert_eq!(appliance.json(&["cert", "show", &serial])["status"], "revoked");
    assert_eq!(ocsp(&appliance, &serial), "revoked");
}

#[test]
fn a_server_does_not_make_a_lost_store_anew_in_a_file() {
    let mut appliance = Appliance::init(Keys::Software);
    let database = appliance.state().join("chancery.db");
    let kept = appliance.file("kept.db");
    std::fs::rename(&database, &kept).unwrap();
    for is_there in [false, true] {
        if is_there {
            std::fs::write(&database, b"").unwrap();
        }
        let served = appliance.run(&["serve"]);
        assert!(!served.status.success());
        let told = text(&served);
        assert!(
            told.contains("there is no store at sqlite:chancery.db") && told.contains("chancery restore"),
            "{told}"
        );
        let made = appliance.init_on(None, &["--software"]).output().unwrap();
        assert!(!made.status.success());
        let told = text(&made);
        assert!(
            told.contains("is gone") && told.contains("chancery restore"),
            "{told}"
        );
        let octets = std::fs::metadata(&database).map(|about| about.len());
        assert_eq!(octets.unwrap_or_default(), 0, "something was made");
    }
    std::fs::rename(&kept, &database).unwrap();
    appliance.serve();
}

/// The same for a name of a database that nothing is in.
#[test]
fn e2e_store_postgres_an_empty_database_is_no_store() {
    let database = store_bed::Postgres::start();
    let appliance = Appliance::empty();
    let made = appliance
        .init_on(Some(&database.url()), &["--software"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made));
    let other = store_bed::Postgres::start();
    let config = std::fs::read_to_string(appliance.config()).unwrap();
    let config = appliance.write("state/other.toml", &config.replace(&database.url(), &other.url()));
    for words in [&["serve"][..], &["backup", "--recipient", "x", "--to", "y"]] {
        let refused = appliance
            .command(&[&["--config", config.to_str().unwrap()], words].concat())
            .output()
            .unwrap();
        assert!(!refused.status.success(), "{words:?}");
    }
    let served = appliance
        .command(&["--config", config.to_str().unwrap(), "serve"])
        .output()
        .unwrap();
    assert!(
        text(&served).contains("there is no store at postgres://"),
        "{}",
        text(&served)
    );
    assert_eq!(
        other.run("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"),
        "0"
    );
}
