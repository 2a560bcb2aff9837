//! A CA under a foreign authority; the foreign authority is another of ours.

use ca::{ImportChain, IssueRequest, IssuerEntry, IssuerState, Rollover, Subordinate};
use pki::{Certificate, Csr, KeyAlgorithm, chain};

use crate::bed::{Bed, admin, certificate};
use crate::request::{Holder, ca_csr};

fn subordinate(name: &str) -> Subordinate {
    Subordinate {
        name: name.to_owned(),
        subject: "CN=Sub,O=Example".to_owned(),
        key_algorithm: KeyAlgorithm::P256,
        signature_algorithm: None,
        token: "software".to_owned(),
        crl: ca::CrlPlan::default(),
    }
}

/// What the foreign root makes of a request, as PEM with the root below it.
async fn certified(foreign: &Bed, csr: Vec<u8>) -> Vec<u8> {
    let order = IssueRequest {
        csr,
        profile: "sub-ca".into(),
        issuer: Some("root".into()),
        ..IssueRequest::default()
    };
    let issued = foreign.authority.issue(&admin(), order).await.unwrap();
    let root = foreign.issuer("root").certificate.clone().unwrap();
    [certificate(&issued).pem(), root.pem()].concat().into_bytes()
}

async fn import(
    bed: &Bed,
    issuer: &str,
    certificates: Vec<u8>,
) -> Result<std::sync::Arc<IssuerEntry>, &'static str> {
    let request = ImportChain {
        issuer: issuer.to_owned(),
        certificates,
    };
    bed.authority
        .import_certificate(&admin(), request)
        .await
        .map_err(|error| error.code())
}

#[tokio::test]
async fn the_request_is_signed_the_chain_imported_and_the_ca_issues() {
    let (foreign, bed) = (Bed::ready().await, Bed::empty().await);
    let pending = bed
        .authority
        .subordinate_csr(&admin(), subordinate("sub"))
        .await
        .unwrap();
    assert_eq!(pending.state, IssuerState::Pending);
    let request = Csr::parse(&pending.csr.clone().unwrap())
        .unwrap()
        .verify()
        .unwrap();
    assert!(request.requested_ca());
    assert_eq!(request.public_key().fingerprint(), pending.key);
    let order = crate::bed::server_request("host.example");
    assert_eq!(
        bed.authority
            .issue(&admin(), order.clone())
            .await
            .unwrap_err()
            .code(),
        "no_issuer"
    );
    // A pending issuer survives a restart.
    let bed = bed.restarted().await;
    let active = import(
        &bed,
        "sub",
        certified(&foreign, pending.csr.clone().unwrap()).await,
    )
    .await
    .unwrap();
    assert_eq!((active.state, active.id), (IssuerState::Active, pending.id));
    let issued = bed.authority.issue(&admin(), order).await.unwrap();
    let above = issued
        .chain
        .der()
        .iter()
        .map(|der| Certificate::from_der(der).unwrap());
    let root = foreign.issuer("root").certificate.clone().unwrap();
    let whole: Vec<Certificate> = std::iter::once(certificate(&issued))
        .chain(above)
        .chain([root])
        .collect();
    assert_eq!(whole.len(), 3);
    chain::verify(&whole, bed.clock.now()).unwrap();
    assert!(bed.authority.current_crl(active.id).is_some());
    assert_eq!(
        import(&bed, "sub", Vec::new()).await.unwrap_err(),
        "certificate_malformed"
    );
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_it_stays_pending() {
    let (foreign, bed) = (Bed::ready().await, Bed::empty().await);
    let pending = bed
        .authority
        .subordinate_csr(&admin(), subordinate("sub"))
        .await
        .unwrap();
    let csr = pending.csr.clone().unwrap();
    let other = certified(&foreign, ca_csr(&Holder::new(), "CN=Other")).await;
    assert_eq!(import(&bed, "sub", other).await.unwrap_err(), "key_mismatch");
    // Not a CA: the same key in an end-entity certificate.
    let holder_csr = {
        let order = IssueRequest {
            csr: csr.clone(),
            profile: "sub-ca".into(),
            issuer: Some("root".into()),
            validity: Some(std::time::Duration::from_hours(1)),
            ..IssueRequest::default()
        };
        foreign.authority.issue(&admin(), order).await.unwrap()
    };
    bed.advance(jiff::SignedDuration::from_hours(2));
    let expired = certificate(&holder_csr).pem().into_bytes();
    assert_eq!(
        import(&bed, "sub", expired).await.unwrap_err(),
        "certificate_not_valid"
    );
    bed.advance(jiff::SignedDuration::from_hours(-2));
    // A stranger in the bundle, and a broken signature.
    let stray = Bed::ready().await.issuer("root").certificate.clone().unwrap();
    let mut bundle = certified(&foreign, csr.clone()).await;
    bundle.extend(stray.pem().into_bytes());
    assert_eq!(import(&bed, "sub", bundle).await.unwrap_err(), "chain_invalid");
    assert_eq!(
        import(&bed, "nobody", certified(&foreign, csr.clone()).await)
            .await
            .unwrap_err(),
        "not_found"
    );
    assert_eq!(bed.issuer("sub").state, IssuerState::Pending);
    let active = import(&bed, "sub", certified(&foreign, csr.clone()).await)
        .await
        .unwrap();
    assert_eq!(
        import(&bed, &active.id.to_string(), certified(&foreign, csr).await)
            .await
            .unwrap_err(),
        "issuer_not_pending"
    );
}

#[tokio::test]
async fn a_chain_that_leaves_no_room_is_refused() {
    let (foreign, bed) = (Bed::ready().await, Bed::empty().await);
    let pending = bed
        .authority
        .subordinate_csr(&admin(), subordinate("sub"))
        .await
        .unwrap();
    // An authority whose path length is zero certifies a CA all the same: made by hand, since ours would refuse.
    let evil = Holder::new();
    let order = IssueRequest {
        csr: ca_csr(&evil, "CN=Evil"),
        profile: "sub-ca".into(),
        issuer: Some("root".into()),
        ..IssueRequest::default()
    };
    let evil_certificate = certificate(&foreign.authority.issue(&admin(), order).await.unwrap());
    let below = signed_by(&evil, &evil_certificate, &pending);
    let bundle = [
        below.pem(),
        evil_certificate.pem(),
        foreign.issuer("root").certificate.clone().unwrap().pem(),
    ];
    assert_eq!(
        import(&bed, "sub", bundle.concat().into_bytes())
            .await
            .unwrap_err(),
        "path_length_exceeded"
    );
}

/// A CA certificate that no careful authority would make.
fn signed_by(holder: &Holder, issuer: &Certificate, pending: &IssuerEntry) -> Certificate {
    let request = Csr::parse(&pending.csr.clone().unwrap()).unwrap();
    let profile = pki::profile::Profile::ready_named("root").unwrap();
    let order = pki::profile::Order {
        subject: request.subject().clone(),
        names: Vec::new(),
        public_key: request.public_key().clone(),
        validity: None,
        ms_sid: None,
    };
    let mut view = pki::profile::IssuerView::from_certificate(
        issuer,
        pki::SignatureAlgorithm::EcdsaSha256,
        pki::profile::Urls::default(),
    );
    view.path_length = None;
    let now = crate::bed::START.parse().unwrap();
    let tbs = pki::profile::build(profile, &order, &view, &pki::Serial::from_random([5; 16]), now).unwrap();
    let linted = pki::lint::certificate(tbs, &pki::lint::Context { issuer: &view, now }).unwrap();
    let signature = holder.sign(linted.der());
    Certificate::from_der(&linted.assemble(&signature)).unwrap()
}

#[tokio::test]
async fn its_rollover_waits_for_the_foreign_authority_while_the_old_one_issues() {
    let (foreign, bed) = (Bed::ready().await, Bed::empty().await);
    let first = bed
        .authority
        .subordinate_csr(&admin(), subordinate("sub"))
        .await
        .unwrap();
    import(&bed, "sub", certified(&foreign, first.csr.clone().unwrap()).await)
        .await
        .unwrap();
    let request = Rollover {
        issuer: "sub".into(),
        ..Rollover::default()
    };
    let second = bed.authority.rollover(&admin(), request.clone()).await.unwrap();
    assert_eq!((second.state, second.generation), (IssuerState::Pending, 2));
    assert_eq!(
        bed.authority
            .rollover(&admin(), request)
            .await
            .unwrap_err()
            .code(),
        "rollover_pending"
    );
    assert_eq!(bed.server("a.example").await.issuer_id, first.id);
    import(
        &bed,
        "sub",
        certified(&foreign, second.csr.clone().unwrap()).await,
    )
    .await
    .unwrap();
    assert_eq!(bed.server("b.example").await.issuer_id, second.id);
    assert_eq!(bed.issuer(&first.id.to_string()).state, IssuerState::Retired);
}

/// The authority above is offline, and its list is imported here: what it says of the CA holds, also after a restart.
#[tokio::test]
async fn one_that_an_imported_list_revokes_issues_no_more() {
    let (foreign, bed) = (Bed::ready().await, Bed::empty().await);
    let root = foreign.issuer("root").certificate.clone().unwrap();
    let request = ca::ImportOffline {
        name: "far".to_owned(),
        certificates: root.pem().into_bytes(),
        id: None,
        ca_url: None,
        crl_url: None,
    };
    bed.authority.import_offline(&admin(), request).await.unwrap();
    let pending = bed
        .authority
        .subordinate_csr(&admin(), subordinate("sub"))
        .await
        .unwrap();
    let certificates = certified(&foreign, pending.csr.clone().unwrap()).await;
    import(&bed, "sub", certificates).await.unwrap();
    let order = || crate::bed::server_request("host.example");
    let list = async || {
        let crl = foreign.authority.publish_crl(&admin(), "root").await.unwrap();
        let crl = crl.body.read(0, usize::MAX).unwrap();
        bed.authority.import_crl(&admin(), "far", &crl).await.unwrap();
    };
    list().await;
    bed.authority.issue(&admin(), order()).await.unwrap();
    assert_eq!(bed.authority.revocation_of(&bed.issuer("sub")), None);

    let serial = bed.issuer("sub").certificate.as_ref().unwrap().serial();
    let revoke = async |reason| {
        let request = ca::RevokeRequest {
            certificate: ca::CertRef::Serial(serial),
            reason,
            invalidity_date: None,
        };
        foreign.authority.revoke(&admin(), request).await.unwrap();
    };
    let refused = async |bed: &Bed| bed.authority.issue(&admin(), order()).await.unwrap_err().code();
    let is_told = async |bed: &Bed| {
        let problems = bed.authority.health().await.problems;
        problems.iter().any(|problem| problem.code == "issuer_revoked")
    };
    revoke(pki::RevocationReason::CertificateHold).await;
    list().await;
    assert_eq!(refused(&bed).await, "issuer_revoked");
    assert!(is_told(&bed).await);
    // A list is the whole word of its CA: what it does not name any more is not revoked.
    revoke(pki::RevocationReason::RemoveFromCrl).await;
    list().await;
    bed.authority.issue(&admin(), order()).await.unwrap();
    assert!(!is_told(&bed).await);

    revoke(pki::RevocationReason::CaCompromise).await;
    list().await;
    assert_eq!(refused(&bed).await, "issuer_revoked");
    let bed = bed.restarted().await;
    assert_eq!(refused(&bed).await, "issuer_revoked");
    let (_, reason) = bed.authority.revocation_of(&bed.issuer("sub")).unwrap();
    assert_eq!(reason, pki::RevocationReason::CaCompromise);
}
