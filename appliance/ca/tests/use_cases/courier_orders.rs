//! Orders of couriers, from the request to the acknowledgement, and everything that holds one back.

#![allow(
    clippy::too_many_lines,
    reason = "each of these follows one courier from one state to the next"
)]

use ca::Role;
use ca::courier::{
    CertificateState, CourierOrderRequest, CourierOrderStatus, CourierRecord, CourierSession, OrderFilter,
    OrderKind, Quotas, Settled,
};
use jiff::SignedDuration;
use pki::crl::RevocationReason;
use pki::policy::Policy;
use pki::{Certificate, SubjectAltName};
use serde_json::json;

use crate::bed::{Bed, admin, principal};
use crate::courier_host::{Host, code, order, order_of, record};
use crate::request::Holder;

async fn place(
    bed: &Bed,
    session: &CourierSession,
    request: CourierOrderRequest,
) -> Result<ca::courier::CourierOrder, ca::Error> {
    bed.authority.place_courier_order(session, request, None).await
}

fn policy(action: &str, rule: &serde_json::Value) -> Policy {
    serde_json::from_value(json!({
        "name": format!("{action} {}", rule["action"]), "rules": [rule],
        "matching_criteria": { "action": action, "domains": ["*.example.com"] },
    }))
    .unwrap()
}

#[tokio::test]
async fn an_order_goes_from_the_request_to_the_acknowledgement() {
    let bed = Bed::ready().await;
    let host = Host::on(&bed, "web01", record()).await;
    let session = host.session(&bed).await;
    let preflight = bed
        .authority
        .preflight_courier_order(&session, &order(&["dns:a.example.com"]))
        .await
        .unwrap();
    assert_eq!(
        (preflight.names.as_slice(), preflight.profile.as_str()),
        (["dns:a.example.com".to_owned()].as_slice(), "tls-server")
    );
    assert!(
        bed.authority
            .own_courier_orders(&session, OrderFilter::default())
            .await
            .unwrap()
            .is_empty()
    );
    let placed = place(&bed, &session, order(&["dns:a.example.com", "ip:10.1.2.3"]))
        .await
        .unwrap();
    assert_eq!(placed.status, CourierOrderStatus::Issued);
    let certificate = placed.certificate.clone().unwrap();
    let fetched = bed
        .authority
        .fetch_courier_certificate(&session, placed.id)
        .await
        .unwrap();
    assert_eq!(fetched.order.status, CourierOrderStatus::Delivered);
    let leaf = Certificate::from_der(&fetched.chain[0]).unwrap();
    assert_eq!(leaf.fingerprint_sha256(), certificate.fingerprint);
    assert_eq!(
        leaf.subject_alt_names().unwrap()[0],
        SubjectAltName::dns("a.example.com").unwrap()
    );
    assert_eq!(fetched.chain.len(), 2, "the leaf and the issuing CA, no root");
    let entry = bed
        .authority
        .certificate(&admin(), ca::CertRef::Id(certificate.id))
        .await
        .unwrap();
    assert_eq!(entry.requester, "courier:web01");
    let wrong = bed
        .authority
        .acknowledge_courier_order(&session, placed.id, [0; 32], json!({}))
        .await;
    assert_eq!(code(wrong), "fingerprint_mismatch");
    assert_eq!(
        bed.authority
            .uninstalled_orders(&admin(), 10)
            .await
            .unwrap()
            .len(),
        0
    );
    bed.advance(SignedDuration::from_mins(61));
    assert_eq!(
        bed.authority
            .uninstalled_orders(&admin(), 10)
            .await
            .unwrap()
            .len(),
        1
    );
    let ack = json!({ "files": [] });
    let installed = bed
        .authority
        .acknowledge_courier_order(&session, placed.id, certificate.fingerprint, ack)
        .await
        .unwrap();
    assert_eq!(installed.status, CourierOrderStatus::Installed);
    assert_eq!(
        bed.authority
            .uninstalled_orders(&admin(), 10)
            .await
            .unwrap()
            .len(),
        0
    );
    let all = bed
        .authority
        .courier_orders(&admin(), OrderFilter::default())
        .await
        .unwrap();
    assert_eq!((all.len(), all[0].courier_name.as_str()), (1, "web01"));
}

#[tokio::test]
async fn an_order_is_placed_once_however_often_it_is_sent() {
    let bed = Bed::ready().await;
    let host = Host::on(&bed, "web01", record()).await;
    let session = host.session(&bed).await;
    let request = order(&["dns:a.example.com"]);
    let send = |request: &CourierOrderRequest| {
        bed.authority
            .place_courier_order(&session, request.clone(), Some("key-1".to_owned()))
    };
    let (one, other) = tokio::join!(send(&request), send(&request));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.id, other.id);
    assert_eq!(send(&request).await.unwrap().id, one.id);
    assert_eq!(
        code(send(&order(&["dns:b.example.com"])).await),
        "idempotency_conflict"
    );
    // The same key and names under another idempotency key, soon after: the order that is there.
    assert_eq!(place(&bed, &session, request.clone()).await.unwrap().id, one.id);
    bed.advance(SignedDuration::from_mins(11));
    assert_ne!(place(&bed, &session, request).await.unwrap().id, one.id);
}

#[tokio::test]
async fn what_belongs_to_others_does_not_exist() {
    let bed = Bed::ready().await;
    let (own, other) = (
        Host::on(&bed, "web01", record()).await,
        Host::on(&bed, "web02", record()).await,
    );
    let (own, other) = (own.session(&bed).await, other.session(&bed).await);
    let placed = place(&bed, &own, order(&["dns:a.example.com"])).await.unwrap();
    let fingerprint = placed.certificate.clone().unwrap().fingerprint;
    assert_eq!(
        code(bed.authority.own_courier_order(&other, placed.id).await),
        "not_found"
    );
    assert_eq!(
        code(bed.authority.fetch_courier_certificate(&other, placed.id).await),
        "not_found"
    );
    assert_eq!(
        code(bed.authority.cancel_courier_order(&other, placed.id).await),
        "not_found"
    );
    let ack = bed
        .authority
        .acknowledge_courier_order(&other, placed.id, fingerprint, json!({}))
        .await;
    assert_eq!(code(ack), "not_found");
    let standing = bed
        .authority
        .courier_certificates(&other, vec![fingerprint])
        .await
        .unwrap();
    assert_eq!(standing[0].state, CertificateState::Unknown);
    assert_eq!(
        code(bed.authority.courier_renewal_window(&other, fingerprint).await),
        "not_found"
    );
    let renewal = CourierOrderRequest {
        kind: OrderKind::Renew,
        replaces: Some(hex(&fingerprint)),
        ..order(&["dns:a.example.com"])
    };
    assert_eq!(code(place(&bed, &other, renewal).await), "not_found");
}

fn hex(octets: &[u8]) -> String {
    octets
        .iter()
        .fold(String::new(), |text, octet| format!("{text}{octet:02x}"))
}

#[tokio::test]
async fn names_have_to_be_registered_allowed_and_repeated() {
    let bed = Bed::ready().await;
    let wide = CourierRecord {
        allowed_names: serde_json::from_value(json!(["**.example.com", "*.example.org", "example.net"]))
            .unwrap(),
        profiles: vec!["tls-server".to_owned(), "tls-client".to_owned()],
        ..record()
    };
    let host = Host::on(&bed, "web01", wide).await;
    let session = host.session(&bed).await;
    let refused = async |subject: &str, names: &[&str]| {
        place(&bed, &session, order_of(&Holder::new(), subject, names))
            .await
            .unwrap_err()
    };
    let missing = refused("", &["dns:a.example.com", "dns:a.example.org", "dns:example.net"]).await;
    assert_eq!(
        (missing.code(), missing.details().as_array().unwrap().len()),
        ("domain_not_registered", 2)
    );
    assert!(missing.order_id().is_some(), "a refusal can be explained");
    let register = async |apex| bed.authority.register_domain(&admin(), apex, false).await;
    register("Example.ORG.").await.unwrap();
    assert_eq!(code(register("example.org").await), "domain_exists");
    for apex in ["com", "*.example.com", "10.0.0.1", "", "co.uk"] {
        assert_eq!(code(register(apex).await), "domain_invalid", "{apex}");
    }
    assert!(place(&bed, &session, order(&["dns:a.example.org"])).await.is_ok());
    bed.authority
        .enable_domain(&admin(), "example.org", false)
        .await
        .unwrap();
    assert_eq!(
        refused("", &["dns:a.example.org"]).await.code(),
        "domain_disabled"
    );
    bed.authority
        .remove_domain(&admin(), "example.org")
        .await
        .unwrap();
    assert_eq!(
        refused("", &["dns:a.example.org"]).await.code(),
        "domain_not_registered"
    );
    let outside = refused("", &["dns:a.example.com", "dns:example.com", "dns:*.example.com"]).await;
    assert_eq!(
        (outside.code(), outside.details().as_array().unwrap().len()),
        ("domain_not_allowed", 2),
        "{outside}"
    );
    assert_eq!(refused("", &["ip:10.0.0.1"]).await.code(), "domain_not_allowed");
    assert_eq!(
        refused("CN=b.example.com", &["dns:a.example.com"]).await.code(),
        "common_name_not_in_names"
    );
    assert_eq!(refused("CN=a.example.com", &[]).await.code(), "san_required");
    // Also where a profile asks nothing of common names, and whichever of several is the other one.
    for subject in [
        "CN=admin,CN=a.example.com",
        "CN=a.example.com,CN=admin",
        "CN=admin",
    ] {
        let mut request = order_of(&Holder::new(), subject, &["dns:a.example.com"]);
        request.profile = Some("tls-client".to_owned());
        let refused = place(&bed, &session, request).await.unwrap_err();
        assert_eq!(refused.code(), "validation_error", "{subject}: {refused}");
    }
    assert!(
        place(
            &bed,
            &session,
            order_of(&Holder::new(), "CN=A.example.com", &["dns:a.example.com"])
        )
        .await
        .is_ok()
    );
}

#[tokio::test]
async fn policies_refuse_remark_and_fill() {
    let bed = Bed::ready().await;
    let host = Host::on(&bed, "web01", record()).await;
    let session = host.session(&bed).await;
    let rule = |action: &str, fail: &str, values: serde_json::Value| json!({ "action": action, "fail": fail, "values": values });
    let short = policy(
        "certificate.generate",
        &rule("enforce_max_validity", "hard", json!({ "max_days": "10" })),
    );
    let entry = bed
        .authority
        .create_policy(&admin(), short.clone())
        .await
        .unwrap();
    assert_eq!(
        code(bed.authority.create_policy(&admin(), short).await),
        "policy_exists"
    );
    let asks = |days| CourierOrderRequest {
        validity_days: Some(days),
        ..order(&["dns:a.example.com"])
    };
    let refused = place(&bed, &session, asks(11)).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.details()[0]["rule"].as_str()),
        ("policy_denied", Some("enforce_max_validity"))
    );
    assert!(place(&bed, &session, asks(10)).await.is_ok());
    bed.authority
        .enable_policy(&admin(), entry.id, false)
        .await
        .unwrap();
    assert!(place(&bed, &session, asks(11)).await.is_ok());
    let soft = policy(
        "certificate.generate",
        &rule("enforce_algorithm", "soft", json!({ "algorithm": "rsa" })),
    );
    bed.authority.create_policy(&admin(), soft).await.unwrap();
    let fill = policy(
        "certificate.generate",
        &rule("enforce_values", "hard", json!({ "organization": "Example AG" })),
    );
    bed.authority.create_policy(&admin(), fill).await.unwrap();
    let placed = place(&bed, &session, order(&["dns:b.example.com"]))
        .await
        .unwrap();
    assert_eq!(
        (placed.warnings.len(), placed.warnings[0].rule.as_str()),
        (1, "enforce_algorithm")
    );
    let operator = principal("op", Role::Operator);
    assert_eq!(bed.authority.policies(&operator).await.unwrap().len(), 3);
    assert_eq!(
        code(bed.authority.delete_policy(&operator, entry.id).await),
        "role_insufficient"
    );
    bed.authority.delete_policy(&admin(), entry.id).await.unwrap();
    assert_eq!(code(bed.authority.policy(&admin(), entry.id).await), "not_found");
}

#[tokio::test]
async fn the_record_limits_profiles_keys_days_and_how_many() {
    let bed = Bed::ready().await;
    let limited = CourierRecord {
        quotas: Quotas {
            certificates_per_day: Some(2),
            max_validity_days: Some(20),
            key_algorithms: ["ec-256".to_owned()].into(),
        },
        ..record()
    };
    let host = Host::on(&bed, "web01", limited).await;
    let session = host.session(&bed).await;
    let other_profile = CourierOrderRequest {
        profile: Some("tls-client".to_owned()),
        ..order(&["dns:a.example.com"])
    };
    assert_eq!(
        code(place(&bed, &session, other_profile).await),
        "profile_not_allowed"
    );
    let long = CourierOrderRequest {
        validity_days: Some(21),
        ..order(&["dns:a.example.com"])
    };
    assert_eq!(code(place(&bed, &session, long).await), "validation_error");
    let placed = place(&bed, &session, order(&["dns:a.example.com"]))
        .await
        .unwrap();
    let certificate = placed.certificate.unwrap();
    assert!(certificate.not_after.duration_since(bed.clock.now()) <= SignedDuration::from_hours(20 * 24));
    place(&bed, &session, order(&["dns:b.example.com"]))
        .await
        .unwrap();
    assert_eq!(
        code(place(&bed, &session, order(&["dns:c.example.com"])).await),
        "quota_exceeded"
    );
    bed.advance(SignedDuration::from_hours(25));
    let session = host.session(&bed).await;
    place(&bed, &session, order(&["dns:c.example.com"]))
        .await
        .unwrap();
    let strict = Host::on(
        &bed,
        "web02",
        CourierRecord {
            quotas: Quotas {
                key_algorithms: ["rsa-3072".to_owned()].into(),
                ..Quotas::default()
            },
            ..record()
        },
    )
    .await;
    let session = strict.session(&bed).await;
    assert_eq!(
        code(place(&bed, &session, order(&["dns:a.example.com"])).await),
        "key_algorithm_not_allowed"
    );
    let nothing = Host::on(
        &bed,
        "web03",
        CourierRecord {
            profiles: Vec::new(),
            ..record()
        },
    )
    .await;
    let session = nothing.session(&bed).await;
    assert_eq!(
        code(place(&bed, &session, order(&["dns:a.example.com"])).await),
        "profile_not_allowed"
    );
}

#[tokio::test]
async fn a_renewal_takes_the_place_of_its_own_and_windows_tell_when() {
    let bed = Bed::ready().await;
    let host = Host::on(
        &bed,
        "web01",
        CourierRecord {
            may_revoke: true,
            ..record()
        },
    )
    .await;
    let session = host.session(&bed).await;
    let first = place(&bed, &session, order(&["dns:a.example.com"]))
        .await
        .unwrap()
        .certificate
        .unwrap();
    let window = bed
        .authority
        .courier_renewal_window(&session, first.fingerprint)
        .await
        .unwrap();
    assert!(first.not_before < window.start && window.start < window.end && window.end < first.not_after);
    let third = first.not_after.duration_since(first.not_before).as_secs() / 3;
    assert_eq!(first.not_after.duration_since(window.start).as_secs(), third);
    let renewal = |replaces: Option<String>| CourierOrderRequest {
        kind: OrderKind::Renew,
        replaces,
        ..order(&["dns:a.example.com"])
    };
    assert_eq!(
        code(place(&bed, &session, renewal(None)).await),
        "validation_error"
    );
    assert_eq!(
        code(place(&bed, &session, renewal(Some("zz".to_owned()))).await),
        "validation_error"
    );
    let late = policy(
        "certificate.renew",
        &json!({ "action": "enforce_renewal_window", "fail": "hard", "values": { "days_before_expiry": 30 } }),
    );
    let late = bed.authority.create_policy(&admin(), late).await.unwrap();
    assert_eq!(
        code(place(&bed, &session, renewal(Some(hex(&first.fingerprint)))).await),
        "policy_denied"
    );
    bed.authority.delete_policy(&admin(), late.id).await.unwrap();
    let second = place(&bed, &session, renewal(Some(hex(&first.fingerprint))))
        .await
        .unwrap();
    let second = second.certificate.unwrap();
    let entry = bed
        .authority
        .certificate(&admin(), ca::CertRef::Id(second.id))
        .await
        .unwrap();
    assert_eq!(entry.replaces, Some(first.id));
    let states = async |session: &CourierSession| {
        let asked = vec![first.fingerprint, second.fingerprint];
        let all = bed.authority.courier_certificates(session, asked).await.unwrap();
        all.iter().map(|one| one.state.name()).collect::<Vec<_>>()
    };
    assert_eq!(states(&session).await, ["superseded", "active"]);
    bed.authority
        .revoke_courier_certificate(&session, first.fingerprint, RevocationReason::Superseded)
        .await
        .unwrap();
    assert_eq!(states(&session).await, ["revoked", "active"]);
    let now = bed
        .authority
        .courier_renewal_window(&session, first.fingerprint)
        .await
        .unwrap();
    assert!(now.end <= bed.clock.now() && now.explanation.is_some());
    assert_eq!(
        code(place(&bed, &session, renewal(Some(hex(&first.fingerprint)))).await),
        "certificate_revoked"
    );
    let other = Host::on(&bed, "web02", record()).await.session(&bed).await;
    let theirs = place(&bed, &other, order(&["dns:b.example.com"]))
        .await
        .unwrap()
        .certificate
        .unwrap();
    let refused = bed
        .authority
        .revoke_courier_certificate(&other, theirs.fingerprint, RevocationReason::Superseded)
        .await;
    assert_eq!(code(refused), "revocation_not_allowed");
}

#[tokio::test]
async fn orders_that_need_it_wait_for_approval() {
    let bed = Bed::ready().await;
    let host = Host::on(
        &bed,
        "web01",
        CourierRecord {
            needs_approval: true,
            ..record()
        },
    )
    .await;
    let session = host.session(&bed).await;
    let mut waiting = Vec::new();
    for name in ["dns:a.example.com", "dns:b.example.com", "dns:c.example.com"] {
        waiting.push(place(&bed, &session, order(&[name])).await.unwrap());
    }
    assert!(
        waiting
            .iter()
            .all(|order| order.status == CourierOrderStatus::PendingApproval && order.certificate.is_none())
    );
    assert_eq!(
        code(
            bed.authority
                .fetch_courier_certificate(&session, waiting[0].id)
                .await
        ),
        "order_has_no_certificate"
    );
    let (auditor, operator) = (principal("a", Role::Auditor), principal("o", Role::Operator));
    let decide = |who, order: usize, is_approved| {
        bed.authority
            .decide_courier_order(who, waiting[order].id, is_approved, None)
    };
    assert_eq!(code(decide(&auditor, 0, true).await), "role_insufficient");
    let approved = decide(&operator, 0, true).await.unwrap();
    assert_eq!(approved.status, CourierOrderStatus::Issued);
    assert_eq!(code(decide(&operator, 0, true).await), "order_not_waiting");
    let rejected = decide(&operator, 1, false).await.unwrap();
    assert_eq!(
        (rejected.status, rejected.fault.unwrap().code.as_str()),
        (CourierOrderStatus::Rejected, "approval_refused")
    );
    let cancelled = bed
        .authority
        .cancel_courier_order(&session, waiting[2].id)
        .await
        .unwrap();
    assert_eq!(cancelled.status, CourierOrderStatus::Cancelled);
    assert_eq!(
        code(bed.authority.cancel_courier_order(&session, waiting[0].id).await),
        "order_not_cancellable"
    );
}

#[tokio::test]
async fn what_nobody_comes_for_ends() {
    let bed = Bed::ready().await;
    let host = Host::on(&bed, "web01", record()).await;
    let session = host.session(&bed).await;
    let placed = place(&bed, &session, order(&["dns:a.example.com"]))
        .await
        .unwrap();
    assert_eq!(
        bed.authority.settle_courier_orders().await.unwrap(),
        Settled::default()
    );
    bed.advance(SignedDuration::from_hours(8 * 24));
    let settled = bed.authority.settle_courier_orders().await.unwrap();
    assert_eq!(settled.expired, 1);
    assert!(settled.removed >= 1, "its session");
    let session = host.session(&bed).await;
    assert_eq!(
        code(bed.authority.fetch_courier_certificate(&session, placed.id).await),
        "order_expired"
    );
    let order = bed
        .authority
        .own_courier_order(&session, placed.id)
        .await
        .unwrap();
    assert_eq!(order.status, CourierOrderStatus::Expired);
}
