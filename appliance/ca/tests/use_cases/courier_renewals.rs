//! Certificates that a courier got by its own orders, as its way in: only where the credential says so, and only while they are good.

use ca::courier::{Binding, Courier, CourierOrder, CourierRecord, CourierSession, SecretRequest, Shown};
use ca::{CertRef, IssueRequest, RevokeRequest};
use jiff::SignedDuration;
use pki::crl::RevocationReason;
use serde_json::json;

use crate::bed::{BASE_URL, Bed, admin};
use crate::courier_credentials::challenge;
use crate::courier_host::{Host, order_of, record};
use crate::request::{Holder, csr};

/// A record whose certificates may be for clients.
fn client_record() -> CourierRecord {
    CourierRecord {
        profiles: vec!["tls-client".to_owned(), "tls-server".to_owned()],
        ..record()
    }
}

async fn let_in(bed: &Bed, courier: &Courier, binding: serde_json::Value) {
    let binding: Binding = serde_json::from_value(binding).unwrap();
    bed.authority
        .add_credential(&admin(), courier.id, binding, None)
        .await
        .unwrap();
}

/// What an order of the courier for this key brings.
async fn ordered(
    bed: &Bed,
    session: &CourierSession,
    holder: &Holder,
    profile: &str,
) -> (CourierOrder, Vec<u8>) {
    let mut request = order_of(holder, "", &["dns:web01.example.com"]);
    request.profile = Some(profile.to_owned());
    let placed = bed.authority.place_courier_order(session, request, None).await;
    let placed = placed.unwrap();
    let fetched = bed
        .authority
        .fetch_courier_certificate(session, placed.id)
        .await
        .unwrap();
    (placed, fetched.chain[0].clone())
}

/// What the courier shows with a certificate and its key.
async fn shown(bed: &Bed, host: &Host, holder: &Holder, der: &[u8]) -> Shown {
    let nonce = bed.authority.courier_challenge().await.unwrap().nonce;
    let claims = json!({ "nonce": nonce, "uuid": host.courier.id, "aud": BASE_URL, "method": "certificate",
        "iat": bed.clock.now().as_second() });
    Shown::Certificate(challenge(holder, &[der.to_vec()], &claims))
}

async fn is_in(bed: &Bed, host: &Host, holder: &Holder, der: &[u8]) -> bool {
    let shown = host.authentication(shown(bed, host, holder, der).await);
    match bed.authority.authenticate_courier(shown).await {
        Ok(opened) => opened.session.courier.id == host.courier.id,
        Err(error) => {
            assert_eq!(error.code(), "invalid_credentials");
            false
        }
    }
}

async fn revoke(bed: &Bed, order: &CourierOrder, reason: RevocationReason) {
    let request = RevokeRequest {
        certificate: CertRef::Id(order.certificate.as_ref().unwrap().id),
        reason,
        invalidity_date: None,
    };
    bed.authority.revoke(&admin(), request).await.unwrap();
}

#[tokio::test]
async fn what_a_courier_ordered_lets_it_in_where_the_credential_says_so() {
    let bed = Bed::ready().await;
    let host = Host::on(&bed, "web01", client_record()).await;
    let session = host.session(&bed).await;
    let holder = Holder::new();
    let (_, own) = ordered(&bed, &session, &holder, "tls-client").await;
    // A credential for another name of the same CA, which does not say so.
    let other_name =
        json!({ "method": "certificate", "issuer": "issuing", "names": ["dns:boot.example.com"] });
    let_in(&bed, &host.courier, other_name).await;
    assert!(!is_in(&bed, &host, &holder, &own).await, "nothing says so");
    let_in(
        &bed,
        &host.courier,
        json!({ "method": "certificate", "renewals": true }),
    )
    .await;
    assert!(is_in(&bed, &host, &holder, &own).await);
    assert!(!is_in(&bed, &host, &Holder::new(), &own).await, "not its key");
    // A server's certificate is none of a client.
    let server = Holder::new();
    let (_, for_servers) = ordered(&bed, &session, &server, "tls-server").await;
    assert!(!is_in(&bed, &host, &server, &for_servers).await);
}

#[tokio::test]
async fn what_others_got_or_what_came_by_other_means_lets_nobody_in() {
    let bed = Bed::ready().await;
    let (host, other) = (
        Host::on(&bed, "web01", client_record()).await,
        Host::on(&bed, "web02", client_record()).await,
    );
    for host in [&host, &other] {
        let_in(
            &bed,
            &host.courier,
            json!({ "method": "certificate", "renewals": true }),
        )
        .await;
    }
    let theirs = Holder::new();
    let (_, of_other) = ordered(&bed, &other.session(&bed).await, &theirs, "tls-client").await;
    assert!(is_in(&bed, &other, &theirs, &of_other).await);
    assert!(!is_in(&bed, &host, &theirs, &of_other).await, "another courier's");
    let by_hand = Holder::new();
    let request = IssueRequest {
        csr: csr(&by_hand, "", &["dns:web01.example.com"]),
        profile: "tls-client".to_owned(),
        issuer: Some("issuing".to_owned()),
        ..IssueRequest::default()
    };
    let issued = bed.authority.issue(&admin(), request).await.unwrap();
    assert!(
        !is_in(&bed, &host, &by_hand, issued.certificate.der()).await,
        "the same name and CA by another means"
    );
}

#[tokio::test]
async fn what_is_over_revoked_or_of_a_compromised_key_lets_nobody_in() {
    let bed = Bed::ready().await;
    let host = Host::on(&bed, "web01", client_record()).await;
    let session = host.session(&bed).await;
    let_in(
        &bed,
        &host.courier,
        json!({ "method": "certificate", "renewals": true }),
    )
    .await;
    let (first, second, third) = (Holder::new(), Holder::new(), Holder::new());
    let (order, revoked) = ordered(&bed, &session, &first, "tls-client").await;
    assert!(is_in(&bed, &host, &first, &revoked).await);
    revoke(&bed, &order, RevocationReason::Superseded).await;
    assert!(!is_in(&bed, &host, &first, &revoked).await);
    // Two of one key: the second falls with the first when the key is compromised, and not when the first is merely superseded.
    let (old, _) = ordered(&bed, &session, &second, "tls-client").await;
    bed.advance(SignedDuration::from_mins(11));
    let (_, new) = ordered(&bed, &host.session(&bed).await, &second, "tls-client").await;
    revoke(&bed, &old, RevocationReason::Superseded).await;
    assert!(is_in(&bed, &host, &second, &new).await);
    revoke(&bed, &old, RevocationReason::KeyCompromise).await;
    assert!(!is_in(&bed, &host, &second, &new).await);
    let (_, last) = ordered(&bed, &host.session(&bed).await, &third, "tls-client").await;
    assert!(is_in(&bed, &host, &third, &last).await);
    bed.advance(SignedDuration::from_hours(24 * 400));
    assert!(!is_in(&bed, &host, &third, &last).await, "its time is over");
}

/// The host with a secret that is good until it has a certificate in use.
async fn bootstrap(bed: &Bed, name: &str) -> Host {
    let mut host = Host::on(bed, name, client_record()).await;
    let request = SecretRequest {
        replaces: true,
        is_bootstrap: true,
        ..SecretRequest::default()
    };
    let administrator = admin();
    let made = bed
        .authority
        .new_client_secret(&administrator, host.courier.id, request);
    host.secret = made.await.unwrap();
    host
}

async fn acknowledge(bed: &Bed, session: &CourierSession, order: &CourierOrder) {
    let fingerprint = order.certificate.as_ref().unwrap().fingerprint;
    let said = bed
        .authority
        .acknowledge_courier_order(session, order.id, fingerprint, json!({}));
    said.await.unwrap();
}

#[tokio::test]
async fn a_bootstrap_secret_ends_with_the_certificate_that_takes_its_place() {
    let bed = Bed::ready().await;
    let host = bootstrap(&bed, "web01").await;
    let session = host.session(&bed).await;
    let server = ordered(&bed, &session, &Holder::new(), "tls-server").await.0;
    acknowledge(&bed, &session, &server).await;
    // What lets nobody in takes no one's place.
    let session = host.session(&bed).await;
    let holder = Holder::new();
    let (order, own) = ordered(&bed, &session, &holder, "tls-client").await;
    let again = host.session(&bed).await;
    assert_eq!(
        again.courier.id, host.courier.id,
        "nobody has said that it is in use"
    );
    acknowledge(&bed, &session, &order).await;
    assert_eq!(host.refused(&bed, host.shown()).await, "invalid_credentials");
    assert!(is_in(&bed, &host, &holder, &own).await);
    let left = bed
        .authority
        .credentials(&admin(), host.courier.id)
        .await
        .unwrap();
    assert!(
        matches!(&left[..], [one] if matches!(&one.binding, Binding::Certificate(own) if own.renewals)),
        "{left:?}"
    );
}

#[tokio::test]
async fn a_bootstrap_secret_ends_after_a_day() {
    let bed = Bed::ready().await;
    let host = bootstrap(&bed, "web01").await;
    bed.advance(SignedDuration::from_hours(23));
    host.session(&bed).await;
    bed.advance(SignedDuration::from_hours(1));
    assert_eq!(host.refused(&bed, host.shown()).await, "invalid_credentials");
    // Another one needs no second credential for what comes of it.
    let request = SecretRequest {
        is_bootstrap: true,
        ..SecretRequest::default()
    };
    let administrator = admin();
    let another = bed
        .authority
        .new_client_secret(&administrator, host.courier.id, request);
    another.await.unwrap();
    let all = bed
        .authority
        .credentials(&admin(), host.courier.id)
        .await
        .unwrap();
    assert_eq!(all.len(), 2, "{all:?}");
    // Nobody adds one with a secret of his own choice.
    let own = bed
        .authority
        .add_credential(&admin(), host.courier.id, Binding::BootstrapSecret, None)
        .await;
    assert_eq!(own.unwrap_err().code(), "binding_invalid");
}
