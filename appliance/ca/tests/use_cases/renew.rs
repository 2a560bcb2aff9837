//! Renewing.

use std::time::Duration;

use ca::{CertRef, IssueRequest, RenewRequest, RevokeRequest, Role};
use jiff::SignedDuration;
use pki::crl::RevocationReason;

use crate::bed::{Bed, admin, certificate, principal, server_request};
use crate::request::{Holder, csr};

fn renewal(id: uuid::Uuid) -> RenewRequest {
    RenewRequest {
        certificate: CertRef::Id(id),
        csr: None,
        validity: None,
    }
}

#[tokio::test]
async fn the_same_key_names_owner_and_length() {
    let bed = Bed::ready().await;
    let order = IssueRequest {
        validity: Some(Duration::from_hours(72)),
        ..server_request("host.example")
    };
    let first = bed
        .authority
        .issue(&principal("anna", Role::Requester), order)
        .await
        .unwrap();
    bed.advance(SignedDuration::from_hours(48));
    let second = bed
        .authority
        .renew(&principal("op", Role::Operator), renewal(first.id))
        .await
        .unwrap();
    let (old, new) = (certificate(&first), certificate(&second));
    assert_eq!(old.public_key(), new.public_key());
    assert_eq!(old.subject_alt_names().unwrap(), new.subject_alt_names().unwrap());
    assert_ne!(old.serial(), new.serial());
    assert_eq!(new.not_after(), bed.clock.now() + SignedDuration::from_hours(72));
    let entry = bed
        .authority
        .certificate(&admin(), CertRef::Id(second.id))
        .await
        .unwrap();
    assert_eq!(
        (entry.requester.as_str(), entry.replaces),
        ("anna", Some(first.id))
    );
}

#[tokio::test]
async fn a_new_key_and_no_new_names() {
    let bed = Bed::ready().await;
    let first = bed.server("host.example").await;
    let holder = Holder::new();
    let with = |names: &[&str]| RenewRequest {
        csr: Some(csr(&holder, "", names)),
        ..renewal(first.id)
    };
    let second = bed
        .authority
        .renew(&admin(), with(&["dns:host.example"]))
        .await
        .unwrap();
    assert_eq!(certificate(&second).public_key(), &holder.public_key());
    let error = bed
        .authority
        .renew(&admin(), with(&["dns:other.example"]))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "name_not_in_order");
    let told = bed
        .authority
        .explain(&admin(), error.order_id().unwrap())
        .await
        .unwrap();
    assert_eq!(told.code.as_deref(), Some("name_not_in_order"));
}

#[tokio::test]
async fn not_the_revoked_and_not_somebody_elses() {
    let bed = Bed::ready().await;
    let (anna, bert) = (
        principal("anna", Role::Requester),
        principal("bert", Role::Requester),
    );
    let first = bed
        .authority
        .issue(&anna, server_request("host.example"))
        .await
        .unwrap();
    assert_eq!(
        bed.authority
            .renew(&bert, renewal(first.id))
            .await
            .unwrap_err()
            .code(),
        "not_found"
    );
    let request = RevokeRequest {
        certificate: CertRef::Id(first.id),
        reason: RevocationReason::KeyCompromise,
        invalidity_date: None,
    };
    bed.authority.revoke(&anna, request).await.unwrap();
    assert_eq!(
        bed.authority
            .renew(&anna, renewal(first.id))
            .await
            .unwrap_err()
            .code(),
        "certificate_revoked"
    );
}
