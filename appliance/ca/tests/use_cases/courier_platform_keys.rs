//! Keys that the appliance makes for couriers: to whom they go, how often, and who may ask for one.

use std::cell::Cell;

use aws_lc_rs::rand::SystemRandom;
use ca::Role;
use ca::courier::{
    Authentication, CourierOrder, CourierOrderRequest, CourierOrderStatus, CourierRecord, CourierSession,
    OpenedSession, OrderKey, OrderKind, PlatformKeys, PlatformOrder, Quotas,
};
use jiff::SignedDuration;
use jose::jwe::{Expected, RecipientKey};
use jose::jwk::Curve;
use jose::{SigningKey, dpop};
use pki::policy::{Policy, SubjectValues};
use pki::{Certificate, key_file};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::bed::{Bed, admin, principal};
use crate::courier_host::{Host, code, order, public, record, signing_key};

/// A courier in a session that is bound to a key.
struct Bound {
    key: SigningKey,
    opened: OpenedSession,
    proofs: Cell<u32>,
}

impl Bound {
    async fn to(bed: &Bed, host: &Host) -> Self {
        let key = signing_key();
        let authentication = Authentication {
            proof_key: Some(public(&key)),
            ..host.authentication(host.shown())
        };
        Self {
            opened: bed.authority.authenticate_courier(authentication).await.unwrap(),
            key,
            proofs: Cell::new(0),
        }
    }

    fn session(&self) -> &CourierSession {
        &self.opened.session
    }

    /// A proof of a recipient by a key.
    fn proof_by(&self, bed: &Bed, key: &SigningKey, recipient: &RecipientKey) -> String {
        self.proofs.set(self.proofs.get() + 1);
        let thumbprint = recipient.jwk().thumbprint();
        let request = dpop::Request {
            method: "POST",
            url: &format!("urn:ietf:params:oauth:jwk-thumbprint:sha-256:{thumbprint}"),
            access_token_hash: Some(&dpop::access_token_hash(self.opened.token.expose_secret())),
            now: bed.clock.now().as_second(),
            id: &format!("proof-{}", self.proofs.get()),
            body: None,
        };
        dpop::build(key, &request, &SystemRandom::new()).unwrap()
    }

    fn order(&self, bed: &Bed, recipient: &RecipientKey, names: &[&str]) -> CourierOrderRequest {
        let platform = PlatformOrder {
            recipient_proof: Some(self.proof_by(bed, &self.key, recipient)),
            ..platform(recipient, names)
        };
        with(platform)
    }

    async fn place(&self, bed: &Bed, request: CourierOrderRequest) -> Result<CourierOrder, ca::Error> {
        bed.authority
            .place_courier_order(self.session(), request, None)
            .await
    }

    async fn fetch(&self, bed: &Bed, order: &CourierOrder) -> Result<String, ca::Error> {
        bed.authority.fetch_courier_key(self.session(), order.id).await
    }
}

fn recipient() -> RecipientKey {
    RecipientKey::generate(Curve::P256, &SystemRandom::new()).unwrap()
}

fn platform(recipient: &RecipientKey, names: &[&str]) -> PlatformOrder {
    PlatformOrder {
        common_name: None,
        subject: SubjectValues::default(),
        names: names.iter().map(ToString::to_string).collect(),
        algorithm: "ec-256".to_owned(),
        digest: None,
        recipient: serde_json::from_str(&recipient.jwk().to_json()).unwrap(),
        recipient_proof: None,
    }
}

fn with(platform: PlatformOrder) -> CourierOrderRequest {
    CourierOrderRequest {
        key: OrderKey::Platform {
            platform: Box::new(platform),
        },
        ..order(&["dns:unused.example.com"])
    }
}

fn allowing() -> CourierRecord {
    CourierRecord {
        platform_keys: PlatformKeys::Allow,
        ..record()
    }
}

/// The same request with another part.
fn changed(request: &CourierOrderRequest, change: impl Fn(&mut PlatformOrder)) -> CourierOrderRequest {
    let mut request = request.clone();
    if let OrderKey::Platform { platform } = &mut request.key {
        change(platform);
    }
    request
}

async fn certificate_of(bed: &Bed, bound: &Bound, order: &CourierOrder) -> Certificate {
    let fetched = bed
        .authority
        .fetch_courier_certificate(bound.session(), order.id)
        .await
        .unwrap();
    Certificate::from_der(&fetched.chain[0]).unwrap()
}

/// Opens an envelope for an order and a certificate, and holds what is in it against the certificate.
fn opens(recipient: &RecipientKey, jwe: &str, order: &CourierOrder, certificate: &Certificate) {
    let expected = Expected {
        order: &order.id.to_string(),
        spki: &certificate.public_key().fingerprint().0,
    };
    let pkcs8 = recipient.decrypt(jwe, &expected).unwrap();
    let key = key_file::parse(&pkcs8, None).unwrap();
    assert_eq!(key.public_key.spki_der(), certificate.public_key().spki_der());
}

#[tokio::test]
async fn a_key_is_made_delivered_once_and_forgotten() {
    let bed = Bed::ready().await;
    let host = Host::on(&bed, "web01", allowing()).await;
    let bound = Bound::to(&bed, &host).await;
    let recipient = recipient();
    let request = changed(
        &bound.order(&bed, &recipient, &["dns:a.example.com", "ip:10.1.2.3"]),
        |platform| {
            platform.common_name = Some("a.example.com".to_owned());
            platform.algorithm = "ec-384".to_owned();
            platform.digest = Some("sha384".to_owned());
        },
    );
    let placed = bound.place(&bed, request).await.unwrap();
    assert_eq!(
        (placed.status, placed.key_mode.as_str()),
        (CourierOrderStatus::Issued, "platform")
    );
    let certificate = certificate_of(&bed, &bound, &placed).await;
    assert_eq!(certificate.public_key().algorithm(), pki::KeyAlgorithm::P384);
    assert_eq!(certificate.subject().to_string(), "CN=a.example.com");
    let jwe = bound.fetch(&bed, &placed).await.unwrap();
    opens(&recipient, &jwe, &placed, &certificate);
    assert_eq!(code(bound.fetch(&bed, &placed).await), "already_retrieved");
    let other = Host::on(&bed, "web02", allowing()).await.session(&bed).await;
    assert_eq!(
        code(bed.authority.fetch_courier_key(&other, placed.id).await),
        "not_found"
    );
}

/// What is changed, and how.
type Change = (&'static str, Box<dyn Fn(&mut PlatformOrder)>);

#[tokio::test]
async fn every_kind_is_made_and_no_other() {
    let bed = Bed::ready().await;
    let host = Host::on(&bed, "web01", allowing()).await;
    let bound = Bound::to(&bed, &host).await;
    for curve in [Curve::P384, Curve::P521, Curve::X25519] {
        let recipient = RecipientKey::generate(curve, &SystemRandom::new()).unwrap();
        for algorithm in ["ec-256", "ec-521", "rsa-2048"] {
            let request = bound.order(&bed, &recipient, &["dns:a.example.com"]);
            let request = changed(&request, |platform| platform.algorithm = algorithm.to_owned());
            let placed = bound.place(&bed, request).await.unwrap();
            let certificate = certificate_of(&bed, &bound, &placed).await;
            let jwe = bound.fetch(&bed, &placed).await.unwrap();
            opens(&recipient, &jwe, &placed, &certificate);
        }
    }
    let recipient = recipient();
    let request = bound.order(&bed, &recipient, &["dns:a.example.com"]);
    let signing = public(&signing_key());
    let mut for_signatures = signing.clone();
    for_signatures["use"] = "sig".into();
    let changes: [Change; 8] = [
        ("kind", Box::new(|one| one.algorithm = "ml-dsa-65".to_owned())),
        ("size", Box::new(|one| one.algorithm = "rsa-1024".to_owned())),
        ("digest", Box::new(|one| one.digest = Some("md5".to_owned()))),
        ("digest", Box::new(|one| one.digest = Some("sha512".to_owned()))),
        (
            "name",
            Box::new(|one| one.names = vec!["a.example.com".to_owned()]),
        ),
        (
            "subject",
            Box::new(|one| one.subject.country = Some("CHE".to_owned())),
        ),
        ("recipient", Box::new(|one| one.recipient = Value::Null)),
        ("use", Box::new(move |one| one.recipient = for_signatures.clone())),
    ];
    for (what, change) in changes {
        assert_eq!(
            code(bound.place(&bed, changed(&request, &*change)).await),
            "validation_error",
            "{what}"
        );
    }
}

#[tokio::test]
async fn the_record_says_where_keys_are_made() {
    let bed = Bed::ready().await;
    let recipient = recipient();
    let names = ["dns:a.example.com"];
    let forbidding = Host::on(&bed, "web01", record()).await;
    let bound = Bound::to(&bed, &forbidding).await;
    let request = bound.order(&bed, &recipient, &names);
    assert_eq!(code(bound.place(&bed, request).await), "key_mode_not_allowed");
    let requiring = CourierRecord {
        platform_keys: PlatformKeys::Require,
        ..record()
    };
    let requiring = Host::on(&bed, "web02", requiring).await;
    let bound = Bound::to(&bed, &requiring).await;
    assert_eq!(
        code(bound.place(&bed, order(&names)).await),
        "key_mode_not_allowed"
    );
    let request = bound.order(&bed, &recipient, &names);
    let preflight = bed
        .authority
        .preflight_courier_order(bound.session(), &request)
        .await
        .unwrap();
    assert_eq!(preflight.names, names);
    let placed = bound.place(&bed, request).await.unwrap();
    assert_eq!(placed.status, CourierOrderStatus::Issued);
    // A key that the courier has made is not given out.
    let local = Host::on(&bed, "web03", allowing()).await;
    let bound = Bound::to(&bed, &local).await;
    let placed = bound.place(&bed, order(&names)).await.unwrap();
    assert_eq!(code(bound.fetch(&bed, &placed).await), "not_found");
}

#[tokio::test]
async fn nobody_between_puts_another_recipient_in() {
    let bed = Bed::ready().await;
    let host = Host::on(&bed, "web01", allowing()).await;
    let (own, of_the_bridge) = (recipient(), recipient());
    let names = ["dns:a.example.com"];
    // A session without a key: whoever carries the order could have changed it.
    let unbound = host.session(&bed).await;
    let bare = with(platform(&own, &names));
    let place = |session, request| bed.authority.place_courier_order(session, request, None);
    assert_eq!(code(place(&unbound, bare.clone()).await), "key_mode_not_allowed");
    assert_eq!(
        code(bed.authority.preflight_courier_order(&unbound, &bare).await),
        "key_mode_not_allowed"
    );
    let bound = Bound::to(&bed, &host).await;
    assert_eq!(code(bound.place(&bed, bare).await), "key_mode_not_allowed");
    let request = bound.order(&bed, &own, &names);
    let swapped = changed(&request, |platform| {
        platform.recipient = serde_json::from_str(&of_the_bridge.jwk().to_json()).unwrap();
    });
    assert_eq!(code(bound.place(&bed, swapped).await), "key_mode_not_allowed");
    let by_another_key = bound.proof_by(&bed, &signing_key(), &of_the_bridge);
    let forged = changed(&with(platform(&of_the_bridge, &names)), |platform| {
        platform.recipient_proof = Some(by_another_key.clone());
    });
    assert_eq!(code(bound.place(&bed, forged).await), "key_mode_not_allowed");
    // The proof of another session of the same courier.
    let other = Bound::to(&bed, &host).await;
    assert_eq!(
        code(other.place(&bed, request.clone()).await),
        "key_mode_not_allowed"
    );
    assert!(bound.place(&bed, request.clone()).await.is_ok());
    // Sent once more as another order: a proof counts once, and not for long.
    assert_eq!(code(bound.place(&bed, request).await), "key_mode_not_allowed");
    let late = bound.order(&bed, &own, &names);
    bed.advance(SignedDuration::from_secs(61));
    assert_eq!(code(bound.place(&bed, late).await), "key_mode_not_allowed");
}

#[tokio::test]
async fn an_order_that_is_sent_again_is_the_same_and_a_lost_key_is_another_order() {
    let bed = Bed::ready().await;
    let host = Host::on(&bed, "web01", allowing()).await;
    let bound = Bound::to(&bed, &host).await;
    let (first, second) = (recipient(), recipient());
    let names = ["dns:a.example.com"];
    let send = |request| {
        let key = Some("key-1".to_owned());
        bed.authority.place_courier_order(bound.session(), request, key)
    };
    let placed = send(bound.order(&bed, &first, &names)).await.unwrap();
    // With another proof of the same recipient, as after an answer that was lost.
    let again = send(bound.order(&bed, &first, &names)).await.unwrap();
    assert_eq!(placed.id, again.id);
    assert_eq!(
        code(send(bound.order(&bed, &second, &names)).await),
        "idempotency_conflict"
    );
    bound.fetch(&bed, &placed).await.unwrap();
    assert_eq!(code(bound.fetch(&bed, &again).await), "already_retrieved");
    // The same names at once, for another recipient: no duplicate, but a key of its own.
    let anew = bound
        .place(&bed, bound.order(&bed, &second, &names))
        .await
        .unwrap();
    assert_ne!(anew.id, placed.id);
    let certificate = certificate_of(&bed, &bound, &anew).await;
    assert_ne!(
        certificate.fingerprint_sha256(),
        placed.certificate.unwrap().fingerprint
    );
    opens(
        &second,
        &bound.fetch(&bed, &anew).await.unwrap(),
        &anew,
        &certificate,
    );
}

#[tokio::test]
async fn a_key_waits_for_a_day_and_goes_with_the_acknowledgement() {
    let bed = Bed::ready().await;
    let host = Host::on(&bed, "web01", allowing()).await;
    let bound = Bound::to(&bed, &host).await;
    let recipient = recipient();
    let placed = bound
        .place(&bed, bound.order(&bed, &recipient, &["dns:a.example.com"]))
        .await
        .unwrap();
    let acknowledged = bound
        .place(&bed, bound.order(&bed, &recipient, &["dns:b.example.com"]))
        .await
        .unwrap();
    let fingerprint = acknowledged.certificate.clone().unwrap().fingerprint;
    bed.authority
        .acknowledge_courier_order(bound.session(), acknowledged.id, fingerprint, json!({}))
        .await
        .unwrap();
    assert_eq!(code(bound.fetch(&bed, &acknowledged).await), "key_expired");
    bed.advance(SignedDuration::from_hours(24));
    let later = Bound::to(&bed, &host).await;
    assert_eq!(code(later.fetch(&bed, &placed).await), "key_expired");
    bed.authority.settle_courier_orders().await.unwrap();
    assert_eq!(code(later.fetch(&bed, &placed).await), "key_expired");
    bed.advance(SignedDuration::from_hours(7 * 24));
    bed.authority.settle_courier_orders().await.unwrap();
    let last = Bound::to(&bed, &host).await;
    assert_eq!(code(last.fetch(&bed, &placed).await), "order_expired");
}

#[tokio::test]
async fn what_holds_an_order_back_holds_these_back() {
    let bed = Bed::ready().await;
    let limited = CourierRecord {
        quotas: Quotas {
            certificates_per_day: Some(1),
            key_algorithms: ["ec-256".to_owned()].into(),
            ..Quotas::default()
        },
        ..allowing()
    };
    let host = Host::on(&bed, "web01", limited).await;
    let bound = Bound::to(&bed, &host).await;
    let recipient = recipient();
    let refused = async |names: &[&str], change: &dyn Fn(&mut PlatformOrder)| {
        let request = changed(&bound.order(&bed, &recipient, names), change);
        bound.place(&bed, request).await.unwrap_err()
    };
    let same = |_: &mut PlatformOrder| {};
    let missing = refused(&["dns:a.example.org"], &same).await;
    assert_eq!(missing.code(), "domain_not_registered");
    assert!(missing.order_id().is_some(), "a refusal can be explained");
    assert_eq!(
        refused(&["dns:a.b.example.com"], &same).await.code(),
        "domain_not_allowed"
    );
    let other_kind = |one: &mut PlatformOrder| one.algorithm = "rsa-2048".to_owned();
    assert_eq!(
        refused(&["dns:a.example.com"], &other_kind).await.code(),
        "key_algorithm_not_allowed"
    );
    let other_name = |one: &mut PlatformOrder| one.common_name = Some("b.example.com".to_owned());
    assert_eq!(
        refused(&["dns:a.example.com"], &other_name).await.code(),
        "common_name_not_in_names"
    );
    assert_eq!(refused(&[], &same).await.code(), "san_required");
    let policy: Policy = serde_json::from_value(json!({
        "name": "rsa", "rules": [{ "action": "enforce_algorithm", "fail": "hard", "values": { "algorithm": "rsa" } }],
        "matching_criteria": { "action": "certificate.generate", "domains": ["*.example.com"] },
    }))
    .unwrap();
    let policy = bed.authority.create_policy(&admin(), policy).await.unwrap();
    assert_eq!(
        refused(&["dns:a.example.com"], &same).await.code(),
        "policy_denied"
    );
    bed.authority.delete_policy(&admin(), policy.id).await.unwrap();
    let request = bound.order(&bed, &recipient, &["dns:a.example.com"]);
    bound.place(&bed, request).await.unwrap();
    assert_eq!(
        refused(&["dns:b.example.com"], &same).await.code(),
        "quota_exceeded"
    );
}

#[tokio::test]
async fn a_key_is_made_when_its_order_is_approved_and_a_renewal_has_a_new_one() {
    let bed = Bed::ready().await;
    let waiting = CourierRecord {
        needs_approval: true,
        ..allowing()
    };
    let host = Host::on(&bed, "web01", waiting).await;
    let bound = Bound::to(&bed, &host).await;
    let recipient = recipient();
    let names = ["dns:a.example.com"];
    let approve = async |request| {
        let placed = bound.place(&bed, request).await.unwrap();
        assert_eq!(placed.status, CourierOrderStatus::PendingApproval);
        assert_eq!(code(bound.fetch(&bed, &placed).await), "order_has_no_certificate");
        bed.authority
            .decide_courier_order(&principal("o", Role::Operator), placed.id, true, None)
            .await
            .unwrap()
    };
    let first = approve(bound.order(&bed, &recipient, &names)).await;
    let before = certificate_of(&bed, &bound, &first).await;
    opens(
        &recipient,
        &bound.fetch(&bed, &first).await.unwrap(),
        &first,
        &before,
    );
    let fingerprint = before
        .fingerprint_sha256()
        .iter()
        .fold(String::new(), |text, octet| format!("{text}{octet:02x}"));
    let renewal = CourierOrderRequest {
        kind: OrderKind::Renew,
        replaces: Some(fingerprint),
        ..bound.order(&bed, &recipient, &names)
    };
    let second = approve(renewal).await;
    let after = certificate_of(&bed, &bound, &second).await;
    assert_ne!(before.public_key().spki_der(), after.public_key().spki_der());
    opens(
        &recipient,
        &bound.fetch(&bed, &second).await.unwrap(),
        &second,
        &after,
    );
}

#[tokio::test]
async fn a_name_is_certified_as_it_was_looked_at() {
    let bed = Bed::ready().await;
    let host = Host::on(&bed, "web01", allowing()).await;
    let bound = Bound::to(&bed, &host).await;
    let recipient = recipient();
    let request = bound.order(&bed, &recipient, &["dns:A.Example.COM."]);
    let order = bound.place(&bed, request).await.unwrap();
    let certificate = certificate_of(&bed, &bound, &order).await;
    let names = certificate.subject_alt_names().unwrap();
    assert_eq!(names, [pki::SubjectAltName::dns("a.example.com").unwrap()]);
    assert_eq!(order.names, ["dns:a.example.com"]);
    let dotted = changed(
        &bound.order(&bed, &recipient, &["dns:a.example.com"]),
        |platform| {
            platform.common_name = Some("a.example.com.".to_owned());
        },
    );
    assert_eq!(
        bound.place(&bed, dotted).await.unwrap_err().code(),
        "validation_error"
    );
}
