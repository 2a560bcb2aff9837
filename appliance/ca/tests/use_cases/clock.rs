//! A clock that was set back.

use jiff::SignedDuration;

use crate::bed::{Bed, admin, server_request};

#[tokio::test]
async fn issuing_waits_until_the_clock_catches_up() {
    let bed = Bed::ready().await;
    bed.server("host.example").await;
    bed.advance(SignedDuration::from_secs(-30));
    bed.server("host.example").await;
    bed.advance(SignedDuration::from_hours(-1));
    let error = bed
        .authority
        .issue(&admin(), server_request("host.example"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "clock_set_back");
    assert!(error.is_retryable());
    let health = bed.authority.health().await;
    assert!(!health.is_ready && health.problems[0].code == "clock_set_back");
    assert_eq!(
        bed.authority
            .publish_crl(&admin(), "issuing")
            .await
            .unwrap_err()
            .code(),
        "clock_set_back"
    );
    // OCSP goes on answering.
    bed.advance(SignedDuration::from_hours(1));
    bed.server("host.example").await;
    assert!(bed.authority.health().await.is_ready);
}

#[tokio::test]
async fn it_is_noticed_after_a_restart_and_an_admin_may_accept_it() {
    let bed = Bed::ready().await;
    bed.advance(SignedDuration::from_hours(48));
    bed.authority.mark_time().await.unwrap();
    bed.advance(SignedDuration::from_hours(-47));
    let bed = bed.restarted().await;
    let code = async |bed: &Bed| {
        bed.authority
            .issue(&admin(), server_request("x.example"))
            .await
            .map_err(|error| error.code())
    };
    assert_eq!(code(&bed).await.unwrap_err(), "clock_set_back");
    assert_eq!(
        bed.authority.mark_time().await.unwrap_err().code(),
        "clock_set_back"
    );
    bed.authority.accept_clock(&admin()).await.unwrap();
    code(&bed).await.unwrap();
    let bed = bed.restarted().await;
    code(&bed).await.unwrap();
    let log = bed.authority.audit_tail(&admin(), 0, 1000).await.unwrap();
    assert!(log.iter().any(|entry| entry.action == "clock.accept"));
}
