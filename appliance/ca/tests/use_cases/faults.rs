//! The token away, its PIN rejected, the token full, the disk full: a code, and nothing changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use ca::{CertRef, Filter, OcspAnswerKind, RevokeRequest};
use parking_lot::Mutex;
use pki::KeyAlgorithm;
use pki::crl::RevocationReason;
use token::{BackendStatus, Error, Input, KeyKind, KeyRecord, KeyRef, KeyRing, Keys, Scheme, Software};

use crate::bed::{BASE_URL, Bed, admin, issuing, root, server_request};

/// A simulated token: software keys, and faults on demand.
pub(crate) struct Simulated {
    keys: Arc<Software>,
    fault: Mutex<Option<fn() -> Error>>,
    /// A key that it shows and does not sign with.
    lost: Mutex<Option<KeyRef>>,
    /// The token is there and its keys are not.
    is_empty: AtomicBool,
    /// Whoever holds this keeps signatures waiting.
    pub(crate) hold: Mutex<()>,
    /// The signatures it made, in their order.
    pub(crate) made: Mutex<Vec<Vec<u8>>>,
}

impl Simulated {
    /// A token that has these keys, which others may have, too.
    pub(crate) fn over(keys: &Arc<Software>) -> Arc<Self> {
        Arc::new(Self {
            keys: Arc::clone(keys),
            fault: Mutex::new(None),
            lost: Mutex::new(None),
            is_empty: AtomicBool::new(false),
            hold: Mutex::new(()),
            made: Mutex::default(),
        })
    }

    /// Takes its keys out, or puts them back.
    pub(crate) fn lose_keys(&self, is_empty: bool) {
        self.is_empty.store(is_empty, Ordering::SeqCst);
    }

    /// Takes the whole token away, or brings it back.
    pub(crate) fn unplug(&self, is_away: bool) {
        *self.fault.lock() = is_away.then_some(absent as fn() -> Error);
    }

    fn full(&self) -> Option<&Software> {
        (!self.is_empty.load(Ordering::SeqCst)).then_some(&*self.keys)
    }

    fn check(&self) -> Result<(), Error> {
        self.fault.lock().map_or(Ok(()), |fault| Err(fault()))
    }
}

impl Keys for Simulated {
    fn name(&self) -> &'static str {
        "hsm"
    }

    fn width(&self) -> usize {
        2
    }

    fn list(&self) -> Vec<KeyRecord> {
        let records = self.full().map(Keys::list).unwrap_or_default();
        records.into_iter().map(told).collect()
    }

    fn kind(&self, key: &KeyRef) -> Option<KeyKind> {
        self.full()?.kind(key)
    }

    fn find(&self, key: &KeyRef) -> Option<KeyRecord> {
        self.full()?.find(key).map(told)
    }

    fn generate(&self, label: &str, kind: KeyKind) -> Result<KeyRecord, Error> {
        self.check()?;
        self.keys.generate(label, kind)
    }

    fn sign(
        &self,
        key: &KeyRef,
        scheme: Scheme,
        input: &Input,
        until: Option<Instant>,
    ) -> Result<Vec<u8>, Error> {
        self.check()?;
        if *self.lost.lock() == Some(*key) {
            return Err(Error::KeyNotFound(*key));
        }
        drop(self.hold.lock());
        let signature = self.keys.sign(key, scheme, input, until)?;
        self.made.lock().push(signature.clone());
        Ok(signature)
    }

    fn status(&self) -> BackendStatus {
        let fault = self.check().err();
        BackendStatus {
            name: "hsm".to_owned(),
            available: fault.is_none(),
            detail: fault.map(|fault| fault.to_string()).unwrap_or_default(),
            width: 2,
        }
    }

    fn tend(&self) -> Result<(), Error> {
        Ok(())
    }
}

fn told(record: KeyRecord) -> KeyRecord {
    let tokens = vec!["hsm".to_owned()];
    KeyRecord { tokens, ..record }
}

fn absent() -> Error {
    Error::TokenAbsent {
        token: "hsm".into(),
        detail: "unplugged".into(),
    }
}

fn pin_rejected() -> Error {
    Error::PinRejected {
        token: "hsm".into(),
        detail: "wrong".into(),
    }
}

fn full() -> Error {
    Error::TokenFull { token: "hsm".into() }
}

/// A fault after which nobody knows whether the token signed.
fn broken() -> Error {
    Error::Software("simulated")
}

pub(crate) async fn bed() -> (Bed, Arc<Simulated>) {
    bed_with(ca::Settings::new(BASE_URL)).await
}

/// The same with settings of its own.
pub(crate) async fn bed_with(settings: ca::Settings) -> (Bed, Arc<Simulated>) {
    let hsm = Simulated::over(&Arc::new(Software::in_memory()));
    let ring = KeyRing::new(vec![Arc::clone(&hsm) as Arc<dyn Keys>], None);
    let bed = Bed::with(Arc::new(ring), settings).await;
    let on_hsm = ca::CreateRoot {
        token: "hsm".into(),
        ..root("root", KeyAlgorithm::P256)
    };
    bed.authority.create_root(&admin(), on_hsm).await.unwrap();
    let on_hsm = ca::CreateIssuing {
        token: "hsm".into(),
        ..issuing("issuing", "root", KeyAlgorithm::P256)
    };
    bed.authority.create_issuing(&admin(), on_hsm).await.unwrap();
    (bed, hsm)
}

#[tokio::test]
async fn each_fault_of_the_token_has_its_code() {
    let (bed, hsm) = bed().await;
    for (fault, code) in [
        (absent as fn() -> Error, "hsm_unavailable"),
        (pin_rejected, "hsm_pin_rejected"),
        (full, "hsm_full"),
    ] {
        *hsm.fault.lock() = Some(fault);
        let request = ca::CreateRoot {
            token: "hsm".into(),
            ..root("other", KeyAlgorithm::P256)
        };
        let error = bed.authority.create_root(&admin(), request).await.unwrap_err();
        assert_eq!(error.code(), code);
        assert_eq!(error.is_retryable(), code == "hsm_unavailable");
        assert!(bed.authority.issuer("other").is_err());
    }
}

#[tokio::test]
async fn without_the_token_nothing_is_issued_and_what_is_known_is_answered() {
    let (bed, hsm) = bed().await;
    let issued = bed.server("host.example").await;
    bed.authority
        .answer_ocsp_serial(issued.issuer_id, issued.serial)
        .await;
    let filter = || Filter {
        profile: Some("tls-server".into()),
        ..Filter::default()
    };
    *hsm.fault.lock() = Some(absent);
    let error = bed
        .authority
        .issue(&admin(), server_request("other.example"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "hsm_unavailable");
    assert_eq!(
        bed.authority
            .certificates(&admin(), filter())
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    assert!(bed.metric(r#"chancery_signer_errors_total{code="hsm_unavailable"}"#) > 0.0);
    let health = bed.authority.health().await;
    assert!(!health.is_ready && health.problems[0].code == "hsm_unavailable");
    // A revocation is recorded, and the kept OCSP answer of before is not given any more.
    let request = RevokeRequest {
        certificate: CertRef::Id(issued.id),
        reason: RevocationReason::Superseded,
        invalidity_date: None,
    };
    let known = bed
        .authority
        .answer_ocsp_serial(issued.issuer_id, issued.serial)
        .await;
    assert_eq!(known.kind, OcspAnswerKind::Good);
    bed.authority.revoke(&admin(), request).await.unwrap();
    let answer = bed
        .authority
        .answer_ocsp_serial(issued.issuer_id, issued.serial)
        .await;
    assert_eq!(answer.kind, OcspAnswerKind::TryLater);
    *hsm.fault.lock() = None;
    let answer = bed
        .authority
        .answer_ocsp_serial(issued.issuer_id, issued.serial)
        .await;
    assert_eq!(answer.kind, OcspAnswerKind::Revoked);
    // Nothing was signed while it was away, so nothing is an orphan.
    assert!(bed.authority.recover().await.unwrap().orphans.is_empty());
    assert!(bed.metric("chancery_orphans_total").abs() < f64::EPSILON);
}

/// The first responder is revoked when the second one of its key answers, and a third cannot be made: nobody answers, also after a new
/// start, which knows the second one from the store alone.
#[tokio::test]
async fn a_responder_whose_key_is_distrusted_is_not_taken_up_at_the_start() {
    let (bed, hsm) = bed().await;
    let id = bed.issuer("issuing").id;
    let first = bed.authority.responder(&admin(), id).unwrap().unwrap();
    bed.advance(jiff::SignedDuration::from_hours(24 * 8));
    assert_eq!(bed.authority.renew_due_responders().await.unwrap(), 2);
    *hsm.fault.lock() = Some(absent);
    let request = RevokeRequest {
        certificate: CertRef::Id(first.certificate_id),
        reason: RevocationReason::KeyCompromise,
        invalidity_date: None,
    };
    bed.authority.revoke(&admin(), request).await.unwrap();
    assert!(bed.authority.responder(&admin(), id).unwrap().is_none());
    let bed = bed.restarted().await;
    assert!(bed.authority.responder(&admin(), id).unwrap().is_none());
    *hsm.fault.lock() = None;
    assert_eq!(bed.authority.renew_due_responders().await.unwrap(), 1);
    assert!(bed.authority.responder(&admin(), id).unwrap().is_some());
}

#[tokio::test]
async fn a_key_that_no_token_has_is_told_before_it_is_wanted() {
    let (bed, hsm) = bed().await;
    hsm.lose_keys(true);
    let health = bed.authority.health().await;
    assert!(!health.is_ready, "{health:?}");
    let told = health.problems.iter().filter(|one| one.code == "hsm_key_missing");
    let told: Vec<_> = told.map(|one| (one.is_fatal, one.message.clone())).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].0 && told[0].1.contains("issuing 1") && told[0].1.contains("signerd.toml"));
    assert!(!told[1].0 && told[1].1.contains("root 1"), "{told:?}");

    // One that is revoked is not waited for.
    let serial = bed.issuer("issuing").certificate.as_ref().unwrap().serial();
    let request = RevokeRequest {
        certificate: CertRef::Serial(serial),
        reason: RevocationReason::CaCompromise,
        invalidity_date: None,
    };
    bed.authority.revoke(&admin(), request).await.unwrap();
    let health = bed.authority.health().await;
    let issuing = health
        .problems
        .iter()
        .find(|one| one.message.contains("issuing 1 ("));
    assert!(issuing.is_some_and(|one| !one.is_fatal), "{health:?}");

    hsm.lose_keys(false);
    let health = bed.authority.health().await;
    let is_told = health.problems.iter().any(|one| one.code == "hsm_key_missing");
    assert!(health.is_ready && !is_told, "{health:?}");
}

#[tokio::test]
async fn a_signature_that_may_exist_becomes_an_orphan_on_the_crl() {
    let (bed, hsm) = bed().await;
    *hsm.fault.lock() = Some(broken);
    let error = bed
        .authority
        .issue(&admin(), server_request("host.example"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "hsm_failed");
    assert!((bed.metric("chancery_orphans_total") - 1.0).abs() < f64::EPSILON);
    *hsm.fault.lock() = None;
    bed.authority.publish_due_crls().await.unwrap();
    assert_eq!(
        bed.authority
            .current_crl(bed.issuer("issuing").id)
            .unwrap()
            .entries,
        1
    );
}

#[tokio::test]
async fn nothing_is_half_done_when_the_disk_is_full_on_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let config = store::StoreConfig {
        max_pages: Some(140),
        ..store::StoreConfig::new(folder.path().join("store.db"))
    };
    let clock = ca::Clock::fixed(crate::bed::START.parse().unwrap());
    let ring = Arc::new(KeyRing::in_memory());
    let settings = ca::Settings::new(BASE_URL);
    let open = async || {
        let store = store::Store::open(&config).unwrap();
        let signer = ca::Signer::in_process(Arc::clone(&ring));
        ca::Authority::open(store, signer, clock.clone(), settings.clone())
            .await
            .unwrap()
    };
    let authority = open().await;
    authority
        .create_root(&admin(), root("root", KeyAlgorithm::P256))
        .await
        .unwrap();
    let mut handed_out = Vec::new();
    let error = loop {
        match authority.issue(&admin(), server_request("host.example")).await {
            Ok(issued) => handed_out.push(issued.id),
            Err(error) => break error,
        }
        assert!(handed_out.len() < 1000, "the store never fills");
    };
    assert_eq!(error.code(), "store_full");
    assert!(!handed_out.is_empty());
    for id in handed_out {
        authority.certificate(&admin(), CertRef::Id(id)).await.unwrap();
    }
}

#[tokio::test]
#[expect(
    clippy::await_holding_lock,
    reason = "the lock is what keeps the signature waiting"
)]
async fn a_signature_that_is_waited_for_is_seen() {
    let (bed, hsm) = bed().await;
    let waiting = "chancery_signer_waiting";
    let held = hsm.hold.lock();
    let authority = bed.authority.clone();
    let issuing = tokio::spawn(async move { authority.issue(&admin(), server_request("a.example")).await });
    while bed.metric(waiting) < 0.5 {
        assert!(!issuing.is_finished());
        tokio::task::yield_now().await;
    }
    drop(held);
    issuing.await.unwrap().unwrap();
    assert!(bed.metric(waiting) < 0.5);
}

#[tokio::test]
async fn a_store_that_is_waited_for_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_bed::open(folder.path().join("store.db"));
    let signer = ca::Signer::in_process(Arc::new(KeyRing::in_memory()));
    let clock = ca::Clock::fixed(crate::bed::START.parse().unwrap());
    let settings = ca::Settings::new(BASE_URL);
    let authority = ca::Authority::open(store.clone(), signer, clock, settings)
        .await
        .unwrap();
    let waiting = || {
        let metrics = authority.metrics_text();
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix("chancery_store_waiting "));
        line.unwrap().parse::<u32>().unwrap()
    };
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (begun, is_held) = tokio::sync::oneshot::channel();
    let first = tokio::spawn(async move {
        let mut begun = Some(begun);
        let job = move |_: &store::Tx<'_>| {
            begun.take().unwrap().send(()).unwrap();
            held.recv().unwrap();
            Ok(())
        };
        store.write(job).await
    });
    // Both in one commit would mean that nobody waits.
    is_held.await.unwrap();
    let marking = authority.clone();
    let second = tokio::spawn(async move { marking.mark_time().await });
    while waiting() == 0 {
        tokio::task::yield_now().await;
    }
    release.send(()).unwrap();
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(waiting(), 0);
}

/// As long as the key of the CA is away a responder gets no certificate; its key is made once, and used when that is over.
#[tokio::test]
async fn a_responder_key_without_a_certificate_is_used_and_not_made_again() {
    let (bed, hsm) = bed().await;
    let id = bed.issuer("issuing").id;
    let responder = |bed: &Bed| bed.authority.responder(&admin(), id).unwrap();
    let key_of = |bed: &Bed| {
        let certificate = pki::Certificate::parse(&responder(bed).unwrap().certificate).unwrap();
        certificate.public_key().fingerprint()
    };
    let serial_of = |bed: &Bed| {
        pki::Certificate::parse(&responder(bed).unwrap().certificate)
            .unwrap()
            .serial()
    };
    let revoke = async |bed: &Bed| {
        let request = RevokeRequest {
            certificate: CertRef::Serial(serial_of(bed)),
            reason: RevocationReason::Superseded,
            invalidity_date: None,
        };
        bed.authority.revoke(&admin(), request).await.unwrap();
    };
    let (first, keys) = (key_of(&bed), hsm.list().len());
    *hsm.lost.lock() = Some(KeyRef::new(bed.issuer("issuing").key.0));
    revoke(&bed).await;
    for _ in 0..5 {
        assert!(bed.authority.renew_due_responders().await.is_err());
        assert!(responder(&bed).is_none());
    }
    assert_eq!(hsm.list().len(), keys + 1);
    let bed = bed.restarted().await;
    assert!(bed.authority.renew_due_responders().await.is_err());
    assert_eq!(hsm.list().len(), keys + 1);
    *hsm.lost.lock() = None;
    bed.authority.renew_due_responders().await.unwrap();
    assert_eq!(hsm.list().len(), keys + 1);
    let second = key_of(&bed);
    assert_ne!(second, first);

    // A key that had its certificate is not used for the next one.
    revoke(&bed).await;
    // It is made beside the revocation: by now, or here.
    bed.authority.renew_due_responders().await.unwrap();
    assert_eq!(hsm.list().len(), keys + 2);
    assert!(![first, second].contains(&key_of(&bed)));
}
