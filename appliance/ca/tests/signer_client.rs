//! The client of the signing service, against a simulated service that speaks its protocol over a Unix socket.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

#[path = "support/request.rs"]
mod request;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ca::{
    Authority, Clock, CreateRoot, Error, IssueRequest, Issued, OcspAnswerKind, Principal, Settings, Signer,
};
use parking_lot::Mutex;
use pki::KeyAlgorithm;
use signer_wire::{
    Backend, FRAME_HEADER, Fault, FaultClass, LaneStatus, Priority, Reply, Request, ServiceStatus,
    body_length,
};
use token::KeyRing;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// How the simulated service behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Works,
    /// Answers each signature with this fault.
    Fails(FaultClass),
    /// Reads a signature request and closes the connection.
    HangsUp,
    /// Reads a signature request and never answers.
    Silent,
    /// Answers a signature request with octets that are no reply.
    Babbles,
}

/// A simulated signing service over software keys.
struct Service {
    socket: PathBuf,
    ring: Arc<KeyRing>,
    mood: Arc<Mutex<Mood>>,
    /// Size and priority of each batch.
    batches: Arc<Mutex<Vec<(usize, Priority)>>>,
    /// Connections so far.
    accepted: Arc<AtomicUsize>,
    accepting: Option<JoinHandle<()>>,
}

impl Service {
    fn new(folder: &Path) -> Self {
        let mut service = Self {
            socket: folder.join("signer.sock"),
            ring: Arc::new(KeyRing::in_memory()),
            mood: Arc::new(Mutex::new(Mood::Works)),
            batches: Arc::default(),
            accepted: Arc::default(),
            accepting: None,
        };
        service.start();
        service
    }

    fn start(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
        let listener = UnixListener::bind(&self.socket).unwrap();
        let (ring, mood, batches) = (
            Arc::clone(&self.ring),
            Arc::clone(&self.mood),
            Arc::clone(&self.batches),
        );
        let accepted = Arc::clone(&self.accepted);
        self.accepting = Some(tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::Relaxed);
                connections.spawn(serve(
                    stream,
                    Arc::clone(&ring),
                    Arc::clone(&mood),
                    Arc::clone(&batches),
                ));
            }
        }));
    }

    /// Ends the service and all of its connections.
    async fn stop(&mut self) {
        let accepting = self.accepting.take().unwrap();
        accepting.abort();
        let _ = accepting.await;
        std::fs::remove_file(&self.socket).unwrap();
    }

    fn set(&self, mood: Mood) {
        *self.mood.lock() = mood;
    }
}

async fn serve(
    mut stream: UnixStream,
    ring: Arc<KeyRing>,
    mood: Arc<Mutex<Mood>>,
    batches: Arc<Mutex<Vec<(usize, Priority)>>>,
) {
    loop {
        let mut header = [0; FRAME_HEADER];
        if stream.read_exact(&mut header).await.is_err() {
            return;
        }
        let mut body = vec![0; body_length(header).unwrap()];
        stream.read_exact(&mut body).await.unwrap();
        let (id, request) = Request::decode(&body);
        let mood_now = *mood.lock();
        let reply = match (request.unwrap(), mood_now) {
            (Request::Sign(_), Mood::HangsUp) => return,
            (Request::Sign(batch), Mood::Silent) => {
                batches.lock().push((batch.items.len(), batch.priority));
                continue;
            }
            (Request::Sign(_), Mood::Babbles) => {
                stream
                    .write_all(&[0, 0, 0, 10, 1, 0, 0, 0, 0, 0, 0, 0, 1, 99])
                    .await
                    .unwrap();
                continue;
            }
            (Request::Sign(batch), mood) => {
                batches.lock().push((batch.items.len(), batch.priority));
                assert!((1..=10_000).contains(&batch.deadline_ms), "{}", batch.deadline_ms);
                let sign = |item: &signer_wire::Sign| match mood {
                    Mood::Fails(class) => Err(Fault::new(class, "simulated").retry_after(250)),
                    _ => ring
                        .sign(&item.key, item.scheme, &item.input, None)
                        .map_err(|error| error.to_fault()),
                };
                let outcomes = batch.items.iter().map(sign).collect();
                // Long enough for others to come and wait.
                tokio::time::sleep(Duration::from_millis(5)).await;
                Reply::Signatures(outcomes)
            }
            (Request::Generate(generate), _) => {
                match ring.generate(&generate.backend, &generate.label, generate.kind) {
                    Ok(record) => Reply::Key(record),
                    Err(error) => Reply::Fault(error.to_fault()),
                }
            }
            (Request::ImportSoftware(import), _) => match ring.import(&import.label, import.pkcs8.expose()) {
                Ok(record) => Reply::Key(record),
                Err(error) => Reply::Fault(error.to_fault()),
            },
            // Nobody orders such a key of this service.
            (Request::SubjectKey(_), _) => Reply::Fault(Fault::new(
                FaultClass::Refused,
                "the simulated service makes none",
            )),
            (Request::List, _) => Reply::Keys(ring.list()),
            (Request::Status, _) => Reply::Status(ServiceStatus {
                uptime_ms: 1,
                version: "simulated".into(),
                lanes: vec![LaneStatus {
                    width: 1,
                    ..LaneStatus::default()
                }],
            }),
        };
        let mut frame = Vec::new();
        reply.encode(id.unwrap(), &mut frame).unwrap();
        stream.write_all(&frame).await.unwrap();
    }
}

struct Bed {
    service: Service,
    authority: Authority,
    _folder: tempfile::TempDir,
}

async fn bed() -> Bed {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::new(folder.path());
    let store = store_bed::open(folder.path().join("store.db"));
    let settings = Settings {
        sign_deadline: Duration::from_secs(2),
        ..Settings::new("http://pki.example")
    };
    let signer = Signer::daemon(&service.socket);
    let authority = Authority::open(store, signer, Clock::system(), settings)
        .await
        .unwrap();
    authority
        .create_root(&Principal::local("test"), root("root", "software"))
        .await
        .unwrap();
    Bed {
        service,
        authority,
        _folder: folder,
    }
}

fn root(name: &str, token: &str) -> CreateRoot {
    CreateRoot {
        name: name.into(),
        subject: "CN=Root".into(),
        key_algorithm: KeyAlgorithm::P256,
        signature_algorithm: None,
        token: token.into(),
        validity: None,
        profile: None,
        crl: ca::CrlPlan::default(),
    }
}

async fn issue(authority: &Authority) -> Result<Issued, Error> {
    let order = IssueRequest {
        csr: request::csr(&request::Holder::new(), "", &["dns:host.example"]),
        profile: "tls-server".into(),
        ..IssueRequest::default()
    };
    authority.issue(&Principal::local("test"), order).await
}

async fn orphans(bed: &Bed) -> usize {
    let log = bed
        .authority
        .audit_tail(&Principal::local("test"), 0, 1000)
        .await
        .unwrap();
    log.iter()
        .filter(|entry| entry.action == "certificate.orphan")
        .count()
}

#[tokio::test]
async fn those_who_wait_together_are_sent_together() {
    let bed = bed().await;
    bed.service.batches.lock().clear();
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let authority = bed.authority.clone();
            tokio::spawn(async move { issue(&authority).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let batches = bed.service.batches.lock().clone();
    assert_eq!(batches.iter().map(|(size, _)| size).sum::<usize>(), 100);
    assert!(batches.len() < 100, "no two signatures shared a frame");
    assert!(
        batches
            .iter()
            .all(|(size, priority)| *size <= 64 && *priority == Priority::Issuance)
    );
    bed.service.batches.lock().clear();
    bed.authority
        .publish_crl(&Principal::local("test"), "root")
        .await
        .unwrap();
    assert_eq!(*bed.service.batches.lock(), [(1, Priority::Revocation)]);
}

#[tokio::test]
async fn what_waits_for_company_is_sent_though_nothing_is_answered() {
    let bed = bed().await;
    bed.service.batches.lock().clear();
    bed.service.set(Mood::Silent);
    let tasks: Vec<_> = (0..40)
        .map(|_| {
            let authority = bed.authority.clone();
            tokio::spawn(async move { issue(&authority).await })
        })
        .collect();
    let sent = || {
        bed.service
            .batches
            .lock()
            .iter()
            .map(|(size, _)| size)
            .sum::<usize>()
    };
    let give_up = std::time::Instant::now() + Duration::from_secs(8);
    while sent() < 40 && std::time::Instant::now() < give_up {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(sent(), 40);
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap_err().code(), "signer_deadline");
    }
}

#[tokio::test]
async fn it_connects_again_when_the_service_comes_back() {
    let mut bed = bed().await;
    issue(&bed.authority).await.unwrap();
    bed.service.stop().await;
    let error = issue(&bed.authority).await.unwrap_err();
    assert_eq!(error.code(), "signer_unavailable");
    assert!(error.is_retryable());
    let health = bed.authority.health().await;
    assert!(!health.is_ready && health.problems[0].code == "signer_unavailable");
    bed.service.start();
    let give_up = std::time::Instant::now() + Duration::from_secs(10);
    while let Err(error) = issue(&bed.authority).await {
        assert!(std::time::Instant::now() < give_up, "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn answers_on_demand_have_a_connection_of_their_own_that_comes_back_too() {
    let mut bed = bed().await;
    let mut issued = Vec::new();
    for _ in 0..3 {
        issued.push(issue(&bed.authority).await.unwrap());
    }
    let ask = async |place: usize| {
        let issued = &issued[place];
        let answer = bed.authority.answer_ocsp_serial(issued.issuer_id, issued.serial);
        answer.await.kind
    };
    assert_eq!(bed.service.accepted.load(Ordering::Relaxed), 1);
    assert_eq!(ask(0).await, OcspAnswerKind::Good);
    assert_eq!(bed.service.accepted.load(Ordering::Relaxed), 2);
    let last = bed.service.batches.lock().last().copied();
    assert_eq!(last, Some((1, Priority::OcspOnDemand)));
    // One that breaks takes the other's work with it as little as its own next one.
    bed.service.set(Mood::HangsUp);
    assert_eq!(ask(1).await, OcspAnswerKind::TryLater);
    bed.service.set(Mood::Works);
    issue(&bed.authority).await.unwrap();
    assert_eq!(
        bed.service.accepted.load(Ordering::Relaxed),
        2,
        "the first goes on"
    );
    assert_eq!(ask(1).await, OcspAnswerKind::Good);
    bed.service.stop().await;
    assert_eq!(ask(2).await, OcspAnswerKind::TryLater);
    bed.service.start();
    let give_up = std::time::Instant::now() + Duration::from_secs(10);
    while ask(2).await != OcspAnswerKind::Good {
        assert!(std::time::Instant::now() < give_up);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_an_orphan_and_the_next_request_works() {
    let bed = bed().await;
    bed.service.set(Mood::HangsUp);
    assert_eq!(
        issue(&bed.authority).await.unwrap_err().code(),
        "signer_unavailable"
    );
    assert_eq!(orphans(&bed).await, 1);
    bed.service.set(Mood::Works);
    issue(&bed.authority).await.unwrap();
    assert_eq!(orphans(&bed).await, 1);
}

#[tokio::test]
async fn no_answer_before_the_deadline() {
    let bed = bed().await;
    bed.service.set(Mood::Silent);
    let begun = std::time::Instant::now();
    assert_eq!(issue(&bed.authority).await.unwrap_err().code(), "signer_deadline");
    assert!(begun.elapsed() < Duration::from_secs(8));
    assert_eq!(orphans(&bed).await, 1);
    bed.service.set(Mood::Works);
    issue(&bed.authority).await.unwrap();
}

#[tokio::test]
async fn each_class_of_fault_has_its_code() {
    let bed = bed().await;
    let code_of = [
        (FaultClass::TokenAbsent, "hsm_unavailable", 0),
        (FaultClass::PinRejected, "hsm_pin_rejected", 0),
        (FaultClass::KeyNotFound, "hsm_key_missing", 0),
        (FaultClass::Refused, "hsm_refused", 0),
        (FaultClass::Internal, "hsm_failed", 1),
        (FaultClass::Retryable, "hsm_unavailable", 1),
    ];
    let mut expected = 0;
    for (class, code, orphaned) in code_of {
        bed.service.set(Mood::Fails(class));
        let error = issue(&bed.authority).await.unwrap_err();
        assert_eq!(error.code(), code);
        // All tokens are there, and none has the key: trying again is of no use.
        assert_eq!(
            error.is_retryable(),
            ["hsm_unavailable", "hsm_failed"].contains(&code),
            "{code}"
        );
        expected += orphaned;
        assert_eq!(orphans(&bed).await, expected, "{class}");
    }
    bed.service.set(Mood::Fails(FaultClass::Overloaded));
    match issue(&bed.authority).await.unwrap_err() {
        Error::Overloaded { retry_after } => assert_eq!(retry_after, Duration::from_millis(250)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn babble_ends_the_connection_and_not_the_client() {
    let bed = bed().await;
    bed.service.set(Mood::Babbles);
    assert_eq!(
        issue(&bed.authority).await.unwrap_err().code(),
        "signer_unavailable"
    );
    bed.service.set(Mood::Works);
    issue(&bed.authority).await.unwrap();
}

#[tokio::test]
async fn keys_are_listed_made_and_taken_over_through_the_socket() {
    let bed = bed().await;
    let admin = Principal::local("test");
    let keys = bed.authority.keys(&admin).await.unwrap();
    assert_eq!(keys.len(), 2);
    assert!(keys.iter().any(|key| key.used_by == ["issuer root 1"]));
    assert!(keys.iter().any(|key| key.used_by == ["responder of root 1"]));
    let error = bed
        .authority
        .create_root(&admin, root("other", "nowhere"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "hsm_refused");
    assert_eq!(
        bed.authority.signer().status().await.unwrap().version,
        "simulated"
    );
    let backend = Backend::Software;
    let made = bed
        .service
        .ring
        .generate(&backend, "made-elsewhere", signer_wire::KeyKind::P256)
        .unwrap();
    let keys = bed.authority.keys(&admin).await.unwrap();
    assert!(
        keys.iter()
            .any(|key| key.label == "made-elsewhere" && key.fingerprint.0 == *made.key.as_bytes())
    );
}
