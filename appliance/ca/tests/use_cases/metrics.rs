//! Every metric changes when its thing happens.

use ca::{CertRef, IssueRequest, RevokeRequest};
use jiff::SignedDuration;
use pki::crl::RevocationReason;

use crate::bed::{Bed, admin, server_request};

/// How much a metric grows by something.
async fn growth<F: Future>(bed: &Bed, metric: &str, happens: F) -> f64 {
    let before = bed.metric(metric);
    happens.await;
    bed.metric(metric) - before
}

fn assert_is(value: f64, expected: f64) {
    assert!((value - expected).abs() < 1e-9, "{value} is not {expected}");
}

#[tokio::test]
async fn orders_and_revocations_are_counted() {
    let bed = Bed::ready().await;
    let issued = r#"chancery_certificates_issued_total{issuer="issuing",profile="tls-server"}"#;
    assert_is(growth(&bed, issued, bed.server("host.example")).await, 1.0);
    let refused = r#"chancery_certificates_refused_total{code="unknown_profile"}"#;
    let wrong = IssueRequest {
        profile: "none".into(),
        ..server_request("host.example")
    };
    assert_is(
        growth(&bed, refused, bed.authority.issue(&admin(), wrong)).await,
        1.0,
    );
    let serial = bed.server("host.example").await.serial;
    let request = RevokeRequest {
        certificate: CertRef::Serial(serial),
        reason: RevocationReason::Superseded,
        invalidity_date: None,
    };
    let revoked = r#"chancery_certificates_revoked_total{issuer="issuing",reason="superseded"}"#;
    assert_is(
        growth(&bed, revoked, bed.authority.revoke(&admin(), request)).await,
        1.0,
    );
    assert_is(
        growth(&bed, revoked, bed.authority.revoke(&admin(), request)).await,
        0.0,
    );
}

#[tokio::test]
async fn ocsp_answers_and_look_ups_are_counted() {
    let bed = Bed::ready().await;
    let issued = bed.server("host.example").await;
    let ask = || bed.authority.answer_ocsp_serial(issued.issuer_id, issued.serial);
    assert_is(
        growth(&bed, r#"chancery_ocsp_answers_total{kind="good"}"#, ask()).await,
        1.0,
    );
    assert_is(bed.metric(r#"chancery_ocsp_cache_total{outcome="miss"}"#), 1.0);
    assert_is(
        growth(&bed, r#"chancery_ocsp_cache_total{outcome="hit"}"#, ask()).await,
        1.0,
    );
    assert_is(bed.metric("chancery_ocsp_cache_entries"), 1.0);
    let before = bed.metric("chancery_status_index_bytes");
    assert!(before >= 20.0, "{before}");
    let broken = bed.authority.answer_ocsp(issued.issuer_id, b"x");
    assert_is(
        growth(
            &bed,
            r#"chancery_ocsp_answers_total{kind="malformed_request"}"#,
            broken,
        )
        .await,
        1.0,
    );
}

#[tokio::test]
async fn the_crl_is_described() {
    let bed = Bed::ready().await;
    let of = |what: &str| {
        bed.metric(&format!(
            r#"chancery_crl_{what}{{generation="1",issuer="issuing"}}"#
        ))
    };
    let (octets, age) = (of("size_bytes"), of("age_seconds"));
    bed.advance(SignedDuration::from_secs(90));
    assert_is(of("age_seconds") - age, 90.0);
    let serial = bed.server("host.example").await.serial;
    let request = RevokeRequest {
        certificate: CertRef::Serial(serial),
        reason: RevocationReason::Superseded,
        invalidity_date: None,
    };
    bed.authority.revoke(&admin(), request).await.unwrap();
    bed.authority.publish_due_crls().await.unwrap();
    assert_is(of("number"), 2.0);
    assert_is(of("entries"), 1.0);
    assert!(of("size_bytes") > octets);
    assert_is(of("age_seconds"), 0.0);
}

#[tokio::test]
async fn the_signer_the_store_and_the_log_are_watched() {
    let bed = Bed::ready().await;
    let signed = r#"chancery_signer_seconds_count{purpose="certificate"}"#;
    assert_is(growth(&bed, signed, bed.server("a.example")).await, 1.0);
    let crl = r#"chancery_signer_seconds_count{purpose="crl"}"#;
    assert_is(
        growth(&bed, crl, bed.authority.publish_crl(&admin(), "issuing")).await,
        1.0,
    );
    assert_is(
        growth(&bed, "chancery_store_commits_total", bed.server("b.example")).await,
        2.0,
    );
    assert_is(
        growth(&bed, "chancery_store_jobs_total", bed.server("c.example")).await,
        2.0,
    );
    assert_is(
        growth(&bed, "chancery_audit_entries", bed.server("d.example")).await,
        1.0,
    );
    assert_is(bed.metric("chancery_clock_behind_seconds"), 0.0);
    bed.advance(SignedDuration::from_secs(-500));
    assert_is(bed.metric("chancery_clock_behind_seconds"), 500.0);
}

#[tokio::test]
async fn an_edge_shares_the_registry() {
    let bed = Bed::empty().await;
    let counter = prometheus::IntCounter::new("edge_total", "of an edge").unwrap();
    bed.authority
        .metrics()
        .registry()
        .register(Box::new(counter.clone()))
        .unwrap();
    counter.inc();
    assert_is(bed.metric("edge_total"), 1.0);
}

#[tokio::test]
async fn commits_that_fail_are_counted_on_a_file() {
    const ROLE: &str = "CHANCERY_TEST_FAILING_DISK";
    if let Ok(folder) = std::env::var(ROLE) {
        // In a process whose files may not grow beyond two mebibytes.
        let bed = Bed::ready().await;
        for number in 0.. {
            assert!(number < 10_000, "the disk never fails ({folder})");
            let order = server_request(&format!("{}.example", "x".repeat(60)));
            if bed.authority.issue(&admin(), order).await.is_err() {
                break;
            }
        }
        assert!(bed.metric("chancery_store_failures_total") > 0.5);
        return;
    }
    let test = [
        "--exact",
        "metrics::commits_that_fail_are_counted_on_a_file",
        "--nocapture",
    ];
    let output = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(test)
        .env(ROLE, "1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
}
