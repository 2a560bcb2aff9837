//! Making roots and issuing CAs.

use ca::{Error, IssuerState};
use pki::{Certificate, Crl, KeyAlgorithm, SignatureAlgorithm, chain};

use crate::bed::{Bed, admin, issuing, root};

#[tokio::test]
async fn a_root_and_an_issuing_ca_stand_with_crl_and_responder() {
    let bed = Bed::ready().await;
    let (root, issuing) = (bed.issuer("root"), bed.issuer("issuing"));
    let (root_certificate, own) = (
        root.certificate.clone().unwrap(),
        issuing.certificate.clone().unwrap(),
    );
    chain::verify(&[own.clone(), root_certificate.clone()], bed.clock.now()).unwrap();
    assert!(root_certificate.is_self_signed() && !own.is_self_signed());
    assert_eq!(
        (root.state, issuing.state),
        (IssuerState::Active, IssuerState::Active)
    );
    assert_eq!((own.path_len(), issuing.parent), (Some(0), Some(root.id)));
    assert_eq!(own.ocsp_urls(), std::slice::from_ref(&root.ocsp_url));
    assert_eq!(
        root.ocsp_url,
        format!("http://pki.example/.well-known/pki/ocsp/{}", root.id)
    );
    for entry in [&root, &issuing] {
        let key = entry.certificate.as_ref().unwrap().public_key();
        let crl = bed.authority.current_crl(entry.id).unwrap();
        let parsed = Crl::parse(&crl.der().unwrap()).unwrap();
        parsed.verify_signed_by(key).unwrap();
        assert_eq!((parsed.number(), parsed.entries().count()), (Some(1), 0));
        let responder = bed.authority.responder(&admin(), entry.id).unwrap().unwrap();
        let responder = Certificate::from_der(&responder.certificate).unwrap();
        responder.verify_signed_by(key).unwrap();
        assert_ne!(responder.public_key(), key);
    }
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let bed = Bed::ready().await;
    let before = bed.issuer("issuing");
    let bed = bed.restarted().await;
    let after = bed.issuer("issuing");
    assert_eq!(
        (after.id, after.chain.clone(), after.key),
        (before.id, before.chain.clone(), before.key)
    );
    assert_eq!(bed.authority.current_crl(after.id).unwrap().number, 1);
    assert!(bed.authority.responder(&admin(), after.id).unwrap().is_some());
    assert!(bed.authority.recovered().orphans.is_empty());
    bed.server("after.example").await;
}

#[tokio::test]
async fn every_kind_of_key_makes_a_ca_that_issues() {
    for text in [
        "rsa-2048",
        "ec-p384",
        "ec-p521",
        "ed25519",
        "ml-dsa-44",
        "ml-dsa-65",
        "ml-dsa-87",
    ] {
        let algorithm: KeyAlgorithm = text.parse().unwrap();
        let bed = Bed::empty().await;
        bed.authority
            .create_root(&admin(), root("root", algorithm))
            .await
            .unwrap();
        bed.authority
            .create_issuing(&admin(), issuing("issuing", "root", algorithm))
            .await
            .unwrap();
        let issued = bed.server("host.example").await;
        let leaf = Certificate::clone(&issued.certificate);
        let own = bed.issuer("issuing").certificate.clone().unwrap();
        chain::verify(
            &[leaf, own, bed.issuer("root").certificate.clone().unwrap()],
            bed.clock.now(),
        )
        .unwrap();
        let answer = bed
            .authority
            .answer_ocsp_serial(issued.issuer_id, issued.serial)
            .await;
        assert_eq!(answer.kind, ca::OcspAnswerKind::Good, "{text}");
    }
}

#[tokio::test]
async fn a_root_signs_with_the_algorithm_it_was_told() {
    let bed = Bed::empty().await;
    let mut request = root("pss", KeyAlgorithm::Rsa(2048));
    request.signature_algorithm = Some(SignatureAlgorithm::RsaPssSha256);
    let entry = bed.authority.create_root(&admin(), request).await.unwrap();
    assert_eq!(
        entry.certificate.clone().unwrap().signature_algorithm(),
        SignatureAlgorithm::RsaPssSha256
    );
    let mut request = root("odd", KeyAlgorithm::P256);
    request.signature_algorithm = Some(SignatureAlgorithm::Ed25519);
    let error = bed.authority.create_root(&admin(), request).await.unwrap_err();
    assert_eq!(error.code(), "signature_algorithm_mismatch");
}

#[tokio::test]
async fn wrong_requests_change_nothing() {
    let bed = Bed::ready().await;
    let keys = bed.ring.list().len();
    let other = || root("other", KeyAlgorithm::P256);
    let wrong = [
        ("issuer_exists", root("root", KeyAlgorithm::P256)),
        ("name_invalid", root("Not A Name", KeyAlgorithm::P256)),
        (
            "subject_required",
            ca::CreateRoot {
                subject: String::new(),
                ..other()
            },
        ),
        (
            "subject_invalid",
            ca::CreateRoot {
                subject: "nothing".into(),
                ..other()
            },
        ),
        (
            "profile_not_for_authorities",
            ca::CreateRoot {
                profile: Some("tls-server".into()),
                ..other()
            },
        ),
    ];
    for (code, request) in wrong {
        assert_eq!(
            bed.authority
                .create_root(&admin(), request)
                .await
                .unwrap_err()
                .code(),
            code
        );
    }
    let away = ca::CreateRoot {
        token: "no-such-token".into(),
        ..other()
    };
    assert_eq!(
        bed.authority
            .create_root(&admin(), away)
            .await
            .unwrap_err()
            .code(),
        "hsm_refused"
    );
    let orphan = bed
        .authority
        .create_issuing(&admin(), issuing("x", "nobody", KeyAlgorithm::P256))
        .await
        .unwrap_err();
    assert!(matches!(orphan, Error::NotFound { .. }));
    assert_eq!((bed.authority.issuers().len(), bed.ring.list().len()), (2, keys));
}

#[tokio::test]
async fn a_ca_below_a_path_length_of_zero_is_refused_and_its_name_is_free_again() {
    let bed = Bed::ready().await;
    let request = issuing("deep", "issuing", KeyAlgorithm::P256);
    let error = bed
        .authority
        .create_issuing(&admin(), request.clone())
        .await
        .unwrap_err();
    assert_eq!(error.code(), "path_length_exhausted");
    assert!(bed.authority.issuer("deep").is_err());
    let request = ca::CreateIssuing {
        parent: "root".to_owned(),
        ..request
    };
    let entry = bed.authority.create_issuing(&admin(), request).await.unwrap();
    assert_eq!(entry.state, IssuerState::Active);
}
