//! Issuing, and refusing to.

use std::time::Duration;

use ca::{CertRef, IssueRequest, Role};
use jiff::SignedDuration;
use pki::{Certificate, chain};

use crate::bed::{Bed, admin, certificate, principal, server_request};
use crate::request::{Holder, ca_csr, csr};

fn request(csr: Vec<u8>, profile: &str) -> IssueRequest {
    IssueRequest {
        csr,
        profile: profile.to_owned(),
        ..IssueRequest::default()
    }
}

#[tokio::test]
async fn a_certificate_is_what_was_asked_for_and_is_recorded() {
    let bed = Bed::ready().await;
    let holder = Holder::new();
    let mut order = request(
        csr(&holder, "CN=host.example", &["dns:host.example", "ip:10.0.0.1"]),
        "tls-server",
    );
    order.validity = Some(Duration::from_hours(48));
    let issued = bed
        .authority
        .issue(&principal("anna", Role::Operator), order)
        .await
        .unwrap();
    let leaf = certificate(&issued);
    assert_eq!(leaf.public_key(), &holder.public_key());
    assert_eq!(leaf.not_after(), bed.clock.now() + SignedDuration::from_hours(48));
    let names: Vec<String> = leaf
        .subject_alt_names()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(names, ["dns:host.example", "ip:10.0.0.1"]);
    let above = issued
        .chain
        .der()
        .iter()
        .map(|der| Certificate::from_der(der).unwrap());
    let chain: Vec<Certificate> = std::iter::once(leaf).chain(above).collect();
    chain::verify(&chain, bed.clock.now()).unwrap();
    assert_eq!(chain.len(), 2, "the root stays at home");
    let entry = bed
        .authority
        .certificate(&admin(), CertRef::Id(issued.id))
        .await
        .unwrap();
    assert_eq!(
        (entry.serial, entry.requester.as_str(), entry.issuer_name.as_str()),
        (issued.serial, "anna", "issuing")
    );
    assert_eq!(entry.status, ca::CertificateStatus::Valid);
    let told = bed.authority.explain(&admin(), issued.order_id).await.unwrap();
    assert_eq!(
        (told.state.as_str(), told.certificate_id),
        ("issued", Some(issued.id))
    );
    let logged = bed
        .authority
        .audit_tail(&admin(), 0, 1000)
        .await
        .unwrap()
        .pop()
        .unwrap();
    assert_eq!(
        (logged.action.as_str(), logged.object, logged.actor.as_str()),
        ("certificate.issue", issued.id.to_string(), "anna (anna-id)")
    );
    assert_eq!(logged.details["serial"], issued.serial.to_string());
}

#[tokio::test]
async fn refusals_have_codes_are_recorded_and_explained() {
    let bed = Bed::ready().await;
    let holder = Holder::new();
    let good = csr(&holder, "", &["dns:host.example"]);
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    let cases = [
        ("csr_signature_invalid", request(forged, "tls-server")),
        ("csr_malformed", request(b"rubbish".to_vec(), "tls-server")),
        ("csr_too_long", request(vec![0x30; 100_000], "tls-server")),
        ("unknown_profile", request(good.clone(), "no-such-profile")),
        (
            "san_type_not_allowed",
            request(csr(&holder, "", &["email:a@host.example"]), "tls-server"),
        ),
        ("san_required", request(csr(&holder, "CN=x", &[]), "tls-server")),
        ("ca_not_allowed", request(ca_csr(&holder, "CN=x"), "tls-client")),
        (
            "unknown_issuer",
            IssueRequest {
                issuer: Some("nobody".into()),
                ..request(good.clone(), "tls-server")
            },
        ),
        (
            "validity_invalid",
            IssueRequest {
                validity: Some(Duration::ZERO),
                ..request(good.clone(), "tls-server")
            },
        ),
    ];
    for (code, order) in cases {
        let error = bed.authority.issue(&admin(), order).await.unwrap_err();
        assert_eq!(error.code(), code);
        let told = bed
            .authority
            .explain(&admin(), error.order_id().unwrap())
            .await
            .unwrap();
        assert_eq!(
            (told.state.as_str(), told.code.as_deref()),
            ("refused", Some(code))
        );
        assert_eq!(told.message, Some(error.to_string()));
    }
    let filter = ca::Filter {
        profile: Some("tls-server".into()),
        ..ca::Filter::default()
    };
    let all = bed.authority.certificates(&admin(), filter).await.unwrap();
    assert!(all.items.is_empty());
}

#[tokio::test]
async fn the_lint_refuses_with_its_findings() {
    let bed = Bed::ready().await;
    let profile = bed.authority.profile("tls-server").unwrap().profile;
    let mut profile = std::sync::Arc::unwrap_or_clone(profile);
    profile.name = "odd-country".to_owned();
    profile.subject = pki::profile::SubjectPolicy::default();
    bed.authority.put_profile(&admin(), profile).await.unwrap();
    let order = request(
        csr(&Holder::new(), "CN=host.example,C=Germany", &["dns:host.example"]),
        "odd-country",
    );
    let error = bed.authority.issue(&admin(), order).await.unwrap_err();
    assert_eq!(error.code(), "lint_failed");
    assert_eq!(error.details()[0]["rule"], "subject_country");
    let told = bed
        .authority
        .explain(&admin(), error.order_id().unwrap())
        .await
        .unwrap();
    assert_eq!(told.details[0]["rule"], "subject_country");
}

#[tokio::test]
async fn the_issuer_may_be_left_out_while_it_is_clear() {
    let bed = Bed::ready().await;
    let issued = bed.server("host.example").await;
    assert_eq!(issued.issuer_id, bed.issuer("issuing").id);
    let second = crate::bed::issuing("second", "root", pki::KeyAlgorithm::P256);
    bed.authority.create_issuing(&admin(), second).await.unwrap();
    let error = bed
        .authority
        .issue(&admin(), server_request("host.example"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "issuer_required");
    let named = IssueRequest {
        issuer: Some("second".into()),
        ..server_request("host.example")
    };
    assert_eq!(
        bed.authority.issue(&admin(), named).await.unwrap().issuer_id,
        bed.issuer("second").id
    );
}

#[tokio::test]
async fn every_ready_profile_issues() {
    let bed = Bed::ready().await;
    let names = |profile: &str| match profile {
        "tls-server" => vec!["dns:host.example"],
        "smime" => vec!["email:a@host.example"],
        _ => Vec::new(),
    };
    for profile in pki::profile::Profile::ready() {
        let is_authority = profile.is_authority();
        let from = if is_authority { "root" } else { "issuing" };
        let subject = if profile.name == "tls-server" {
            ""
        } else {
            "CN=somebody,O=Example"
        };
        let holder = Holder::new();
        let body = if is_authority {
            ca_csr(&holder, subject)
        } else {
            csr(&holder, subject, &names(&profile.name))
        };
        let order = IssueRequest {
            issuer: Some(from.into()),
            ..request(body, &profile.name)
        };
        let issued = bed
            .authority
            .issue(&admin(), order)
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", profile.name));
        assert_eq!(certificate(&issued).is_ca(), is_authority);
    }
}

#[tokio::test]
async fn many_at_once_share_commits_and_never_a_serial() {
    let bed = Bed::ready().await;
    let before = bed.metric("chancery_store_commits_total");
    let tasks: Vec<_> = (0..200)
        .map(|number| {
            let authority = bed.authority.clone();
            tokio::spawn(async move {
                authority
                    .issue(&admin(), server_request(&format!("h{number}.example")))
                    .await
            })
        })
        .collect();
    let mut serials = std::collections::HashSet::new();
    for task in tasks {
        serials.insert(task.await.unwrap().unwrap().serial);
    }
    assert_eq!(serials.len(), 200);
    let commits = bed.metric("chancery_store_commits_total") - before;
    assert!(commits < 400.0, "{commits} commits for 400 jobs");
}

#[tokio::test]
async fn certificates_are_listed_by_page_and_filter() {
    let bed = Bed::ready().await;
    for number in 0..5 {
        bed.server(&format!("h{number}.example")).await;
    }
    let filter = ca::Filter {
        profile: Some("tls-server".into()),
        limit: Some(2),
        ..ca::Filter::default()
    };
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = bed
            .authority
            .certificates(
                &admin(),
                ca::Filter {
                    cursor,
                    ..filter.clone()
                },
            )
            .await
            .unwrap();
        seen.extend(page.items.iter().map(|item| item.serial));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 5);
    let one = ca::Filter {
        name: Some("h3.example".into()),
        ..ca::Filter::default()
    };
    assert_eq!(
        bed.authority
            .certificates(&admin(), one)
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    let odd = ca::Filter {
        status: Some("odd".into()),
        ..ca::Filter::default()
    };
    assert_eq!(
        bed.authority
            .certificates(&admin(), odd)
            .await
            .unwrap_err()
            .code(),
        "status_invalid"
    );
}

#[tokio::test]
async fn the_appliance_gets_its_own_server_certificate() {
    let bed = Bed::ready().await;
    let tls = bed
        .authority
        .tls_certificate(&["localhost".into(), "127.0.0.1".into()], None)
        .await
        .unwrap();
    let leaf = Certificate::from_der(&tls.certificate_der).unwrap();
    let key = pki::key_file::parse(&tls.key_pkcs8, None).unwrap();
    assert_eq!(leaf.public_key(), &key.public_key);
    let names: Vec<String> = leaf
        .subject_alt_names()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(names, ["dns:localhost", "ip:127.0.0.1"]);
    assert!(bed.clock.now() < tls.renew_at && tls.renew_at < tls.not_after);
    assert_eq!(
        bed.authority
            .tls_certificate(&["not a name".into()], None)
            .await
            .unwrap_err()
            .code(),
        "name_invalid"
    );
}
