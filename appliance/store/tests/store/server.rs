//! What only a database server can do: go away, be full of others, be read-only, belong to somebody else.

use std::process::Command;
use std::time::{Duration, Instant};

use store::audit::{self, Verdict};
use store::{Credentials, Error, PostgresConfig, Store, StoreConfig, settings};
use store_bed::Postgres;
use uuid::Uuid;

use super::fixture::{Place, config, entry, find, put};

/// Tries until it works, and fails when that takes longer than it may.
async fn until_ok<T, F: Future<Output = store::Result<T>>>(
    within: Duration,
    mut attempt: impl FnMut() -> F,
) -> T {
    let since = Instant::now();
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(Error::Unreachable(_)) if since.elapsed() < within => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("after {:?}: {error}", since.elapsed()),
        }
    }
}

async fn write(store: &Store, key: &str) -> store::Result<()> {
    let key = key.to_owned();
    store
        .write(move |tx| {
            settings::put(tx, &key, "v")?;
            audit::append(tx, &entry(&key)).map(drop)
        })
        .await
}

async fn assert_log(store: &Store, expected: i64) {
    match store.read(audit::verify).await.unwrap() {
        Verdict::Sound { entries, .. } => assert_eq!(entries, expected),
        broken @ Verdict::Broken { .. } => panic!("{broken:?}"),
    }
}

#[tokio::test]
async fn a_server_that_comes_back_is_used_again() {
    let mut place = Place::new();
    let store = place.open();
    write(&store, "before").await.unwrap();
    assert!(find(&store, "before").await.is_some());
    for how in [Postgres::kill, Postgres::stop] {
        let server = place.server.as_mut().unwrap();
        how(server);
        let since = Instant::now();
        let error = write(&store, "meanwhile").await.unwrap_err();
        assert!(matches!(error, Error::Unreachable(_)), "{error:?}");
        let error = store.read(audit::last).await.unwrap_err();
        assert!(matches!(error, Error::Unreachable(_)), "{error:?}");
        assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
        server.start_again();
        until_ok(Duration::from_secs(5), || write(&store, "after")).await;
        until_ok(Duration::from_secs(5), || store.read(audit::last)).await;
    }
    assert_eq!(find(&store, "meanwhile").await, None);
    assert_log(&store, 3).await;
}

/// The connection goes while a change is under way: nothing of it is kept, and the next one is made over another connection.
#[tokio::test]
async fn a_change_whose_connection_goes_is_undone() {
    let place = Place::new();
    let store = place.open();
    let others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE pid <> pg_backend_pid() AND application_name = 'chancery'";
    let server = place.server.as_ref().unwrap();
    let (url, program) = (server.url(), server.program("psql"));
    let job = store.write(move |tx| {
        settings::put(tx, "undone", "v")?;
        assert!(tx.first("SELECT 1", &[], |row| row.int(0))?.is_some());
        assert!(
            Command::new(&program)
                .args([&url, "-c", others])
                .output()
                .unwrap()
                .status
                .success()
        );
        settings::put(tx, "undone too", "v")
    });
    let error = job.await.unwrap_err();
    assert!(matches!(error, Error::Unreachable(_)), "{error:?}");
    write(&store, "next").await.unwrap();
    assert_eq!(find(&store, "undone").await, None);
    assert_log(&store, 1).await;
}

#[tokio::test]
async fn several_servers_write_one_log() {
    let place = Place::new();
    let stores: Vec<Store> = (0..3).map(|_| place.open_another()).collect();
    let jobs = (0..150).map(|number| {
        let store = stores[number % 3].clone();
        tokio::spawn(async move { write(&store, &format!("k{number}")).await })
    });
    for job in jobs.collect::<Vec<_>>() {
        job.await.unwrap().unwrap();
    }
    for store in &stores {
        assert_log(store, 150).await;
    }
}

/// What a change has read stays true until it is committed, whoever else writes.
#[tokio::test]
async fn a_change_is_alone_in_the_database() {
    let place = Place::new();
    let stores: Vec<Store> = (0..2).map(|_| place.open_another()).collect();
    let jobs = (0..100).map(|number| {
        let store = stores[number % 2].clone();
        let count = move |tx: &store::Tx<'_>| {
            let before = settings::number(tx, "counter")?.unwrap_or(0);
            settings::put(tx, "counter", &(before + 1).to_string())
        };
        tokio::spawn(async move { store.write(count).await })
    });
    for job in jobs.collect::<Vec<_>>() {
        job.await.unwrap().unwrap();
    }
    assert_eq!(find(&stores[0], "counter").await.as_deref(), Some("100"));
}

/// Somebody stops in the middle of a change, as a machine does that hangs: the database ends it, and the others go on.
#[tokio::test(flavor = "multi_thread")]
async fn who_stops_within_a_change_holds_nobody_up_for_long() {
    let place = Place::new();
    let (sleeper, other) = (place.open(), place.open_another());
    let (entered, inside) = std::sync::mpsc::channel();
    let sleeping = tokio::spawn(async move {
        let job = sleeper.write(move |tx| {
            settings::put(tx, "slept", "v")?;
            tx.first("SELECT 1", &[], |row| row.int(0))?;
            entered.send(()).unwrap();
            // Longer than a transaction may do nothing.
            let until = Instant::now() + Duration::from_secs(5);
            while let Some(left) = until.checked_duration_since(Instant::now()) {
                std::thread::park_timeout(left);
            }
            settings::put(tx, "slept too", "v")
        });
        job.await
    });
    tokio::task::spawn_blocking(move || inside.recv().unwrap())
        .await
        .unwrap();
    let since = Instant::now();
    write(&other, "other").await.unwrap();
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
    let error = sleeping.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Unreachable(_)), "{error:?}");
    assert_eq!(find(&other, "slept").await, None);
    assert_log(&other, 1).await;
}

#[tokio::test]
async fn who_starts_together_makes_one_schema() {
    let place = Place::new();
    let opening: Vec<_> = (0..6)
        .map(|_| {
            let config = place.config.clone();
            std::thread::spawn(move || Store::open(&config).map(drop))
        })
        .collect();
    for one in opening {
        one.join().unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_server_without_a_free_connection_says_what_helps() {
    let place = Place::new();
    let mut server = Postgres::prepare();
    server.set("max_connections=4");
    server.set("superuser_reserved_connections=0");
    server.start_again();
    let config = config(&format!("{}|{}", place.folder.path().display(), server.url()));
    let open = || {
        let node = Uuid::now_v7();
        Store::open(&StoreConfig {
            node,
            ..config.clone()
        })
    };
    let stores: Vec<Store> = (0..4).map_while(|_| open().ok()).collect();
    let error = open().unwrap_err();
    let Error::Unreachable(text) = &error else {
        panic!("{error:?}")
    };
    assert!(text.contains("max_connections"), "{text}");
    // Reading wants one more as well: it is refused, and what is open goes on.
    let error = stores[0].read(audit::last).await.unwrap_err();
    assert!(
        matches!(&error, Error::Unreachable(text) if text.contains("max_connections")),
        "{error:?}"
    );
    write(&stores[0], "k").await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_read_only_says_so_and_is_used_again_later() {
    let place = Place::new();
    let store = place.open();
    write(&store, "before").await.unwrap();
    let server = place.server.as_ref().unwrap();
    let set = |mode: &str| {
        let change = format!("ALTER DATABASE chancery SET default_transaction_read_only = {mode}");
        server.run(&format!("BEGIN READ WRITE; {change}; COMMIT"));
        server.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'chancery'",
        );
    };
    set("on");
    let error = write(&store, "refused").await.unwrap_err();
    assert!(
        matches!(&error, Error::Unreachable(text) if text.contains("let store.url name the primary")),
        "{error:?}"
    );
    let error = Store::open(&place.config).unwrap_err();
    assert!(
        error.to_string().contains("let store.url name the primary"),
        "{error}"
    );
    set("off");
    until_ok(Duration::from_secs(5), || write(&store, "after")).await;
    assert_log(&store, 2).await;
}

fn refused(config: &StoreConfig, help: &str) {
    let error = Store::open(config).map(drop).unwrap_err();
    assert!(error.to_string().contains(help), "{help}: {error}");
}

#[tokio::test]
async fn a_database_that_cannot_be_used_says_what_helps() {
    let place = Place::new();
    let server = place.server.as_ref().unwrap();
    let at = |url: &str| config(&format!("{}|{url}", place.folder.path().display()));
    refused(&at(&server.url_of("nowhere")), "createdb");
    refused(
        &at(&server.url().replace("chancery@", "nobody@")),
        "correct the user in store.url",
    );
    server.run("CREATE ROLE guest LOGIN");
    refused(
        &at(&server.url().replace("chancery@", "guest@")),
        "own the database",
    );
    let theirs = server.make("theirs");
    assert!(
        Command::new(server.program("psql"))
            .args([&theirs, "-c", "CREATE TABLE something (id BIGINT)"])
            .output()
            .unwrap()
            .status
            .success()
    );
    refused(&at(&theirs), "the tables of another program");
    let nothing = at("postgres://chancery@127.0.0.1:1/chancery");
    refused(&nothing, "check that it runs, and that store.url names it");
    assert_eq!(
        Store::open_read_only(&at(&server.make("fresh")))
            .map(drop)
            .unwrap_err(),
        Error::NoStore
    );
}

#[tokio::test]
async fn a_schema_of_another_time_is_not_touched() {
    let place = Place::new();
    drop(place.open());
    let server = place.server.as_ref().unwrap();
    let (_, known) = Store::schema_versions(&place.config).unwrap();
    server.run("DELETE FROM settings WHERE key = 'schema.least_program'");
    server.run("UPDATE refinery_schema_history SET version = 99 WHERE version = (SELECT max(version) FROM refinery_schema_history)");
    assert!(matches!(
        Store::open(&place.config).unwrap_err(),
        Error::NewerSchema { found: 99, .. }
    ));
    assert!(matches!(
        Store::open_read_only(&place.config).unwrap_err(),
        Error::NewerSchema { found: 99, .. }
    ));
    server.run(&format!(
        "UPDATE refinery_schema_history SET version = {known}, checksum = '1' WHERE version = 99"
    ));
    refused(&place.config, "another build of this program");
    server.run(&format!(
        "DELETE FROM refinery_schema_history WHERE version = {known}"
    ));
    assert!(matches!(
        Store::open_read_only(&place.config).unwrap_err(),
        Error::OlderSchema { .. }
    ));
}

/// A migration that fails leaves nothing behind, and the next try does all of it.
#[tokio::test]
async fn a_migration_stands_or_falls_as_a_whole() {
    let place = Place::new();
    let server = place.server.as_ref().unwrap();
    // What a later migration makes is in its way.
    server.run("CREATE SCHEMA aside; CREATE FUNCTION public.published_crl_numbers_rise() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RETURN NEW; END $$");
    let error = Store::open(&place.config).map(drop).unwrap_err();
    let told = error.to_string();
    assert!(
        told.contains("was left as it was (") && told.contains("restore a backup"),
        "{told}"
    );
    let tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'
        AND table_name <> 'refinery_schema_history'";
    assert_eq!(server.run(tables), "0");
    server.run("DROP FUNCTION public.published_crl_numbers_rise()");
    put(&place.open(), "k", "v").await.unwrap().unwrap();
}

#[tokio::test]
async fn a_commit_is_on_the_disk_also_where_the_database_would_not_wait() {
    let place = Place::new();
    let server = place.server.as_ref().unwrap();
    server.run("ALTER DATABASE chancery SET synchronous_commit = off");
    let asked = "SELECT current_setting('synchronous_commit')";
    let store = place.open();
    let is = store
        .write(move |tx| tx.first(asked, &[], |row| row.text(0)))
        .await
        .unwrap();
    assert_eq!(is.as_deref(), Some("on"));
    server.run("ALTER DATABASE chancery SET synchronous_commit = remote_apply");
    drop(store);
    let store = place.open();
    let is = store
        .write(move |tx| tx.first(asked, &[], |row| row.text(0)))
        .await
        .unwrap();
    assert_eq!(is.as_deref(), Some("remote_apply"));
}

/// Certificates as a server has them: a root, the server's, and a client's that is called as its user.
struct Certified {
    folder: tempfile::TempDir,
}

impl Certified {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let own = Self { folder };
        own.openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=roots -days 2");
        for (name, subject, san) in [
            ("server", "localhost", "DNS:localhost"),
            ("client", "chancery", "DNS:chancery"),
        ] {
            own.openssl(&format!(
                "req -x509 -CA ca.pem -CAkey ca.key -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key \
                -out {name}.pem -subj /CN={subject} -addext subjectAltName={san} -addext basicConstraints=critical,CA:FALSE -days 2"
            ));
        }
        own
    }

    fn openssl(&self, words: &str) {
        let output = Command::new("openssl")
            .args(words.split_whitespace())
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// A server that takes encrypted connections alone, with this method of authentication.
    fn server(&self, method: &str) -> Postgres {
        let mut server = Postgres::prepare();
        for (name, contents) in [
            ("server.crt", self.read("server.pem")),
            ("server.key", self.read("server.key")),
            ("root.crt", self.read("ca.pem")),
            (
                "pg_hba.conf",
                format!("local all all trust\nhostssl all all 127.0.0.1/32 {method}\n"),
            ),
        ] {
            server.put(name, &contents);
        }
        for setting in [
            "ssl=on",
            "ssl_ca_file=root.crt",
            "password_encryption=scram-sha-256",
        ] {
            server.set(setting);
        }
        server.listen();
        server.start_again();
        server.run("ALTER ROLE chancery PASSWORD '4711'");
        server
    }
}

#[tokio::test]
async fn e2e_store_postgres_tls_password_bound_to_the_connection() {
    let certified = Certified::new();
    let server = certified.server("scram-sha-256");
    let folder = tempfile::tempdir().unwrap();
    let open = |host: &str, password: &str, roots: String| {
        let url = format!("postgres://chancery@{host}:{}/chancery", server.port());
        let credentials = Credentials {
            password: Some(password.into()),
            roots: Some(roots.into_bytes()),
            identity: None,
        };
        // SCRAM-SHA-256-PLUS or nothing (RFC 5802 §6).
        let config = PostgresConfig::new(&format!("{url}?channel_binding=require"), &credentials).unwrap();
        Store::open(&StoreConfig::on_server(config, folder.path()))
    };
    let store = open("localhost", "4711", certified.read("ca.pem")).unwrap();
    write(&store, "k").await.unwrap();
    assert_log(&store, 1).await;
    let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE application_name = 'chancery' AND ssl AND version = 'TLSv1.3'";
    assert_eq!(
        server.run(encrypted),
        "3",
        "what writes, what reads, and what holds the name"
    );

    let error = open("localhost", "wrong", certified.read("ca.pem"))
        .map(drop)
        .unwrap_err();
    assert!(error.to_string().contains("store.password_file"), "{error}");
    let error = open("127.0.0.1", "4711", certified.read("ca.pem"))
        .map(drop)
        .unwrap_err();
    assert!(error.to_string().contains("not valid for name"), "{error}");
    let error = open("localhost", "4711", Certified::new().read("ca.pem"))
        .map(drop)
        .unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn e2e_store_postgres_tls_client_certificate() {
    let certified = Certified::new();
    let server = certified.server("cert");
    let folder = tempfile::tempdir().unwrap();
    let url = format!("postgres://chancery@localhost:{}/chancery", server.port());
    let open = |identity: Option<String>| {
        let credentials = Credentials {
            password: None,
            roots: Some(certified.read("ca.pem").into_bytes()),
            identity: identity.map(Into::into),
        };
        Store::open(&StoreConfig::on_server(
            PostgresConfig::new(&url, &credentials).unwrap(),
            folder.path(),
        ))
    };
    let identity = certified.read("client.pem") + &certified.read("client.key");
    write(&open(Some(identity)).unwrap(), "k").await.unwrap();
    assert!(open(None).is_err());
}
