//! CAs whose key is on another machine: their certificates and lists are handed out, and nothing is signed for them.

use ca::{Authority, CertifyForeign, ImportOffline, Offline, Possession, RevokeRequest};
use pki::{Crl, KeyAlgorithm};

use crate::bed::{Bed, admin, root, server_request};
use crate::request::{Holder, ca_csr};
use crate::several::Pair;

fn import(name: &str, certificates: String) -> ImportOffline {
    ImportOffline {
        name: name.to_owned(),
        certificates: certificates.into_bytes(),
        id: None,
        ca_url: None,
        crl_url: None,
    }
}

/// A machine with an offline root, and what it publishes.
async fn offline() -> Bed {
    let bed = Bed::empty().await;
    let made = bed
        .authority
        .create_offline_root(&admin(), root("root", KeyAlgorithm::P256), Offline::default())
        .await
        .unwrap();
    assert!(bed.authority.current_crl(made.id).is_none());
    assert!(bed.authority.responder(&admin(), made.id).unwrap().is_none());
    assert_eq!(made.ocsp_url, "");
    bed
}

async fn list_of(bed: &Bed, name: &str) -> Vec<u8> {
    let lasting = std::time::Duration::from_hours(24);
    let crl = bed
        .authority
        .publish_crl_for(&admin(), name, lasting)
        .await
        .unwrap();
    crl.der().unwrap().to_vec()
}

async fn refused(authority: &Authority, crl: &[u8]) -> &'static str {
    authority
        .import_crl(&admin(), "far", crl)
        .await
        .unwrap_err()
        .code()
}

#[tokio::test]
async fn its_certificate_and_its_lists_are_handed_out() {
    let (machine, bed) = (offline().await, Bed::empty().await);
    let own = machine.issuer("root");
    let pem = own.certificate.as_ref().unwrap().pem();
    let request = ImportOffline {
        id: Some(own.id),
        ..import("far", pem.clone())
    };
    let known = bed.authority.import_offline(&admin(), request).await.unwrap();
    assert!(known.is_elsewhere() && known.id == own.id);
    assert_eq!(known.crl_url, own.crl_url);
    assert_eq!(bed.authority.health().await.problems[0].code, "crl_expired");
    let first = list_of(&machine, "root").await;
    let published = bed.authority.import_crl(&admin(), "far", &first).await.unwrap();
    assert_eq!((published.number, published.entries), (1, 0));
    assert!(bed.authority.health().await.problems.is_empty());
    // It stays over a restart, and nothing is made in its place.
    let bed = bed.restarted().await;
    assert_eq!(bed.authority.publish_due_crls().await.unwrap(), 0);
    assert_eq!(bed.authority.renew_due_responders().await.unwrap(), 0);
    let kept = bed.authority.current_crl(own.id).unwrap();
    assert_eq!(kept.der().unwrap(), first);
    // In PEM, too.
    let csr = ca_csr(&Holder::new(), "CN=Sub");
    let order = CertifyForeign {
        issuer: "root".to_owned(),
        possession: Possession::Csr(csr),
        subject: "CN=Sub".to_owned(),
        profile: "sub-ca".to_owned(),
        validity: None,
    };
    let issued = machine
        .authority
        .certify_foreign(&admin(), order.clone())
        .await
        .unwrap();
    let revoke = RevokeRequest {
        certificate: ca::CertRef::Id(issued.id),
        reason: pki::RevocationReason::CaCompromise,
        invalidity_date: None,
    };
    machine.authority.revoke(&admin(), revoke).await.unwrap();
    let second = Crl::parse(&list_of(&machine, "root").await).unwrap();
    let published = bed
        .authority
        .import_crl(&admin(), "far", second.pem().as_bytes())
        .await
        .unwrap();
    assert_eq!((published.number, published.entries), (2, 1));
    // It issues and signs nothing here.
    let error = bed.authority.publish_crl(&admin(), "far").await.unwrap_err();
    assert_eq!(error.code(), "issuer_offline");
    let request = ca::IssueRequest {
        issuer: Some("far".into()),
        ..server_request("a.example")
    };
    assert_eq!(
        bed.authority.issue(&admin(), request).await.unwrap_err().code(),
        "issuer_not_active"
    );
    let refusal = bed
        .authority
        .import_offline(&admin(), import("far-2", pem))
        .await
        .unwrap_err();
    assert_eq!(refusal.code(), "issuer_exists");
    let wrong = CertifyForeign {
        subject: "CN=Other".to_owned(),
        ..order
    };
    let refusal = machine
        .authority
        .certify_foreign(&admin(), wrong)
        .await
        .unwrap_err();
    assert_eq!(refusal.code(), "subject_not_ordered");
}

#[tokio::test]
async fn a_list_that_is_not_its_own_newest_is_refused_and_the_published_one_stays() {
    let (machine, bed) = (offline().await, Bed::ready().await);
    let own = machine.issuer("root");
    let certificate = own.certificate.as_ref().unwrap();
    bed.authority
        .import_offline(&admin(), import("far", certificate.pem()))
        .await
        .unwrap();
    let first = list_of(&machine, "root").await;
    let second = list_of(&machine, "root").await;
    let other = list_of(&offline().await, "root").await;
    bed.authority.import_crl(&admin(), "far", &second).await.unwrap();
    assert_eq!(refused(&bed.authority, &first).await, "crl_not_newer");
    assert_eq!(refused(&bed.authority, &second).await, "crl_not_newer");
    assert_eq!(refused(&bed.authority, &other).await, "crl_not_of_issuer");
    assert_eq!(refused(&bed.authority, b"none").await, "crl_malformed");
    let error = bed
        .authority
        .import_crl(&admin(), "root", &second)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "issuer_not_offline");
    machine.advance(jiff::SignedDuration::from_hours(1));
    let future = list_of(&machine, "root").await;
    assert_eq!(refused(&bed.authority, &future).await, "crl_not_valid");
    bed.advance(jiff::SignedDuration::from_hours(48));
    assert_eq!(refused(&bed.authority, &future).await, "crl_not_valid");
    let id = bed.issuer("far").id;
    assert_eq!(bed.authority.current_crl(id).unwrap().der().unwrap(), second);
}

#[tokio::test]
async fn a_certificate_that_proves_nothing_is_not_cross_signed() {
    let (machine, bed) = (offline().await, Bed::ready().await);
    let issuing = bed.issuer("issuing").certificate.as_ref().unwrap().pem();
    let order = CertifyForeign {
        issuer: "root".to_owned(),
        possession: Possession::SelfSigned(issuing.into_bytes()),
        subject: "CN=Test issuing,O=Example".to_owned(),
        profile: "sub-ca".to_owned(),
        validity: None,
    };
    let refusal = machine
        .authority
        .certify_foreign(&admin(), order)
        .await
        .unwrap_err();
    assert_eq!(refusal.code(), "possession_not_proven");
}

/// Another server imports a newer one after this one has looked at what there is, and before it has the duty.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_servers_none_records_an_older_list_after_a_newer_one() {
    let (machine, pair) = (offline().await, Pair::ready().await);
    let certificate = machine.issuer("root").certificate.as_ref().unwrap().pem();
    let far = pair
        .one
        .import_offline(&admin(), import("far", certificate))
        .await
        .unwrap();
    let first = list_of(&machine, "root").await;
    let began = std::time::Instant::now();
    let importing = std::thread::scope(|scope| {
        let newer = format!(
            "BEGIN; LOCK TABLE leases IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(3);
             INSERT INTO settings (key, value) VALUES ('crl.imported.{}', '6'); COMMIT",
            far.id
        );
        let database = &pair.database;
        scope.spawn(move || database.run(&newer));
        let is_held = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'leases'::regclass";
        while database.run(is_held) == "0" {
            assert!(began.elapsed().as_secs() < 20, "nobody holds the duties");
        }
        let (one, first) = (pair.one.clone(), first.clone());
        tokio::spawn(async move { one.import_crl(&admin(), "far", &first).await })
    });
    let error = importing.await.unwrap().unwrap_err();
    assert_eq!(error.code(), "crl_not_newer", "{error}");
    assert!(pair.one.current_crl(far.id).is_none());
}
