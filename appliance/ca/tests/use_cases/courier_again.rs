//! Orders that are sent again: while they are under way, after they failed, with the key of somebody else.

use ca::courier::{
    CourierOrder, CourierOrderRequest, CourierOrderStatus, CourierRecord, CourierSession, OrderFilter,
};

use crate::bed::Bed;
use crate::courier_host::{Host, code, order, order_of, record};
use crate::faults;
use crate::request::Holder;

async fn place(
    bed: &Bed,
    session: &CourierSession,
    request: &CourierOrderRequest,
    key: &str,
) -> Result<CourierOrder, ca::Error> {
    let key = Some(key.to_owned());
    bed.authority
        .place_courier_order(session, request.clone(), key)
        .await
}

#[tokio::test]
async fn an_order_that_failed_for_a_while_is_carried_out_when_it_is_sent_again() {
    let (bed, token) = faults::bed().await;
    let host = Host::on(&bed, "web01", record()).await;
    let session = host.session(&bed).await;
    let request = order(&["dns:a.example.com"]);
    token.unplug(true);
    for _ in 0..2 {
        let refused = place(&bed, &session, &request, "k").await.unwrap_err();
        assert!(refused.is_retryable(), "{refused}");
    }
    let own = async || {
        let listed = bed.authority.own_courier_orders(&session, OrderFilter::default());
        listed.await.unwrap()
    };
    let failed = own().await;
    assert_eq!(failed.len(), 2);
    assert!(
        failed
            .iter()
            .all(|order| order.status == CourierOrderStatus::Failed)
    );
    let other = place(&bed, &session, &order(&["dns:b.example.com"]), "k").await;
    assert_eq!(code(other), "idempotency_conflict");
    token.unplug(false);
    // Two that come at the same time are one.
    let (one, two) = tokio::join!(
        place(&bed, &session, &request, "k"),
        place(&bed, &session, &request, "k")
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.id, two.id);
    let issued = place(&bed, &session, &request, "k").await.unwrap();
    assert_eq!((issued.id, issued.status), (one.id, CourierOrderStatus::Issued));
    assert!(issued.fault.is_none() && issued.certificate.is_some());
    assert_eq!(own().await.len(), 3);
    assert_eq!(
        failed[0].status,
        CourierOrderStatus::Failed,
        "what happened stays recorded"
    );
}

#[tokio::test]
async fn what_is_under_way_is_told_of_and_too_much_of_it_has_to_wait() {
    let bed = Bed::ready().await;
    let waits = CourierRecord {
        needs_approval: true,
        ..record()
    };
    let host = Host::on(&bed, "web01", waits).await;
    let session = host.session(&bed).await;
    let first = order(&["dns:n0.example.com"]);
    let under_way = place(&bed, &session, &first, "k0").await.unwrap();
    assert_eq!(under_way.status, CourierOrderStatus::PendingApproval);
    for number in 1..100 {
        let request = order(&[&format!("dns:n{number}.example.com")]);
        place(&bed, &session, &request, &format!("k{number}"))
            .await
            .unwrap();
    }
    let refused = place(&bed, &session, &order(&["dns:more.example.com"]), "k100").await;
    let refused = refused.unwrap_err();
    assert_eq!((refused.code(), refused.is_retryable()), ("rate_limited", true));
    assert_eq!(
        place(&bed, &session, &first, "k0").await.unwrap().id,
        under_way.id
    );
    bed.authority
        .cancel_courier_order(&session, under_way.id)
        .await
        .unwrap();
    place(&bed, &session, &order(&["dns:more.example.com"]), "k100")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_key_is_certified_for_one_courier() {
    let bed = Bed::ready().await;
    let host = Host::on(&bed, "web01", record()).await;
    let other = Host::on(&bed, "web02", record()).await;
    let (session, others) = (host.session(&bed).await, other.session(&bed).await);
    let holder = Holder::new();
    let request = order_of(&holder, "", &["dns:a.example.com"]);
    // Looking alone makes a key nobody's.
    bed.authority
        .preflight_courier_order(&others, &request)
        .await
        .unwrap();
    place(&bed, &session, &request, "k").await.unwrap();
    let copied = order_of(&holder, "", &["dns:b.example.com"]);
    assert_eq!(code(place(&bed, &others, &copied, "k").await), "key_of_another");
    let looked = bed.authority.preflight_courier_order(&others, &copied).await;
    assert_eq!(code(looked), "key_of_another");
    // Its own courier may keep it.
    place(&bed, &session, &copied, "k2").await.unwrap();
    // Of two that come at the same time one has it.
    let shared = order_of(&Holder::new(), "", &["dns:c.example.com"]);
    let (one, two) = tokio::join!(
        place(&bed, &session, &shared, "k3"),
        place(&bed, &others, &shared, "k3")
    );
    let refused: Vec<&str> = [one, two]
        .iter()
        .filter_map(|outcome| outcome.as_ref().err().map(ca::Error::code))
        .collect();
    assert_eq!(refused, ["key_of_another"]);
}
