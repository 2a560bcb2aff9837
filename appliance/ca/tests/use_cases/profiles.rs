//! Profiles in the store.

use pki::profile::{Lifetime, Profile};

use crate::bed::{Bed, admin, certificate, server_request};

#[tokio::test]
async fn the_ready_ones_are_seeded_once_and_stay_removed() {
    let bed = Bed::empty().await;
    let names: Vec<String> = bed
        .authority
        .profiles()
        .into_iter()
        .map(|entry| entry.profile.name.clone())
        .collect();
    assert_eq!(names.len(), Profile::ready().len());
    bed.authority.delete_profile(&admin(), "smime").await.unwrap();
    assert_eq!(
        bed.authority
            .delete_profile(&admin(), "smime")
            .await
            .unwrap_err()
            .code(),
        "not_found"
    );
    let bed = bed.restarted().await;
    assert_eq!(bed.authority.profile("smime").unwrap_err().code(), "not_found");
    assert_eq!(bed.authority.profiles().len(), Profile::ready().len() - 1);
}

#[tokio::test]
async fn a_change_counts_and_takes_effect() {
    let bed = Bed::ready().await;
    let mut profile = Profile::clone(&bed.authority.profile("tls-server").unwrap().profile);
    profile.max_ttl = Lifetime::days(7);
    profile.default_validity = Lifetime::days(7);
    let entry = bed
        .authority
        .put_profile(&admin(), profile.clone())
        .await
        .unwrap();
    assert_eq!((entry.version, entry.updated_at), (2, bed.clock.now()));
    let issued = bed
        .authority
        .issue(&admin(), server_request("host.example"))
        .await
        .unwrap();
    assert_eq!(
        certificate(&issued).not_after(),
        bed.clock.now() + jiff::SignedDuration::from_hours(7 * 24)
    );
    let bed = bed.restarted().await;
    assert_eq!(*bed.authority.profile("tls-server").unwrap().profile, profile);
}

#[tokio::test]
async fn a_profile_that_cannot_be_used_is_refused_with_its_problems() {
    let bed = Bed::empty().await;
    let mut profile = Profile::new("Bad Name", Lifetime::days(1), Lifetime::days(1));
    profile.key_algorithms.clear();
    let error = bed.authority.put_profile(&admin(), profile).await.unwrap_err();
    assert_eq!(error.code(), "profile_invalid");
    let details = error.details();
    let paths: Vec<&str> = details
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["key_path"].as_str().unwrap())
        .collect();
    assert!(
        paths.contains(&"name") && paths.contains(&"key_algorithms"),
        "{paths:?}"
    );
}

#[tokio::test]
async fn the_responder_does_not_depend_on_a_profile_that_was_removed() {
    let bed = Bed::empty().await;
    bed.authority
        .delete_profile(&admin(), "ocsp-signer")
        .await
        .unwrap();
    let entry = bed
        .authority
        .create_root(&admin(), crate::bed::root("root", pki::KeyAlgorithm::P256))
        .await
        .unwrap();
    assert!(bed.authority.responder(&admin(), entry.id).unwrap().is_some());
}
