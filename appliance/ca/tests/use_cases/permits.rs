//! Roles and scopes, over every use case that asks for them.

use ca::{CertRef, Filter, IssueRequest, RenewRequest, RevokeRequest, Role, Scope};
use pki::KeyAlgorithm;
use pki::crl::RevocationReason;

use crate::bed::{Bed, admin, certificate, principal, root, server_request};
use crate::request::{Holder, ca_csr};

fn revocation(id: uuid::Uuid) -> RevokeRequest {
    RevokeRequest {
        certificate: CertRef::Id(id),
        reason: RevocationReason::Superseded,
        invalidity_date: None,
    }
}

#[tokio::test]
async fn roles_decide_what_is_done() {
    let bed = Bed::ready().await;
    let of = |role| principal("anna", role);
    for role in [Role::Operator, Role::Requester] {
        bed.authority
            .issue(&of(role), server_request("host.example"))
            .await
            .unwrap();
        // Nobody but an admin has authorities certified.
        let order = IssueRequest {
            csr: ca_csr(&Holder::new(), "CN=Sub"),
            profile: "sub-ca".into(),
            issuer: Some("root".into()),
            ..IssueRequest::default()
        };
        assert_eq!(
            bed.authority.issue(&of(role), order).await.unwrap_err().code(),
            "role_insufficient"
        );
    }
    for role in [Role::Operator, Role::Requester, Role::Auditor] {
        let error = bed
            .authority
            .create_root(&of(role), root("x", KeyAlgorithm::P256))
            .await
            .unwrap_err();
        assert_eq!(error.code(), "role_insufficient");
        let profile = bed.authority.profile("device").unwrap().profile;
        assert_eq!(
            bed.authority
                .put_profile(&of(role), profile.as_ref().clone())
                .await
                .unwrap_err()
                .code(),
            "role_insufficient"
        );
        assert_eq!(
            bed.authority.accept_clock(&of(role)).await.unwrap_err().code(),
            "role_insufficient"
        );
    }
    let auditor = of(Role::Auditor);
    assert_eq!(
        bed.authority
            .issue(&auditor, server_request("x.example"))
            .await
            .unwrap_err()
            .code(),
        "role_insufficient"
    );
    assert_eq!(
        bed.authority
            .publish_crl(&auditor, "issuing")
            .await
            .unwrap_err()
            .code(),
        "role_insufficient"
    );
    bed.authority.audit_tail(&auditor, 0, 10).await.unwrap();
    bed.authority.keys(&auditor).await.unwrap();
    for role in [Role::Operator, Role::Requester] {
        assert_eq!(
            bed.authority.audit_verify(&of(role)).await.unwrap_err().code(),
            "role_insufficient"
        );
    }
    assert_eq!(
        bed.authority.keys(&of(Role::Requester)).await.unwrap_err().code(),
        "role_insufficient"
    );
}

#[tokio::test]
async fn a_requester_has_its_own_certificates_and_no_others() {
    let bed = Bed::ready().await;
    let (anna, bert) = (
        principal("anna", Role::Requester),
        principal("bert", Role::Requester),
    );
    let issued = bed
        .authority
        .issue(&anna, server_request("host.example"))
        .await
        .unwrap();
    let reference = CertRef::Id(issued.id);
    assert_eq!(
        bed.authority
            .certificate(&bert, reference)
            .await
            .unwrap_err()
            .code(),
        "not_found"
    );
    assert_eq!(
        bed.authority
            .revoke(&bert, revocation(issued.id))
            .await
            .unwrap_err()
            .code(),
        "not_found"
    );
    assert_eq!(
        bed.authority
            .explain(&bert, issued.order_id)
            .await
            .unwrap_err()
            .code(),
        "not_found"
    );
    assert!(
        bed.authority
            .certificates(&bert, Filter::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
    let of_anna = Filter {
        requester: Some("anna".into()),
        ..Filter::default()
    };
    assert!(
        bed.authority
            .certificates(&bert, of_anna)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert_eq!(
        bed.authority
            .certificates(&anna, Filter::default())
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    bed.authority.explain(&anna, issued.id).await.unwrap();
    bed.authority.revoke(&anna, revocation(issued.id)).await.unwrap();
}

#[tokio::test]
async fn scopes_narrow_issuers_and_profiles() {
    let bed = Bed::ready().await;
    let mut anna = principal("anna", Role::Operator);
    anna.profiles = Scope::of(["device".to_owned()]);
    let error = bed
        .authority
        .issue(&anna, server_request("host.example"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "scope_insufficient");
    anna.profiles = Scope::All;
    anna.issuers = Scope::of(["root".to_owned()]);
    let named = IssueRequest {
        issuer: Some("issuing".into()),
        ..server_request("host.example")
    };
    assert_eq!(
        bed.authority.issue(&anna, named).await.unwrap_err().code(),
        "scope_insufficient"
    );
    let foreign = bed.server("host.example").await;
    assert_eq!(
        bed.authority
            .revoke(&anna, revocation(foreign.id))
            .await
            .unwrap_err()
            .code(),
        "scope_insufficient"
    );
    assert_eq!(
        bed.authority
            .publish_crl(&anna, "issuing")
            .await
            .unwrap_err()
            .code(),
        "scope_insufficient"
    );
    anna.issuers = Scope::of([bed.issuer("issuing").id.to_string()]);
    bed.authority
        .issue(&anna, server_request("host.example"))
        .await
        .unwrap();
}

#[tokio::test]
async fn only_an_admin_ends_authorities_and_responders() {
    let bed = Bed::ready().await;
    let id = bed.issuer("issuing").id;
    let responder = bed.authority.responder(&admin(), id).unwrap().unwrap();
    let issuing = bed.issuer("issuing").certificate.clone().unwrap();
    let issuing = CertRef::Serial(issuing.serial());
    for certificate in [CertRef::Id(responder.certificate_id), issuing] {
        let request = RevokeRequest {
            certificate,
            reason: RevocationReason::Superseded,
            invalidity_date: None,
        };
        for role in [Role::Operator, Role::Requester] {
            let error = bed
                .authority
                .revoke(&principal("chancery", role), request)
                .await
                .unwrap_err();
            assert!(
                ["role_insufficient", "not_found"].contains(&error.code()),
                "{error}"
            );
        }
        bed.authority.revoke(&admin(), request).await.unwrap();
    }
}

#[tokio::test]
async fn only_those_who_vouch_give_a_security_identifier() {
    let bed = Bed::ready().await;
    let order = IssueRequest {
        csr: crate::request::csr(&Holder::new(), "CN=anna", &[]),
        profile: "tls-client".into(),
        microsoft_sid: Some("S-1-5-21-1-2-3-500".into()),
        ..IssueRequest::default()
    };
    let error = bed
        .authority
        .issue(&principal("anna", Role::Requester), order.clone())
        .await
        .unwrap_err();
    assert_eq!(error.code(), "role_insufficient");
    let issued = bed.authority.issue(&admin(), order).await.unwrap();
    let sid = "S-1-5-21-1-2-3-500";
    assert_eq!(certificate(&issued).microsoft_sid().unwrap(), sid);
    let renewal = RenewRequest {
        certificate: CertRef::Id(issued.id),
        csr: None,
        validity: None,
    };
    let renewed = bed
        .authority
        .renew(&principal("op", Role::Operator), renewal)
        .await
        .unwrap();
    assert_eq!(certificate(&renewed).microsoft_sid().unwrap(), sid);
}

#[tokio::test]
async fn every_change_is_in_a_sound_log() {
    let bed = Bed::ready().await;
    let issued = bed.server("host.example").await;
    bed.authority
        .revoke(&admin(), revocation(issued.id))
        .await
        .unwrap();
    bed.authority.publish_due_crls().await.unwrap();
    let actions: Vec<String> = bed
        .authority
        .audit_tail(&admin(), 0, 1000)
        .await
        .unwrap()
        .into_iter()
        .map(|entry| entry.action)
        .collect();
    for action in [
        "profile.seed",
        "issuer.begin",
        "issuer.activate",
        "crl.publish",
        "key.generate",
        "responder.renew",
        "certificate.issue",
        "certificate.revoke",
    ] {
        assert!(
            actions.iter().any(|known| known == action),
            "{action} is not in {actions:?}"
        );
    }
    let verdict = bed.authority.audit_verify(&admin()).await.unwrap();
    let entries = i64::try_from(actions.len()).unwrap();
    assert!(matches!(verdict, ca::AuditVerdict::Sound { entries: counted, .. } if counted == entries));
}
