//! Orders of couriers that meet something: other orders at the same time, a decision of an operator, the end of a certificate or a CA.

use ca::courier::{CourierOrderStatus, CourierRecord, Quotas};
use ca::{CertRef, RevokeRequest, Role};
use futures_util::future::join_all;
use pki::crl::RevocationReason;

use crate::bed::{Bed, admin, principal};
use crate::courier_host::{Host, code, order, order_of, record};
use crate::request::Holder;

#[tokio::test]
async fn a_quota_holds_for_orders_that_come_at_the_same_time() {
    let bed = Bed::ready().await;
    let quotas = Quotas {
        certificates_per_day: Some(2),
        ..Quotas::default()
    };
    let host = Host::on(&bed, "web01", CourierRecord { quotas, ..record() }).await;
    let session = host.session(&bed).await;
    let orders = (0..12).map(|number| {
        let request = order(&[&format!("dns:n{number}.example.com")]);
        bed.authority.place_courier_order(&session, request, None)
    });
    let outcomes = join_all(orders).await;
    let issued = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(issued, 2, "{outcomes:?}");
    for refused in outcomes.into_iter().filter_map(Result::err) {
        assert_eq!(refused.code(), "quota_exceeded", "{refused}");
    }
}

#[tokio::test]
async fn nothing_is_approved_for_a_courier_that_was_disabled_meanwhile() {
    let bed = Bed::ready().await;
    let waits = CourierRecord {
        needs_approval: true,
        ..record()
    };
    let host = Host::on(&bed, "web01", waits).await;
    let session = host.session(&bed).await;
    let request = order(&["dns:a.example.com"]);
    let placed = bed.authority.place_courier_order(&session, request, None).await;
    let id = placed.unwrap().id;
    let operator = principal("o", Role::Operator);
    let enable = async |is_enabled| {
        let who = admin();
        let changed = bed.authority.enable_courier(&who, host.courier.id, is_enabled);
        changed.await.unwrap();
    };
    enable(false).await;
    let approve = async || {
        bed.authority
            .decide_courier_order(&operator, id, true, None)
            .await
    };
    assert_eq!(code(approve().await), "courier_disabled");
    let order = bed.authority.courier_order(&admin(), id).await.unwrap();
    assert_eq!(order.status, CourierOrderStatus::PendingApproval);
    enable(true).await;
    assert_eq!(approve().await.unwrap().status, CourierOrderStatus::Issued);
}

#[tokio::test]
async fn only_the_same_order_is_found_again() {
    let bed = Bed::ready().await;
    let two = CourierRecord {
        profiles: vec!["tls-server".to_owned(), "tls-client".to_owned()],
        ..record()
    };
    let host = Host::on(&bed, "web01", two).await;
    let session = host.session(&bed).await;
    let request = order_of(&Holder::new(), "", &["dns:a.example.com"]);
    let place = async |request: &ca::courier::CourierOrderRequest| {
        let placed = bed.authority.place_courier_order(&session, request.clone(), None);
        placed.await.unwrap()
    };
    let first = place(&request).await;
    assert_eq!(place(&request).await.id, first.id);
    let mut other = request.clone();
    other.profile = Some("tls-client".to_owned());
    assert_ne!(place(&other).await.id, first.id, "another profile");
    let mut shorter = request.clone();
    shorter.validity_days = Some(3);
    assert_ne!(place(&shorter).await.id, first.id, "another time");
    let request = order_of(&Holder::new(), "", &["dns:b.example.com"]);
    let second = place(&request).await;
    let revocation = RevokeRequest {
        certificate: CertRef::Id(second.certificate.as_ref().unwrap().id),
        reason: RevocationReason::Superseded,
        invalidity_date: None,
    };
    bed.authority.revoke(&admin(), revocation).await.unwrap();
    assert_ne!(
        place(&request).await.id,
        second.id,
        "nobody wants what is revoked"
    );
}

#[tokio::test]
async fn a_certificate_is_renewed_at_once_when_its_ca_is_revoked() {
    let bed = Bed::ready().await;
    let host = Host::on(&bed, "web01", record()).await;
    let session = host.session(&bed).await;
    let request = order(&["dns:a.example.com"]);
    let placed = bed.authority.place_courier_order(&session, request, None).await;
    let print = placed.unwrap().certificate.unwrap().fingerprint;
    let window = async || {
        let window = bed.authority.courier_renewal_window(&session, print).await;
        window.unwrap()
    };
    let now = bed.clock.now();
    let before = window().await;
    assert!(before.start > now && before.explanation.is_none());
    let own = bed.authority.issuer("issuing").unwrap();
    let revocation = RevokeRequest {
        certificate: CertRef::Serial(own.certificate.as_ref().unwrap().serial()),
        reason: RevocationReason::CaCompromise,
        invalidity_date: None,
    };
    bed.authority.revoke(&admin(), revocation).await.unwrap();
    let after = window().await;
    assert!(after.start < now && after.end <= now);
    assert!(after.explanation.unwrap().contains("a CA above it is revoked"));
    // What it hands out as good are the others.
    let trusted = bed.authority.trusted_issuers();
    assert!(!trusted.is_empty() && trusted.iter().all(|issuer| issuer.id != own.id));
}
