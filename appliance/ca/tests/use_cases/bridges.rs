//! Instances of bridges, over a store and a clock that moves.

use ca::courier::{AlarmFilter, Bridge, BridgeRegistration, BridgeReport, BridgeStatus, BridgeTokenRequest};
use ca::{Authority, Principal, Role};
use jiff::SignedDuration;
use secrecy::SecretString;

use crate::bed::{Bed, admin, principal};
use crate::faults;
use crate::request::{Holder, csr};

async fn token(authority: &Authority, minutes: u64) -> SecretString {
    let request = BridgeTokenRequest {
        bridge: "dmz".to_owned(),
        issuer: Some("issuing".to_owned()),
        lifetime: Some(std::time::Duration::from_secs(minutes * 60)),
        needs_approval: false,
    };
    let made = authority.create_bridge_token(&admin(), request).await.unwrap();
    made.token
}

fn registration(token: SecretString, csr: Vec<u8>) -> BridgeRegistration {
    BridgeRegistration {
        token,
        csr,
        version: None,
        address: None,
    }
}

#[tokio::test]
async fn a_token_is_good_until_it_ends() {
    let bed = Bed::ready().await;
    let request = || csr(&Holder::new(), "", &[]);
    let (early, late) = (token(&bed.authority, 60).await, token(&bed.authority, 60).await);
    bed.advance(SignedDuration::from_mins(59));
    bed.authority
        .register_bridge(registration(early, request()))
        .await
        .unwrap();
    bed.advance(SignedDuration::from_mins(1));
    let refused = bed.authority.register_bridge(registration(late, request())).await;
    assert_eq!(refused.unwrap_err().code(), "invalid_credentials");
    let all = bed.authority.bridges(&admin(), None, 10).await.unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].status, BridgeStatus::Active);
    assert!(all[0].certificate_ends_at.is_some() && all[0].report.is_none());
}

#[tokio::test]
async fn a_token_that_two_show_at_once_is_good_for_one() {
    let bed = Bed::ready().await;
    let token = token(&bed.authority, 5).await;
    let mut racing = Vec::new();
    for _ in 0..4 {
        let (authority, token) = (bed.authority.clone(), token.clone());
        let request = csr(&Holder::new(), "", &[]);
        racing.push(tokio::spawn(async move {
            authority
                .register_bridge(registration(token, request))
                .await
                .is_ok()
        }));
    }
    let mut won = 0;
    for one in racing {
        won += usize::from(one.await.unwrap());
    }
    assert_eq!(won, 1);
    assert_eq!(bed.authority.bridges(&admin(), None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_token_is_used_up_by_a_certificate_and_by_nothing_less() {
    let (bed, keys) = faults::bed().await;
    let token = token(&bed.authority, 5).await;
    let register = || {
        let registration = registration(token.clone(), csr(&Holder::new(), "", &[]));
        bed.authority.register_bridge(registration)
    };
    keys.unplug(true);
    let refused = register().await.unwrap_err();
    assert!(refused.is_retryable(), "{refused}");
    assert_eq!(bed.authority.bridges(&admin(), None, 10).await.unwrap(), []);
    keys.unplug(false);
    register().await.unwrap();
    assert_eq!(register().await.unwrap_err().code(), "invalid_credentials");
    assert_eq!(bed.authority.bridges(&admin(), None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_certificate_counts_until_it_ends_or_is_revoked() {
    let bed = Bed::ready().await;
    let register = async || {
        let token = token(&bed.authority, 5).await;
        let made = registration(token, csr(&Holder::new(), "", &[]));
        let given = bed.authority.register_bridge(made).await.unwrap();
        pki::Certificate::parse_all(given.pem.as_bytes())
            .unwrap()
            .remove(0)
    };
    let (first, second) = (register().await, register().await);
    let known = async |certificate: &pki::Certificate| {
        let found = bed.authority.bridge_of_certificate(certificate.der()).await;
        found.map_err(|error| error.code()).map(|bridge| bridge.bridge)
    };
    assert_eq!(known(&first).await, Ok("dmz".to_owned()));
    let request = ca::RevokeRequest {
        certificate: ca::CertRef::Serial(first.serial()),
        reason: pki::RevocationReason::KeyCompromise,
        invalidity_date: None,
    };
    bed.authority.revoke(&admin(), request).await.unwrap();
    assert_eq!(known(&first).await, Err("bridge_not_registered"));
    assert_eq!(known(&second).await, Ok("dmz".to_owned()));
    bed.advance(second.not_after().duration_since(second.not_before()) + SignedDuration::from_hours(1));
    assert_eq!(known(&second).await, Err("bridge_not_registered"));
}

#[tokio::test]
async fn only_admins_manage_bridges() {
    let bed = Bed::ready().await;
    for role in [Role::Operator, Role::Requester, Role::Auditor] {
        let somebody: Principal = principal("somebody", role);
        let request = BridgeTokenRequest {
            bridge: "dmz".to_owned(),
            ..BridgeTokenRequest::default()
        };
        let made = bed.authority.create_bridge_token(&somebody, request).await;
        assert_eq!(made.unwrap_err().code(), "role_insufficient");
        let retired = bed.authority.retire_bridge(&somebody, uuid::Uuid::nil()).await;
        assert_eq!(retired.unwrap_err().code(), "role_insufficient");
        let approved = bed.authority.approve_bridge(&somebody, uuid::Uuid::nil()).await;
        assert_eq!(approved.unwrap_err().code(), "role_insufficient");
    }
}

/// An instance that was registered with a token, as its connection shows it.
async fn registered(bed: &Bed, needs_approval: bool) -> Bridge {
    let request = BridgeTokenRequest {
        bridge: "dmz".to_owned(),
        needs_approval,
        ..BridgeTokenRequest::default()
    };
    let made = bed
        .authority
        .create_bridge_token(&admin(), request)
        .await
        .unwrap();
    let made = registration(made.token, csr(&Holder::new(), "", &[]));
    let given = bed.authority.register_bridge(made).await.unwrap();
    let leaf = pki::Certificate::parse_all(given.pem.as_bytes())
        .unwrap()
        .remove(0);
    bed.authority.bridge_of_certificate(leaf.der()).await.unwrap()
}

fn report(connections_open: u64) -> BridgeReport {
    BridgeReport {
        mode: "terminate".to_owned(),
        connections_open,
        version: Some("2.0\u{7}".to_owned()),
        ..BridgeReport::default()
    }
}

#[tokio::test]
async fn an_instance_that_waits_is_approved_once() {
    let bed = Bed::ready().await;
    let bridge = registered(&bed, true).await;
    assert_eq!(bridge.status, BridgeStatus::Pending);
    let said = bed.authority.report_bridge(&bridge, report(1)).await.unwrap();
    assert_eq!(said, BridgeStatus::Pending);
    for _ in 0..2 {
        bed.authority.approve_bridge(&admin(), bridge.id).await.unwrap();
    }
    let said = bed.authority.report_bridge(&bridge, report(1)).await.unwrap();
    assert_eq!(said, BridgeStatus::Active);
    let nobody = bed.authority.approve_bridge(&admin(), uuid::Uuid::nil()).await;
    assert_eq!(nobody.unwrap_err().code(), "not_found");

    let other = registered(&bed, true).await;
    bed.authority.retire_bridge(&admin(), other.id).await.unwrap();
    let late = bed.authority.approve_bridge(&admin(), other.id).await;
    assert_eq!(late.unwrap_err().code(), "bridge_retired");
}

#[tokio::test]
async fn what_an_instance_says_is_kept_and_its_silence_raises_an_alarm() {
    let bed = Bed::ready().await;
    let bridge = registered(&bed, false).await;
    let alarms = async || {
        let filter = AlarmFilter {
            kind: Some("bridge_disconnected".to_owned()),
            is_open: Some(true),
            limit: 9,
            ..AlarmFilter::default()
        };
        bed.authority.watch_couriers().await.unwrap();
        bed.authority.alarms(&admin(), filter).await.unwrap()
    };
    let listed = async || bed.authority.bridges(&admin(), None, 9).await.unwrap().remove(0);
    bed.advance(SignedDuration::from_mins(6));
    assert!(
        alarms().await.is_empty(),
        "one that never reported is of an older version"
    );

    bed.authority.report_bridge(&bridge, report(7)).await.unwrap();
    let (said, first) = listed().await.report.unwrap();
    assert_eq!((said.connections_open, said.mode.as_str()), (7, "terminate"));
    assert_eq!(listed().await.version.as_deref(), Some("2.0"));
    bed.advance(SignedDuration::from_secs(9));
    bed.authority.report_bridge(&bridge, report(8)).await.unwrap();
    assert_eq!(
        listed().await.report.unwrap().1,
        first,
        "nobody makes us write all the time"
    );
    bed.advance(SignedDuration::from_secs(2));
    bed.authority.report_bridge(&bridge, report(9)).await.unwrap();
    assert_eq!(listed().await.report.unwrap().0.connections_open, 9);

    bed.advance(SignedDuration::from_mins(4));
    assert!(alarms().await.is_empty());
    bed.advance(SignedDuration::from_mins(2));
    let raised = alarms().await;
    assert_eq!((raised[0].subject, raised[0].courier), (bridge.id, None));
    assert!(raised[0].message.contains("dmz"), "{}", raised[0].message);
    bed.authority.report_bridge(&bridge, report(1)).await.unwrap();
    assert!(alarms().await.is_empty());
}
