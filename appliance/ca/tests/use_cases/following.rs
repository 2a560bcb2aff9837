//! What servers that share a store make of each other's changes when something is in the way: a ceremony, a lost word, a database that
//! is away or has gone back, a row that cannot be read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ca::{Authority, NewApiToken, OcspAnswerKind, Role, Scope, Settings};
use jiff::SignedDuration;
use ocsp::CertStatus;
use pki::crl::RevocationReason;
use pki::{Crl, KeyAlgorithm};
use secrecy::ExposeSecret as _;
use store_bed::Postgres;
use tokio_util::sync::CancellationToken;

use crate::bed::{BASE_URL, Bed, admin, issuing, server_request};
use crate::several::{Pair, is_revoked, issue, revoke};

/// A server that follows, until this is dropped.
struct Following {
    stop: CancellationToken,
    task: tokio::task::JoinHandle<ca::Result<()>>,
}

impl Following {
    fn start(server: &Authority) -> Self {
        let (stop, server) = (CancellationToken::new(), server.clone());
        let task = tokio::spawn({
            let stop = stop.clone();
            async move { server.follow(stop).await }
        });
        Self { stop, task }
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let since = Instant::now();
    while !is_so().await {
        assert!(since.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn problems(server: &Authority) -> Vec<&'static str> {
    let health = server.health().await;
    health.problems.iter().map(|problem| problem.code).collect()
}

fn metric(server: &Authority, name: &str) -> f64 {
    let text = server.metrics_text();
    let line = text
        .lines()
        .find(|line| line.split(' ').next() == Some(name))
        .unwrap_or_else(|| panic!("no {name}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// The list before has a revocation that this server has not heard of.
#[tokio::test]
async fn a_server_that_has_not_heard_of_a_revocation_makes_no_list_without_it() {
    for deltas in [false, true] {
        let pair = Pair::with(|issuing| issuing.crl.deltas = deltas).await;
        let id = pair.one.issuer("issuing").unwrap().id;
        let serial = issue(&pair.one, "host.example").await.serial;
        pair.settle().await;
        revoke(&pair.one, serial, RevocationReason::Superseded).await;
        let before = pair.one.publish_crl(&admin(), "issuing").await.unwrap();
        assert_eq!(before.entries, 1);
        let after = pair.other.publish_crl(&admin(), "issuing").await.unwrap();
        assert_eq!((after.entries, after.number > before.number), (1, true));
        if !deltas {
            continue;
        }
        // The same for the list that deltas stand on.
        pair.clock.advance(SignedDuration::from_hours(24));
        let base = pair.one.publish_crl(&admin(), "issuing").await.unwrap();
        let late = issue(&pair.one, "late.example").await.serial;
        revoke(&pair.one, late, RevocationReason::Superseded).await;
        pair.other.publish_crl(&admin(), "issuing").await.unwrap();
        let delta = pair.other.delta_of_shard(id, None).unwrap();
        let delta = Crl::parse(&delta.der().unwrap()).unwrap();
        assert_eq!(delta.delta_base(), Some(base.number));
        let serials: Vec<_> = delta.entries().map(|entry| entry.unwrap().serial).collect();
        assert_eq!(serials, [late]);
    }
}

/// A ceremony holds the set of issuers, and the token, for as long as people take.
#[tokio::test(flavor = "multi_thread")]
#[expect(
    clippy::await_holding_lock,
    reason = "the lock is what keeps the signature waiting"
)]
async fn a_revocation_waits_for_no_ceremony() {
    let pair = Pair::ready().await;
    let (another, hsm) = pair.another(Settings::new(BASE_URL)).await;
    let serial = issue(&pair.one, "host.example").await.serial;
    another.catch_up().await.unwrap();
    let following = Following::start(&another);
    let held = hsm.hold.lock();
    let ceremony = tokio::spawn({
        let another = another.clone();
        let mut slow = issuing("slow", "root", KeyAlgorithm::P256);
        slow.token = "hsm".into();
        async move { another.create_issuing(&admin(), slow).await }
    });
    let begun = "SELECT count(*) FROM intents";
    until("the ceremony begins", async || pair.database.run(begun) == "1").await;
    // Another server makes an issuer of its own, and then revokes.
    let mut quick = issuing("quick", "root", KeyAlgorithm::P256);
    quick.token = "hsm".into();
    pair.one.create_issuing(&admin(), quick).await.unwrap();
    let nudge = another.crl_nudge();
    let _ = tokio::time::timeout(Duration::from_millis(700), nudge.notified()).await;
    revoke(&pair.one, serial, RevocationReason::Superseded).await;
    let heard = tokio::time::timeout(Duration::from_secs(2), nudge.notified()).await;
    assert!(heard.is_ok(), "it waits for the ceremony");
    // The new issuer is known, too: its certificates are answered for.
    assert!(another.issuers().iter().any(|issuer| issuer.name == "quick"));
    drop(held);
    ceremony.await.unwrap().unwrap();
    until("the issuer is active", async || {
        let quick = another.issuer("quick").unwrap();
        quick.state == ca::IssuerState::Active
    })
    .await;
    following.end().await;
}

/// What fails for a reason that no other try mends by itself, as a missing table or a password that was changed, is tried again.
#[tokio::test]
async fn a_revocation_that_cannot_be_read_is_not_passed_over() {
    let pair = Pair::ready().await;
    let serial = issue(&pair.one, "host.example").await.serial;
    pair.settle().await;
    revoke(&pair.one, serial, RevocationReason::Superseded).await;
    pair.database.run("ALTER TABLE revocations RENAME TO away");
    pair.other.catch_up().await.unwrap_err();
    pair.other.catch_up().await.unwrap_err();
    assert_eq!(pair.ask(&pair.other, serial).await, CertStatus::Good);
    pair.database.run("ALTER TABLE away RENAME TO revocations");
    pair.other.catch_up().await.unwrap();
    assert!(is_revoked(pair.ask(&pair.other, serial).await));
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_told_of_and_holds_nothing_up() {
    let pair = Pair::ready().await;
    let serial = issue(&pair.one, "host.example").await.serial;
    pair.settle().await;
    pair.database.run(
        "INSERT INTO changes (seq, node, at, body) SELECT max(seq) + 1, gen_random_uuid(), 1, 'nonsense' FROM changes",
    );
    revoke(&pair.one, serial, RevocationReason::Superseded).await;
    pair.other.catch_up().await.unwrap();
    assert!(is_revoked(pair.ask(&pair.other, serial).await));
    assert!(problems(&pair.other).await.contains(&"changes_unknown"));
    assert!(metric(&pair.other, "chancery_changes_unknown_total") >= 1.0);
}

#[tokio::test]
async fn an_issuer_that_cannot_be_read_is_taken_up_when_it_can() {
    let pair = Pair::ready().await;
    let mut second = issuing("second", "root", KeyAlgorithm::P256);
    second.token = "hsm".into();
    let id = pair.one.create_issuing(&admin(), second).await.unwrap().id;
    let kept = pair
        .database
        .run("SELECT settings FROM issuers WHERE name = 'second'");
    pair.database
        .run("UPDATE issuers SET settings = 'nonsense' WHERE name = 'second'");
    let request = |name: &str| ca::IssueRequest {
        issuer: Some("second".to_owned()),
        ..server_request(name)
    };
    let serial = pair
        .one
        .issue(&admin(), request("host.example"))
        .await
        .unwrap()
        .serial;
    pair.other.catch_up().await.unwrap();
    assert!(pair.other.issuer("second").is_err());
    assert!(problems(&pair.other).await.contains(&"changes_stuck"));
    assert!(metric(&pair.other, "chancery_changes_stuck") >= 1.0);
    assert!(
        !pair.other.health().await.problems.iter().any(|one| one.is_fatal),
        "others are answered for"
    );
    pair.database.run(&format!(
        "UPDATE issuers SET settings = '{kept}' WHERE name = 'second'"
    ));
    until("it is taken up", async || {
        pair.other.catch_up().await.unwrap();
        pair.other.issuer("second").is_ok()
    })
    .await;
    assert!(!problems(&pair.other).await.contains(&"changes_stuck"));
    let answer = pair.other.answer_ocsp_serial(id, serial).await;
    assert_eq!(answer.kind, OcspAnswerKind::Good);
    let (mine, theirs) = (pair.one.current_crl(id), pair.other.current_crl(id));
    assert_eq!(theirs.map(|crl| crl.number), mine.map(|crl| crl.number));
}

/// A server without the database knows less and less, and says good of nothing any more that it has not said it of.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_cut_off_for_too_long_signs_no_good_any_more() {
    let mut pair = Pair::ready().await;
    let settings = Settings {
        store_lag: Duration::from_secs(2),
        ..Settings::new(BASE_URL)
    };
    let (another, _) = pair.another(settings).await;
    let (asked, unasked, revoked) = (
        issue(&pair.one, "asked.example").await.serial,
        issue(&pair.one, "unasked.example").await.serial,
        issue(&pair.one, "revoked.example").await.serial,
    );
    revoke(&pair.one, revoked, RevocationReason::Superseded).await;
    another.catch_up().await.unwrap();
    let id = another.issuer("issuing").unwrap().id;
    let following = Following::start(&another);
    assert_eq!(pair.ask(&another, asked).await, CertStatus::Good);
    pair.database.kill();
    let kind = async |serial| another.answer_ocsp_serial(id, serial).await.kind;
    until("it knows that it is behind", async || {
        problems(&another).await.contains(&"changes_behind")
    })
    .await;
    assert_eq!(kind(unasked).await, OcspAnswerKind::TryLater);
    assert!(metric(&another, "chancery_changes_lag_seconds") > 2.0);
    assert!(!another.health().await.is_ready);
    assert_eq!(kind(revoked).await, OcspAnswerKind::Revoked);
    assert_eq!(
        kind(pki::Serial::from_random([9; 16])).await,
        OcspAnswerKind::TryLater
    );
    assert_eq!(
        pair.ask(&another, asked).await,
        CertStatus::Good,
        "signed before, until its end"
    );
    pair.database.start_again();
    until("it is back", async || kind(unasked).await == OcspAnswerKind::Good).await;
    assert!(!problems(&another).await.contains(&"changes_behind"));
    assert!(metric(&another, "chancery_changes_lag_seconds") < 2.0);
    following.end().await;
}

/// The database is another one by now, which has not all that this server knows.
#[tokio::test]
async fn a_database_that_lost_what_it_had_committed_is_noticed() {
    let lost = [
        // What this server has heard of,
        "DELETE FROM changes WHERE seq = (SELECT max(seq) FROM changes)",
        // what another server has written in its place,
        "UPDATE changes SET at = at + 1, node = gen_random_uuid() WHERE seq = (SELECT max(seq) FROM changes)",
        // what this server has changed itself and not heard of yet.
        "ALTER TABLE audit DISABLE TRIGGER ALL; DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)",
    ];
    for sql in lost {
        let pair = Pair::ready().await;
        issue(&pair.one, "host.example").await;
        pair.settle().await;
        pair.database.run(sql);
        let following = pair.other.follow(CancellationToken::new());
        let ended = tokio::time::timeout(Duration::from_secs(10), following).await;
        let error = ended.expect("it goes on").unwrap_err();
        assert_eq!(error.code(), "store_went_back", "{sql}");
        assert!(error.to_string().contains("start this server anew"), "{error}");
    }
}

/// The answer to a commit may be lost with the connection, although the list is recorded.
#[tokio::test]
async fn a_list_of_its_own_is_taken_over_when_its_record_was_not_answered() {
    let pair = Pair::ready().await;
    let id = pair.one.issuer("issuing").unwrap().id;
    // The record of its list fails, as far as it knows.
    pair.database.run("ALTER TABLE published_crls RENAME TO away");
    pair.one.publish_crl(&admin(), "issuing").await.unwrap_err();
    pair.database.run("ALTER TABLE away RENAME TO published_crls");
    let recorded = pair.other.publish_crl(&admin(), "issuing").await.unwrap();
    let own = pair
        .database
        .run("SELECT node FROM changes WHERE body LIKE '%issued%' LIMIT 1");
    pair.database.run(&format!(
        "UPDATE changes SET node = '{own}' WHERE seq = (SELECT max(seq) FROM changes)"
    ));
    pair.one.catch_up().await.unwrap();
    assert_eq!(pair.one.current_crl(id).unwrap().number, recorded.number);
}

/// Many revocations cost few transactions, and those made here none.
#[tokio::test]
async fn a_page_of_revocations_is_read_at_once_and_own_ones_are_not() {
    let pair = Pair::on(Postgres::start_with(&["log_statement=all"]), |_| ()).await;
    let mut serials = Vec::new();
    for number in 0..12 {
        serials.push(issue(&pair.one, &format!("n{number}.example")).await.serial);
    }
    pair.settle().await;
    for serial in &serials {
        revoke(&pair.one, *serial, RevocationReason::Superseded).await;
    }
    let counts = || {
        let log = pair.database.log();
        let count = |what: &str| log.matches(what).count();
        (
            count("START TRANSACTION"),
            count("FROM revocations WHERE issuer_id"),
        )
    };
    let before = counts();
    pair.one.catch_up().await.unwrap();
    let own = counts();
    assert_eq!(own.1, before.1, "what was revoked here is known here");
    pair.other.catch_up().await.unwrap();
    let other = counts();
    assert!(other.1 >= own.1 + 12, "{own:?} {other:?}");
    assert!(other.0 <= own.0 + 3, "{own:?} {other:?}");
    for serial in serials {
        assert!(is_revoked(pair.ask(&pair.other, serial).await));
    }
}

/// A server starts while another one makes an issuer.
#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_is_made_while_a_server_starts_does_not_stop_it() {
    let pair = Pair::ready().await;
    issue(&pair.one, "host.example").await;
    // The start has read the issuers and waits for the keys, when there is one more.
    let made = "BEGIN; LOCK TABLE keys IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(2);
        CREATE TEMP TABLE i AS SELECT * FROM issuers WHERE name = 'issuing';
        UPDATE i SET id = '01890000-0000-7000-8000-000000000001', name = 'new'; INSERT INTO issuers SELECT * FROM i;
        CREATE TEMP TABLE c AS SELECT * FROM certificates WHERE issuer_id = (SELECT id FROM issuers WHERE name = 'issuing') LIMIT 1;
        UPDATE c SET id = gen_random_uuid(), issuer_id = '01890000-0000-7000-8000-000000000001';
        INSERT INTO certificates SELECT * FROM c; COMMIT";
    let is_held = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| pair.database.run(made));
        let since = Instant::now();
        let locks = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'keys'::regclass";
        while pair.database.run(locks) == "0" {
            assert!(since.elapsed() < Duration::from_secs(10));
        }
        is_held.store(true, Ordering::SeqCst);
        let third = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(pair.third()));
        assert!(third.issuer("issuing").is_ok());
        assert!(third.issuer("new").is_err(), "it is told of later");
    });
    assert!(is_held.load(Ordering::SeqCst));
}

/// A token is used while the tokens are read anew.
#[tokio::test]
async fn the_last_use_of_a_token_outlasts_word_of_another() {
    let pair = Pair::ready().await;
    let new = |name: &str| NewApiToken {
        name: name.to_owned(),
        role: Role::Admin,
        issuers: Scope::All,
        profiles: Scope::All,
        expires_at: None,
    };
    let made = pair.one.create_api_token(&admin(), new("anna")).await.unwrap();
    pair.settle().await;
    pair.other.authenticate(made.secret.expose_secret()).unwrap();
    pair.one.create_api_token(&admin(), new("bert")).await.unwrap();
    pair.settle().await;
    let tokens = pair.other.list_api_tokens(&admin()).await.unwrap();
    let anna = tokens.iter().find(|token| token.name == "anna").unwrap();
    assert_eq!(anna.last_used_at, Some(pair.clock.now()));
    assert_eq!(tokens.len(), 2);
}

/// A program that sets up a server may wait for people, and its server lives for as long; one that ends says so.
#[tokio::test]
async fn a_server_is_there_while_it_is_set_up_and_gone_when_it_ends() {
    let pair = Pair::ready().await;
    let alive = "SELECT count(*) FROM leases WHERE name LIKE 'node:%' AND until > 1";
    assert_eq!(pair.database.run(alive), "2");
    pair.database
        .run("UPDATE leases SET until = 1 WHERE name LIKE 'node:%'");
    pair.one
        .while_present(tokio::time::sleep(Duration::from_millis(5500)))
        .await;
    assert_eq!(pair.database.run(alive), "1");
    pair.one.drain().await;
    assert_eq!(pair.database.run(alive), "0");
}

/// In a store that nobody shares there is nobody to follow.
#[tokio::test]
async fn nobody_is_followed_where_a_store_is_in_a_file() {
    let bed = Bed::ready().await;
    let following = Following::start(&bed.authority);
    assert_eq!(bed.authority.catch_up().await.unwrap(), 0);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!following.task.is_finished());
    let health = bed.authority.health().await;
    assert!(health.is_ready, "{health:?}");
    following.end().await;
}

/// The answer to the commit that makes an issuer active may be lost: what the store says counts.
#[tokio::test(flavor = "multi_thread")]
#[expect(
    clippy::await_holding_lock,
    reason = "the lock is what keeps the signature waiting"
)]
async fn an_issuer_that_is_active_in_the_store_is_not_switched_off() {
    let pair = Pair::ready().await;
    let held = pair.hsm.hold.lock();
    let making = tokio::spawn({
        let one = pair.one.clone();
        let mut second = issuing("second", "root", KeyAlgorithm::P256);
        second.token = "hsm".into();
        async move { one.create_issuing(&admin(), second).await }
    });
    until("it is begun", async || {
        pair.database.run("SELECT count(*) FROM intents") == "1"
    })
    .await;
    pair.database.run(
        "UPDATE issuers SET state = 'active', certificate = (SELECT certificate FROM issuers WHERE name = 'issuing')
            WHERE name = 'second'",
    );
    drop(held);
    let made = making.await.unwrap().unwrap();
    assert_eq!(
        (made.state, made.name.as_str()),
        (ca::IssuerState::Active, "second")
    );
    assert_eq!(pair.one.issuer("second").unwrap().state, ca::IssuerState::Active);
    let state = "SELECT state FROM issuers WHERE name = 'second'";
    assert_eq!(pair.database.run(state), "active");
}
