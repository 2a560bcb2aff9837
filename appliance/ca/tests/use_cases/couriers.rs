//! Courier records, sessions and switches.

use ca::Role;
use ca::courier::{
    Authentication, Bearing, ClientFacts, CourierChange, CourierRecord, CourierStatus, Method, NewCourier,
    SecretRequest, Shown,
};
use jiff::SignedDuration;
use secrecy::ExposeSecret as _;
use serde_json::json;
use zeroize::Zeroizing;

use crate::bed::{BASE_URL, Bed, admin, principal};
use crate::courier_host::{Host, bearing, code, public, record, signing_key};

fn change(record: CourierRecord) -> CourierChange {
    CourierChange {
        record,
        expires_at: None,
        expected_revision: None,
    }
}

#[tokio::test]
async fn records_are_made_changed_and_removed_by_admins() {
    let bed = Bed::ready().await;
    let host = Host::on(&bed, "web01", record()).await;
    let authority = &bed.authority;
    assert_eq!(
        authority.courier(&admin(), "web01").await.unwrap().id,
        host.courier.id
    );
    let again = NewCourier {
        name: "web01".to_owned(),
        ..NewCourier::default()
    };
    assert_eq!(
        code(authority.create_courier(&admin(), again.clone()).await),
        "courier_exists"
    );
    let operator = principal("op", Role::Operator);
    assert_eq!(
        code(authority.create_courier(&operator, again).await),
        "role_insufficient"
    );
    let requester = principal("me", Role::Requester);
    assert_eq!(
        code(authority.couriers(&requester, None, 10).await),
        "role_insufficient"
    );
    let stale = CourierChange {
        expected_revision: Some(7),
        ..change(record())
    };
    assert_eq!(
        code(authority.change_courier(&admin(), host.courier.id, stale).await),
        "revision_stale"
    );
    let changed = authority
        .change_courier(&admin(), host.courier.id, change(CourierRecord::default()))
        .await;
    let changed = changed.unwrap();
    assert_eq!((changed.revision, changed.record), (2, CourierRecord::default()));
    authority.delete_courier(&admin(), host.courier.id).await.unwrap();
    assert_eq!(code(authority.courier(&admin(), "web01").await), "not_found");
    assert_eq!(host.refused(&bed, host.shown()).await, "invalid_credentials");
}

#[tokio::test]
async fn a_record_with_problems_is_refused_with_all_of_them() {
    let bed = Bed::ready().await;
    let record: CourierRecord = serde_json::from_value(json!({
        "allowed_names": ["*.com"], "profiles": ["none", "ocsp-responder"], "issuer": "nobody",
        "quotas": { "key_algorithms": ["dsa"] },
    }))
    .unwrap();
    let new = NewCourier {
        name: "web01".to_owned(),
        record,
        expires_at: None,
    };
    let error = bed.authority.create_courier(&admin(), new).await.unwrap_err();
    assert_eq!(
        (error.code(), error.details().as_array().unwrap().len()),
        ("record_invalid", 5),
        "{error}"
    );
    for name in ["", "a b", &"a".repeat(65), "550e8400-e29b-41d4-a716-446655440000"] {
        let new = NewCourier {
            name: name.to_owned(),
            ..NewCourier::default()
        };
        assert_eq!(
            code(bed.authority.create_courier(&admin(), new).await),
            "name_invalid"
        );
    }
}

#[tokio::test]
async fn secrets_let_in_whoever_has_them_and_tell_nothing_to_others() {
    let bed = Bed::ready().await;
    let host = Host::on(&bed, "web01", record()).await;
    let opened = host.opened(&bed.authority).await;
    assert_eq!(opened.token.expose_secret().len(), 64);
    let session = bed
        .authority
        .courier_session(&bearing(opened.token.expose_secret()))
        .await
        .unwrap();
    assert_eq!(
        (session.courier.name.as_str(), session.method),
        ("web01", Method::ClientSecret)
    );
    let client_id = host.secret.credential.client_id.clone().unwrap();
    let secret = |client_id: &str, secret: &str| Shown::Secret {
        client_id: client_id.to_owned(),
        secret: Zeroizing::new(secret.to_owned()),
    };
    let other = Host::on(&bed, "web02", record()).await;
    for shown in [
        secret(&client_id, "wrong"),
        secret("cour_none", host.secret.secret.expose_secret()),
        secret(&client_id, other.secret.secret.expose_secret()),
        other.shown(),
        Shown::Token {
            method: Method::OidcJwt,
            token: Zeroizing::new("a.b.c".to_owned()),
            tenant_id: None,
            resource: None,
            role_arn: None,
        },
    ] {
        assert_eq!(host.refused(&bed, shown).await, "invalid_credentials");
    }
    let nobody = Authentication {
        courier: "0193b3c2-7f00-7000-8000-000000000001".parse().unwrap(),
        ..host.authentication(host.shown())
    };
    assert_eq!(
        code(bed.authority.authenticate_courier(nobody).await),
        "invalid_credentials"
    );
    let log = bed.authority.audit_tail(&admin(), 0, 1000).await.unwrap();
    let tried: Vec<_> = log
        .iter()
        .filter(|entry| entry.action == "courier.authenticate")
        .collect();
    assert_eq!(tried.len(), 7);
    assert_eq!(tried.iter().filter(|entry| entry.outcome == "ok").count(), 1);
    assert!(!format!("{tried:?}").contains(host.secret.secret.expose_secret()));
    assert!(
        bed.metric(r#"chancery_courier_authentications_total{method="client_secret",outcome="ok"}"#) > 0.5
    );
}

#[tokio::test]
async fn two_secrets_overlap_and_a_replacement_ends_what_the_old_ones_opened() {
    let bed = Bed::ready().await;
    let host = Host::on(&bed, "web01", record()).await;
    let opened = host.opened(&bed.authority).await;
    let request = SecretRequest::default();
    bed.authority
        .new_client_secret(&admin(), host.courier.id, request)
        .await
        .unwrap();
    let third = bed
        .authority
        .new_client_secret(&admin(), host.courier.id, request)
        .await;
    assert_eq!(code(third), "credentials_full");
    let replacement = SecretRequest {
        replaces: true,
        expires_at: Some(bed.clock.now() + SignedDuration::from_hours(1)),
        is_bootstrap: false,
    };
    let secret = bed
        .authority
        .new_client_secret(&admin(), host.courier.id, replacement)
        .await
        .unwrap();
    assert_eq!(
        bed.authority
            .credentials(&admin(), host.courier.id)
            .await
            .unwrap()
            .len(),
        1
    );
    let gone = bed
        .authority
        .courier_session(&bearing(opened.token.expose_secret()))
        .await;
    assert_eq!(code(gone), "session_expired");
    assert_eq!(host.refused(&bed, host.shown()).await, "invalid_credentials");
    let host = Host { secret, ..host };
    host.opened(&bed.authority).await;
    bed.advance(SignedDuration::from_hours(2));
    assert_eq!(host.refused(&bed, host.shown()).await, "invalid_credentials");
}

#[tokio::test]
async fn a_session_ends_by_time_by_its_courier_and_with_the_record() {
    let bed = Bed::ready().await;
    let host = Host::on(&bed, "web01", record()).await;
    let look = async |token: &str| bed.authority.courier_session(&bearing(token)).await;
    let first = host.opened(&bed.authority).await;
    bed.authority.end_courier_session(&first.session).await.unwrap();
    assert_eq!(code(look(first.token.expose_secret()).await), "session_expired");
    let second = host.opened(&bed.authority).await;
    bed.advance(SignedDuration::from_mins(61));
    assert_eq!(code(look(second.token.expose_secret()).await), "session_expired");
    let third = host.opened(&bed.authority).await;
    let disabled = bed
        .authority
        .enable_courier(&admin(), host.courier.id, false)
        .await
        .unwrap();
    assert_eq!(disabled.status, CourierStatus::Disabled);
    assert_eq!(code(look(third.token.expose_secret()).await), "session_expired");
    assert_eq!(host.refused(&bed, host.shown()).await, "courier_disabled");
    bed.authority
        .enable_courier(&admin(), host.courier.id, true)
        .await
        .unwrap();
    let fourth = host.opened(&bed.authority).await;
    // Another address than the one it was opened from is one thing, another sort of address another.
    let from = |address: &str| Bearing {
        address: address.parse().ok(),
        ..bearing(fourth.token.expose_secret())
    };
    assert!(bed.authority.courier_session(&from("198.51.100.1")).await.is_ok());
    assert_eq!(
        code(bed.authority.courier_session(&from("10.0.0.1")).await),
        "ip_not_allowed"
    );
}

#[tokio::test]
async fn what_is_special_is_told_only_with_the_right_credential() {
    let bed = Bed::ready().await;
    let host = Host::on(&bed, "web01", record()).await;
    let wrong = || Shown::Secret {
        client_id: host.secret.credential.client_id.clone().unwrap(),
        secret: Zeroizing::new("wrong".to_owned()),
    };
    let limited: CourierRecord = CourierRecord {
        allowed_ips: vec!["10.0.0.0/8".parse().unwrap()],
        ..record()
    };
    bed.authority
        .change_courier(&admin(), host.courier.id, change(limited))
        .await
        .unwrap();
    assert_eq!(host.refused(&bed, host.shown()).await, "ip_not_allowed");
    assert_eq!(host.refused(&bed, wrong()).await, "invalid_credentials");
    let old = CourierRecord {
        minimum_client_version: Some("1.2.0".to_owned()),
        ..record()
    };
    bed.authority
        .change_courier(&admin(), host.courier.id, change(old))
        .await
        .unwrap();
    assert_eq!(host.refused(&bed, host.shown()).await, "client_too_old");
    let new_enough = Authentication {
        client: ClientFacts {
            version: Some("1.10.0".to_owned()),
            hostname: None,
        },
        ..host.authentication(host.shown())
    };
    let opened = bed.authority.authenticate_courier(new_enough).await.unwrap();
    let switches = bed
        .authority
        .switch_courier_method(&admin(), Method::ClientSecret, false)
        .await
        .unwrap();
    let switch = switches
        .iter()
        .find(|switch| switch.method == Method::ClientSecret)
        .unwrap();
    assert_eq!(
        (switch.is_enabled, switch.used_by.as_slice()),
        (false, ["web01".to_owned()].as_slice())
    );
    let gone = bed
        .authority
        .courier_session(&bearing(opened.token.expose_secret()))
        .await;
    assert_eq!(code(gone), "session_expired");
    assert_eq!(host.refused(&bed, host.shown()).await, "method_not_enabled");
    assert_eq!(host.refused(&bed, wrong()).await, "invalid_credentials");
    let federated = bed
        .authority
        .switch_courier_method(&admin(), Method::OidcJwt, false)
        .await;
    assert_eq!(code(federated), "method_not_legacy");
    bed.authority
        .switch_courier_method(&admin(), Method::ClientSecret, true)
        .await
        .unwrap();
    let off = CourierRecord {
        disabled_methods: [Method::ClientSecret].into(),
        ..record()
    };
    bed.authority
        .change_courier(&admin(), host.courier.id, change(off))
        .await
        .unwrap();
    assert_eq!(host.refused(&bed, host.shown()).await, "method_not_enabled");
}

#[tokio::test]
async fn who_tries_too_often_waits() {
    let bed = Bed::ready().await;
    let host = Host::on(&bed, "web01", record()).await;
    let mut codes = Vec::new();
    for _ in 0..31 {
        let shown = Shown::SpiffeToken(Zeroizing::new("x".to_owned()));
        codes.push(host.refused(&bed, shown).await);
    }
    assert!(
        codes[..30].iter().all(|code| *code == "invalid_credentials"),
        "{codes:?}"
    );
    assert_eq!(codes[30], "rate_limited");
    bed.advance(SignedDuration::from_mins(1));
    host.opened(&bed.authority).await;
}

#[tokio::test]
async fn a_bound_session_takes_each_signed_request_once() {
    let bed = Bed::ready().await;
    let host = Host::on(&bed, "web01", record()).await;
    let key = signing_key();
    let bound = Authentication {
        proof_key: Some(public(&key)),
        ..host.authentication(host.shown())
    };
    let opened = bed.authority.authenticate_courier(bound).await.unwrap();
    let token = opened.token.expose_secret();
    let random = aws_lc_rs::rand::SystemRandom::new();
    let now = bed.clock.now().as_second();
    let prove = |key, method: &str, path: &str, jti: &str| {
        let request = jose::dpop::Request {
            method,
            url: &format!("{BASE_URL}{path}"),
            access_token_hash: Some(&jose::dpop::access_token_hash(token)),
            now,
            id: jti,
            body: None,
        };
        jose::dpop::build(key, &request, &random).unwrap()
    };
    let path = "/api/v1/courier/self";
    let good = prove(&key, "GET", path, "1");
    bed.authority.courier_session(&bears(token, &good)).await.unwrap();
    assert_eq!(
        code(bed.authority.courier_session(&bears(token, &good)).await),
        "proof_invalid"
    );
    for wrong in [
        prove(&key, "POST", path, "2"),
        prove(&key, "GET", "/api/v1/courier/orders", "3"),
        prove(&signing_key(), "GET", path, "4"),
        "x".to_owned(),
    ] {
        assert_eq!(
            code(bed.authority.courier_session(&bears(token, &wrong)).await),
            "proof_invalid"
        );
    }
    assert_eq!(
        code(bed.authority.courier_session(&bearing(token)).await),
        "proof_invalid"
    );
    let unbound = host.opened(&bed.authority).await;
    let as_bound = Bearing {
        token: unbound.token.expose_secret(),
        ..bears(token, &good)
    };
    assert_eq!(
        code(bed.authority.courier_session(&as_bound).await),
        "proof_invalid"
    );
}

/// What a signed request brings.
fn bears<'a>(token: &'a str, proof: &'a str) -> Bearing<'a> {
    Bearing {
        is_bound: true,
        proof: Some(proof),
        ..bearing(token)
    }
}
