//! Two servers over one database: what one does, the other knows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ca::{
    Authority, CertRef, Clock, CreateIssuing, Issued, IssuerState, NewApiToken, RevokeRequest, Role, Scope,
    Settings, Signer,
};
use jiff::SignedDuration;
use ocsp::{CertId, CertStatus, Expectation, HashAlgorithm, Request, Response};
use pki::crl::RevocationReason;
use pki::{KeyAlgorithm, Serial};
use secrecy::ExposeSecret as _;
use store::{Credentials, PostgresConfig, Store, StoreConfig};
use store_bed::Postgres;
use token::{KeyRing, Software};
use tokio_util::sync::CancellationToken;

use crate::bed::{BASE_URL, START, admin, issuing, root, server_request};
use crate::faults::Simulated;

/// Two servers with the same keys, each with a folder of its own.
pub(crate) struct Pair {
    pub(crate) one: Authority,
    pub(crate) other: Authority,
    pub(crate) clock: Clock,
    keys: Arc<Software>,
    /// The token of the first.
    pub(crate) hsm: Arc<Simulated>,
    folder: tempfile::TempDir,
    pub(crate) database: Postgres,
}

impl Pair {
    pub(crate) async fn ready() -> Self {
        Self::with(|_| ()).await
    }

    /// With an issuing CA that is as wished for.
    pub(crate) async fn with(change: impl FnOnce(&mut CreateIssuing)) -> Self {
        Self::on(Postgres::start(), change).await
    }

    /// On a database with settings of its own.
    pub(crate) async fn on(database: Postgres, change: impl FnOnce(&mut CreateIssuing)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::fixed(START.parse().unwrap());
        let keys = Arc::new(Software::in_memory());
        let hsm = Simulated::over(&keys);
        let one = open(&folder, &database, Arc::clone(&hsm), &clock, "one").await;
        let other = open(&folder, &database, Simulated::over(&keys), &clock, "other").await;
        let mut issuing = issuing("issuing", "root", KeyAlgorithm::P256);
        change(&mut issuing);
        issuing.token = "hsm".into();
        let mut root = root("root", KeyAlgorithm::P256);
        root.token = "hsm".into();
        one.create_root(&admin(), root).await.unwrap();
        one.create_issuing(&admin(), issuing).await.unwrap();
        let pair = Self {
            one,
            other,
            clock,
            keys,
            hsm,
            folder,
            database,
        };
        pair.settle().await;
        pair
    }

    pub(crate) async fn third(&self) -> Authority {
        let hsm = Simulated::over(&self.keys);
        open(&self.folder, &self.database, hsm, &self.clock, "third").await
    }

    /// A server with settings and a token of its own, which has the same keys.
    pub(crate) async fn another(&self, settings: Settings) -> (Authority, Arc<Simulated>) {
        let hsm = Simulated::over(&self.keys);
        let keys = Arc::clone(&hsm);
        let server = open_with(
            &self.folder,
            &self.database,
            keys,
            &self.clock,
            "another",
            settings,
        );
        (server.await, hsm)
    }

    /// Each has taken over what the other did.
    pub(crate) async fn settle(&self) {
        self.one.catch_up().await.unwrap();
        self.other.catch_up().await.unwrap();
    }

    /// What a careful client believes after it has asked a server.
    pub(crate) async fn ask(&self, server: &Authority, serial: Serial) -> CertStatus {
        let issuer = server.issuer("issuing").unwrap();
        let certificate = issuer.certificate.clone().unwrap();
        let (subject, key) = (certificate.subject().der(), certificate.public_key());
        let cert_id = CertId::for_issuer(HashAlgorithm::Sha256, subject, key, serial);
        let answer = server
            .answer_ocsp(issuer.id, &Request::new(cert_id).to_der().unwrap())
            .await;
        let Response::Signed(signed) = Response::parse(&answer.der).unwrap() else {
            panic!("{:?}", answer.kind)
        };
        let expected = Expectation {
            issuer: &certificate,
            cert_ids: &[cert_id],
            nonce: None,
            at: self.clock.now(),
            skew: Duration::ZERO,
        };
        signed.verify(&expected).unwrap()[0].status
    }
}

async fn open(
    folder: &tempfile::TempDir,
    database: &Postgres,
    hsm: Arc<Simulated>,
    clock: &Clock,
    name: &str,
) -> Authority {
    open_with(folder, database, hsm, clock, name, Settings::new(BASE_URL)).await
}

async fn open_with(
    folder: &tempfile::TempDir,
    database: &Postgres,
    hsm: Arc<Simulated>,
    clock: &Clock,
    name: &str,
    settings: Settings,
) -> Authority {
    let folder = folder.path().join(name);
    std::fs::create_dir(&folder).unwrap();
    let server = PostgresConfig::new(&database.url(), &Credentials::default()).unwrap();
    let store = Store::open(&StoreConfig::on_server(server, folder)).unwrap();
    let signer = Signer::in_process(Arc::new(KeyRing::new(vec![hsm], None)));
    Authority::open(store, signer, clock.clone(), settings)
        .await
        .unwrap()
}

pub(crate) async fn issue(server: &Authority, name: &str) -> Issued {
    server.issue(&admin(), server_request(name)).await.unwrap()
}

pub(crate) async fn revoke(server: &Authority, serial: Serial, reason: RevocationReason) {
    let request = RevokeRequest {
        certificate: CertRef::Serial(serial),
        reason,
        invalidity_date: None,
    };
    server.revoke(&admin(), request).await.unwrap();
}

pub(crate) fn is_revoked(status: CertStatus) -> bool {
    matches!(status, CertStatus::Revoked { .. })
}

#[tokio::test]
async fn what_one_issues_and_revokes_the_other_answers_for() {
    let pair = Pair::ready().await;
    assert_eq!(pair.other.issuer("issuing").unwrap().state, IssuerState::Active);
    let serial = issue(&pair.one, "host.example").await.serial;
    pair.settle().await;
    for server in [&pair.one, &pair.other] {
        assert_eq!(pair.ask(server, serial).await, CertStatus::Good);
    }
    revoke(&pair.other, serial, RevocationReason::CertificateHold).await;
    pair.settle().await;
    for server in [&pair.one, &pair.other] {
        assert!(is_revoked(pair.ask(server, serial).await));
    }
    revoke(&pair.one, serial, RevocationReason::RemoveFromCrl).await;
    pair.settle().await;
    for server in [&pair.one, &pair.other] {
        assert_eq!(pair.ask(server, serial).await, CertStatus::Good);
    }
    // A certificate that one issued can be revoked on the other before word of it came.
    let serial = issue(&pair.one, "next.example").await.serial;
    revoke(&pair.other, serial, RevocationReason::Superseded).await;
    pair.settle().await;
    for server in [&pair.one, &pair.other] {
        assert!(is_revoked(pair.ask(server, serial).await));
    }
}

#[tokio::test]
async fn words_in_any_order_and_twice_leave_how_things_stand() {
    let pair = Pair::ready().await;
    let serial = issue(&pair.one, "host.example").await.serial;
    for _ in 0..3 {
        revoke(&pair.one, serial, RevocationReason::CertificateHold).await;
        pair.other.catch_up().await.unwrap();
        revoke(&pair.other, serial, RevocationReason::RemoveFromCrl).await;
    }
    revoke(&pair.other, serial, RevocationReason::KeyCompromise).await;
    pair.settle().await;
    pair.settle().await;
    let third = pair.third().await;
    for server in [&pair.one, &pair.other, &third] {
        assert!(is_revoked(pair.ask(server, serial).await));
        assert_eq!(server.publish_crl(&admin(), "issuing").await.unwrap().entries, 1);
        pair.settle().await;
        third.catch_up().await.unwrap();
        assert_eq!(
            server.publish_due_crls().await.unwrap(),
            0,
            "nothing is left to be listed"
        );
    }
}

#[tokio::test]
async fn a_list_is_made_by_one_and_handed_out_by_both() {
    for deltas in [false, true] {
        let pair = Pair::with(|issuing| issuing.crl.deltas = deltas).await;
        let id = pair.one.issuer("issuing").unwrap().id;
        let serial = issue(&pair.one, "host.example").await.serial;
        revoke(&pair.one, serial, RevocationReason::Superseded).await;
        pair.settle().await;
        let published = tokio::join!(pair.one.publish_due_crls(), pair.other.publish_due_crls());
        let published = [published.0.unwrap(), published.1.unwrap()];
        // Who came when the other was done has not heard of it yet, and makes one of its own.
        assert!(published.iter().sum::<usize>() >= 1, "{published:?}");
        pair.settle().await;
        let lists = [&pair.one, &pair.other].map(|server| {
            let crl = server.current_crl(id).unwrap();
            let delta = server
                .delta_of_shard(id, None)
                .map(|delta| (delta.number, delta.etag.clone()));
            (crl.number, crl.entries, crl.etag.clone(), delta)
        });
        assert_eq!(lists[0], lists[1]);
        assert_eq!((lists[0].1, lists[0].3.is_some()), (1, deltas));
        for server in [&pair.one, &pair.other] {
            assert_eq!(server.publish_due_crls().await.unwrap(), 0);
        }
        // A server that starts later has it, too.
        let third = pair.third().await;
        assert_eq!(third.current_crl(id).map(|crl| crl.number), Some(lists[0].0));
    }
}

#[tokio::test]
async fn numbers_rise_whoever_publishes() {
    let pair = Pair::ready().await;
    let mut last = pair
        .one
        .current_crl(pair.one.issuer("issuing").unwrap().id)
        .unwrap()
        .number;
    for server in [&pair.one, &pair.other, &pair.other, &pair.one] {
        let number = server.publish_crl(&admin(), "issuing").await.unwrap().number;
        assert!(number > last, "{number} after {last}");
        last = number;
    }
    // Each has the other's newest, as soon as it has heard of it.
    pair.settle().await;
    let id = pair.one.issuer("issuing").unwrap().id;
    assert_eq!(pair.other.current_crl(id).unwrap().number, last);
}

#[tokio::test]
async fn profiles_tokens_issuers_and_responders_are_shared() {
    let pair = Pair::ready().await;
    let new = NewApiToken {
        name: "anna".to_owned(),
        role: Role::Admin,
        issuers: Scope::All,
        profiles: Scope::All,
        expires_at: None,
    };
    let made = pair.one.create_api_token(&admin(), new).await.unwrap();
    let secret = made.secret.expose_secret().to_owned();
    assert!(pair.other.authenticate(&secret).is_err());
    pair.settle().await;
    assert!(pair.other.authenticate(&secret).is_ok());
    pair.other
        .revoke_api_token(&admin(), &made.token.id)
        .await
        .unwrap();
    pair.settle().await;
    assert!(pair.one.authenticate(&secret).is_err());

    // The responder that one renews signs for the other.
    pair.clock.advance(SignedDuration::from_hours(24 * 8));
    assert!(pair.other.renew_due_responders().await.unwrap() > 0);
    pair.settle().await;
    assert_eq!(
        pair.one.renew_due_responders().await.unwrap(),
        0,
        "it has the new one"
    );

    let request = ca::Rollover {
        issuer: "issuing".to_owned(),
        ..ca::Rollover::default()
    };
    pair.other.rollover(&admin(), request).await.unwrap();
    pair.settle().await;
    assert_eq!(
        pair.one.issuer("issuing").unwrap().id,
        pair.other.issuer("issuing").unwrap().id
    );
    let serial = issue(&pair.one, "later.example").await.serial;
    pair.settle().await;
    assert_eq!(pair.ask(&pair.other, serial).await, CertStatus::Good);
}

/// A revoked responder is used by nobody any more.
#[tokio::test]
async fn a_responder_that_one_revokes_the_other_answers_by_no_more() {
    let pair = Pair::ready().await;
    let serial = issue(&pair.one, "host.example").await.serial;
    pair.settle().await;
    assert_eq!(pair.ask(&pair.other, serial).await, CertStatus::Good);
    let page = pair
        .one
        .certificates(&admin(), ca::Filter::default())
        .await
        .unwrap();
    let is_responder = |subject: &str| subject.contains("OCSP responder of issuing");
    let responder = page
        .items
        .iter()
        .find(|item| is_responder(&item.subject))
        .unwrap();
    revoke(&pair.one, responder.serial, RevocationReason::KeyCompromise).await;
    let id = pair.one.issuer("issuing").unwrap().id;
    let since = Instant::now();
    while pair.one.responder(&admin(), id).unwrap().is_none() {
        assert!(since.elapsed() < Duration::from_secs(20), "no successor");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    pair.settle().await;
    assert_eq!(
        pair.ask(&pair.other, serial).await,
        CertStatus::Good,
        "by the new one"
    );
}

/// A server that stops in the middle of a list finds, when it wakes up, that another one has made it.
#[tokio::test(flavor = "multi_thread")]
#[expect(
    clippy::await_holding_lock,
    reason = "the lock is what keeps the signature waiting"
)]
async fn a_server_that_lost_its_duty_publishes_nothing() {
    let pair = Pair::ready().await;
    let id = pair.one.issuer("issuing").unwrap().id;
    let before = pair.one.current_crl(id).unwrap().number;
    let held = pair.hsm.hold.lock();
    let asleep = pair.one.clone();
    let asleep = tokio::spawn(async move { asleep.publish_crl(&admin(), "issuing").await });
    let taken = format!("SELECT count(*) FROM leases WHERE name LIKE 'crl:{id}:%' AND until > 0");
    while pair.database.run(&taken) == "0" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let error = pair.other.publish_crl(&admin(), "issuing").await.unwrap_err();
    assert_eq!(error.code(), "crl_made_elsewhere");
    assert_eq!(pair.other.publish_due_crls().await.unwrap(), 0);
    // Its time is over: so it would be had it not been heard of for a while.
    pair.database
        .run("UPDATE leases SET until = 1 WHERE name LIKE 'crl:%'");
    let number = pair.other.publish_crl(&admin(), "issuing").await.unwrap().number;
    assert_eq!(number, before + 2, "the sleeper has taken the one before");
    drop(held);
    let error = asleep.await.unwrap().unwrap_err();
    assert_eq!(error.code(), "lease_lost");
    pair.settle().await;
    for server in [&pair.one, &pair.other] {
        assert_eq!(server.current_crl(id).unwrap().number, number);
    }
    assert_eq!(
        pair.one.publish_crl(&admin(), "issuing").await.unwrap().number,
        number + 1
    );
}

/// A server that stops before a checkpoint is signed finds, when it wakes up, that another one has signed, and adds nothing.
#[tokio::test(flavor = "multi_thread")]
#[expect(
    clippy::await_holding_lock,
    reason = "the lock is what keeps the signature waiting"
)]
async fn a_server_that_lost_its_duty_signs_no_checkpoint_of_the_audit_log() {
    let pair = Pair::ready().await;
    assert!(pair.one.tend_audit_log_now().await.unwrap());
    issue(&pair.one, "host.example").await;
    let held = pair.hsm.hold.lock();
    let asleep = pair.one.clone();
    let asleep = tokio::spawn(async move { asleep.tend_audit_log_now().await });
    // It waits for the signature, with the duty in its hand.
    while !pair.one.metrics_text().contains("chancery_signer_waiting 1") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    pair.database
        .run("UPDATE leases SET until = 1 WHERE name = 'audit'");
    assert!(pair.other.tend_audit_log_now().await.unwrap());
    let newest = "SELECT size, note FROM audit_checkpoints ORDER BY size DESC LIMIT 1";
    let signed = pair.database.run(newest);
    drop(held);
    assert!(!asleep.await.unwrap().unwrap());
    assert_eq!(pair.database.run(newest), signed);
    for server in [&pair.one, &pair.other] {
        server.tend_audit_log_now().await.unwrap();
        let problems = server.health().await.problems;
        assert!(
            problems.iter().all(|problem| problem.code != "audit_alarm"),
            "{problems:?}"
        );
    }
}

/// What a dead server was about to sign is settled by another; a server that only seemed dead hands nothing out.
#[tokio::test(flavor = "multi_thread")]
#[expect(
    clippy::await_holding_lock,
    reason = "the lock is what keeps the signature waiting"
)]
async fn orders_of_a_living_server_are_left_alone_and_those_of_a_dead_one_settled() {
    let pair = Pair::ready().await;
    let held = pair.hsm.hold.lock();
    let asleep = pair.one.clone();
    let ordered = tokio::spawn(async move { asleep.issue(&admin(), server_request("host.example")).await });
    while pair.database.run("SELECT count(*) FROM intents") == "0" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(
        pair.other.recover().await.unwrap().orphans.is_empty(),
        "its server lives"
    );
    pair.database
        .run("UPDATE leases SET until = 1 WHERE name LIKE 'node:%'");
    let orphans = pair.other.recover().await.unwrap().orphans;
    assert_eq!(orphans.len(), 1);
    drop(held);
    let error = ordered.await.unwrap().unwrap_err();
    assert_eq!(error.code(), "conflict", "{error}");
    pair.settle().await;
    for server in [&pair.one, &pair.other] {
        assert!(is_revoked(pair.ask(server, orphans[0].serial).await));
    }
}

#[tokio::test]
async fn who_was_away_for_too_long_says_so() {
    let pair = Pair::ready().await;
    for number in 0..3 {
        issue(&pair.one, &format!("n{number}.example")).await;
    }
    pair.database
        .run("DELETE FROM changes WHERE seq < (SELECT max(seq) FROM changes)");
    let error = pair.other.follow(CancellationToken::new()).await.unwrap_err();
    assert!(error.to_string().contains("start it anew"), "{error}");
}

/// Nobody calls anything: word travels by itself, also after the database was away.
#[tokio::test(flavor = "multi_thread")]
async fn word_comes_by_itself_within_a_second() {
    let mut pair = Pair::ready().await;
    let stop = CancellationToken::new();
    let following = tokio::spawn({
        let (other, stop) = (pair.other.clone(), stop.clone());
        async move { other.follow(stop).await }
    });
    for round in 0..2 {
        let serial = issue(&pair.one, "host.example").await.serial;
        revoke(&pair.one, serial, RevocationReason::Superseded).await;
        let since = Instant::now();
        while !is_revoked(pair.ask(&pair.other, serial).await) {
            assert!(since.elapsed() < Duration::from_secs(1), "in round {round}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        pair.database.kill();
        pair.database.start_again();
        while pair.one.be_present().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    assert!(
        pair.other
            .metrics_text()
            .contains("chancery_changes_followed_total")
    );
    stop.cancel();
    following.await.unwrap().unwrap();
}
