//! Alarms about couriers, as time goes by.

use ca::Role;
use ca::courier::{Alarm, AlarmFilter, Watched};
use jiff::SignedDuration;
use serde_json::json;

use crate::bed::{Bed, admin, principal};
use crate::courier_host::{Host, code, order, record};

async fn open(bed: &Bed) -> Vec<Alarm> {
    let filter = AlarmFilter {
        is_open: Some(true),
        limit: 10,
        ..AlarmFilter::default()
    };
    bed.authority.alarms(&admin(), filter).await.unwrap()
}

async fn watch(bed: &Bed) -> (usize, usize) {
    let Watched { raised, cleared } = bed.authority.watch_couriers().await.unwrap();
    (raised, cleared)
}

#[tokio::test]
async fn a_certificate_that_is_in_use_nowhere_raises_an_alarm_once() {
    let bed = Bed::ready().await;
    let host = Host::on(&bed, "web01", record()).await;
    let session = host.session(&bed).await;
    let request = order(&["dns:a.example.com"]);
    let placed = bed.authority.place_courier_order(&session, request, None).await;
    let placed = placed.unwrap();
    assert_eq!(watch(&bed).await, (0, 0));
    bed.advance(SignedDuration::from_mins(61));
    assert_eq!(watch(&bed).await, (1, 0));
    assert_eq!(watch(&bed).await, (0, 0), "it is raised");
    let alarms = open(&bed).await;
    assert_eq!(alarms.len(), 1);
    assert_eq!(
        (alarms[0].kind.as_str(), alarms[0].subject, alarms[0].courier),
        ("issued_not_installed", placed.id, Some(host.courier.id))
    );
    assert!(
        alarms[0].message.contains("web01") && alarms[0].message.contains("a.example.com"),
        "{}",
        alarms[0].message
    );
    // An order that nobody came for expires; its certificate is good, and the alarm lasts.
    bed.advance(SignedDuration::from_hours(8 * 24));
    bed.authority.settle_courier_orders().await.unwrap();
    let (_, cleared) = watch(&bed).await;
    assert_eq!(cleared, 0);
    // The next one with the same names, in use.
    let session = host.session(&bed).await;
    let request = order(&["dns:a.example.com"]);
    let next = bed.authority.place_courier_order(&session, request, None).await;
    let next = next.unwrap();
    let print = next.certificate.unwrap().fingerprint;
    let ack = bed
        .authority
        .acknowledge_courier_order(&session, next.id, print, json!({}));
    ack.await.unwrap();
    let (_, cleared) = watch(&bed).await;
    assert!(cleared >= 1);
    assert!(
        open(&bed)
            .await
            .iter()
            .all(|alarm| alarm.kind != "issued_not_installed")
    );
}

#[tokio::test]
async fn a_courier_that_is_not_heard_of_raises_an_alarm_until_it_is_back() {
    let bed = Bed::ready().await;
    let host = Host::on(&bed, "web01", record()).await;
    // One that never came was not set up yet.
    Host::on(&bed, "web02", record()).await;
    host.session(&bed).await;
    bed.advance(SignedDuration::from_hours(35));
    assert_eq!(watch(&bed).await, (0, 0));
    bed.advance(SignedDuration::from_hours(2));
    assert_eq!(watch(&bed).await, (1, 0));
    assert_eq!(watch(&bed).await, (0, 0));
    let alarms = open(&bed).await;
    assert_eq!(
        (alarms.len(), alarms[0].kind.as_str(), alarms[0].subject),
        (1, "silent_courier", host.courier.id)
    );
    host.session(&bed).await;
    assert_eq!(watch(&bed).await, (0, 1));
    assert!(open(&bed).await.is_empty());
    // Again, and cleared by what an operator decides.
    bed.advance(SignedDuration::from_hours(37));
    assert_eq!(watch(&bed).await, (1, 0));
    let who = admin();
    let disabled = bed.authority.enable_courier(&who, host.courier.id, false);
    disabled.await.unwrap();
    assert_eq!(watch(&bed).await, (0, 1));
    let all = bed.authority.alarms(
        &who,
        AlarmFilter {
            limit: 10,
            ..AlarmFilter::default()
        },
    );
    let all = all.await.unwrap();
    assert!(all.len() == 2 && all.iter().all(|alarm| alarm.cleared_at.is_some()));
    let requester = principal("r", Role::Requester);
    let refused = bed.authority.alarms(&requester, AlarmFilter::default()).await;
    assert_eq!(code(refused), "role_insufficient");
}
