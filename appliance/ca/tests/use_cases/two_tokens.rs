//! Keys that are in two tokens: the loss of one keeps from nothing, and is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use ca::Settings;
use pki::KeyAlgorithm;
use token::{BackendStatus, Error, Input, KeyKind, KeyRecord, KeyRef, KeyRing, Keys, Scheme, Software};

use crate::bed::{BASE_URL, Bed, admin, issuing, root, server_request};

/// One of two simulated tokens with the same keys in them.
struct Twin {
    name: &'static str,
    keys: Arc<Software>,
    is_away: AtomicBool,
}

impl Twin {
    fn there(&self) -> Option<&Software> {
        (!self.is_away.load(Ordering::Relaxed)).then_some(&*self.keys)
    }

    fn absent(&self) -> Error {
        Error::TokenAbsent {
            token: self.name.into(),
            detail: "unplugged".into(),
        }
    }

    fn told(&self, record: KeyRecord) -> KeyRecord {
        let tokens = vec![self.name.to_owned()];
        KeyRecord { tokens, ..record }
    }
}

impl Keys for Twin {
    fn name(&self) -> &str {
        self.name
    }

    fn width(&self) -> usize {
        1
    }

    fn list(&self) -> Vec<KeyRecord> {
        let records = self.there().map(Keys::list).unwrap_or_default();
        records.into_iter().map(|record| self.told(record)).collect()
    }

    fn kind(&self, key: &KeyRef) -> Option<KeyKind> {
        self.there()?.kind(key)
    }

    fn find(&self, key: &KeyRef) -> Option<KeyRecord> {
        self.there()?.find(key).map(|record| self.told(record))
    }

    fn generate(&self, label: &str, kind: KeyKind) -> Result<KeyRecord, Error> {
        let here = self.there().ok_or_else(|| self.absent())?;
        here.generate(label, kind).map(|record| self.told(record))
    }

    fn sign(
        &self,
        key: &KeyRef,
        scheme: Scheme,
        input: &Input,
        until: Option<Instant>,
    ) -> Result<Vec<u8>, Error> {
        let here = self.there().ok_or_else(|| self.absent())?;
        here.sign(key, scheme, input, until)
    }

    fn status(&self) -> BackendStatus {
        let is_away = self.there().is_none();
        BackendStatus {
            name: self.name.into(),
            available: !is_away,
            detail: if is_away {
                "unplugged".into()
            } else {
                String::new()
            },
            width: 1,
        }
    }

    fn tend(&self) -> Result<(), Error> {
        Ok(())
    }
}

#[tokio::test]
async fn a_token_that_is_away_is_fatal_only_where_no_other_has_its_keys() {
    for (lost, is_ready) in [(&["left"][..], true), (&["left", "right"], false)] {
        let keys = Arc::new(Software::in_memory());
        let twins = ["left", "right"].map(|name| {
            Arc::new(Twin {
                name,
                keys: Arc::clone(&keys),
                is_away: AtomicBool::new(false),
            })
        });
        let backends = twins
            .iter()
            .map(|twin| Arc::clone(twin) as Arc<dyn Keys>)
            .collect();
        let bed = Bed::with(Arc::new(KeyRing::new(backends, None)), Settings::new(BASE_URL)).await;
        let on_left = ca::CreateRoot {
            token: "left".into(),
            ..root("root", KeyAlgorithm::P256)
        };
        bed.authority.create_root(&admin(), on_left).await.unwrap();
        let on_left = ca::CreateIssuing {
            token: "left".into(),
            ..issuing("issuing", "root", KeyAlgorithm::P256)
        };
        bed.authority.create_issuing(&admin(), on_left).await.unwrap();

        for twin in twins.iter().filter(|twin| lost.contains(&twin.name)) {
            twin.is_away.store(true, Ordering::Relaxed);
        }
        let health = bed.authority.health().await;
        assert_eq!(health.is_ready, is_ready, "{health:?}");
        let told = health
            .problems
            .iter()
            .filter(|problem| problem.code == "hsm_unavailable");
        assert_eq!(told.count(), lost.len(), "{health:?}");
        bed.authority.look_at_tokens().await;
        for name in ["left", "right"] {
            let available = bed.metric(&format!(r#"chancery_token_available{{token="{name}"}}"#));
            assert_eq!(available > 0.5, !lost.contains(&name));
        }
        let issued = bed
            .authority
            .issue(&admin(), server_request("host.example"))
            .await;
        assert_eq!(issued.is_ok(), is_ready);
    }
}

#[tokio::test]
async fn a_log_that_is_begun_anew_gets_its_key_in_a_token_that_is_there() {
    let twins = ["lost", "new"].map(|name| {
        Arc::new(Twin {
            name,
            keys: Arc::new(Software::in_memory()),
            is_away: AtomicBool::new(false),
        })
    });
    let backends = twins.iter().map(|twin| Arc::clone(twin) as Arc<dyn Keys>);
    let ring = KeyRing::new(backends.collect(), None);
    let bed = Bed::with(Arc::new(ring), Settings::new(BASE_URL)).await;
    for token in ["lost", "new"] {
        let own = ca::CreateRoot {
            token: token.into(),
            ..root(&format!("root-{token}"), KeyAlgorithm::P256)
        };
        bed.authority.create_root(&admin(), own).await.unwrap();
    }
    assert!(bed.authority.tend_audit_log_now().await.unwrap());
    assert!(bed.authority.audit_checkpoint(&admin()).await.is_ok());
    let [lost, new] = &twins;
    lost.is_away.store(true, Ordering::Relaxed);
    let reason = "the HSM with its key is lost";
    bed.authority
        .begin_audit_log_anew(&admin(), reason)
        .await
        .unwrap();
    assert!(bed.authority.tend_audit_log_now().await.unwrap());
    assert!(bed.authority.audit_checkpoint(&admin()).await.is_ok());
    // With all of them away nothing is made, and why is told.
    bed.authority
        .begin_audit_log_anew(&admin(), reason)
        .await
        .unwrap();
    new.is_away.store(true, Ordering::Relaxed);
    let error = bed.authority.tend_audit_log_now().await.unwrap_err();
    assert_eq!(error.code(), "hsm_unavailable");
    assert!(error.to_string().contains("lost, new"), "{error}");
}
