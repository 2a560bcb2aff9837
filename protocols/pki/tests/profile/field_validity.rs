//! The effects of the fields about times.

use jiff::SignedDuration;
use pki::profile::{Order, Profile};
use x509_parser::prelude::{FromDer, TbsCertificate};

use crate::fields::{extension, issued, server};
use crate::fixture::{build, build_below, hours, issuing, now, order, refusal};

pub(crate) fn default_validity() {
    let profile = Profile {
        default_validity: "7d".parse().unwrap(),
        ..server()
    };
    assert_eq!(
        issued(&profile).not_after(),
        now() + SignedDuration::from_hours(7 * 24)
    );
    let wish = Order {
        validity: Some(hours(48)),
        ..order(&profile)
    };
    assert_eq!(
        issuing().issue(&profile, &wish).not_after(),
        now() + SignedDuration::from_hours(48)
    );
    let none = Order {
        validity: Some(hours(0)),
        ..order(&profile)
    };
    assert_eq!(refusal(&profile, &none), "validity_invalid");
}

pub(crate) fn max_ttl() {
    let profile = Profile {
        default_validity: "1d".parse().unwrap(),
        max_ttl: "10d".parse().unwrap(),
        ..server()
    };
    let wish = Order {
        validity: Some(hours(24 * 365)),
        ..order(&profile)
    };
    assert_eq!(
        issuing().issue(&profile, &wish).not_after(),
        now() + SignedDuration::from_hours(240)
    );
    let long = Profile {
        max_ttl: "100y".parse().unwrap(),
        ..profile
    };
    let wish = Order {
        validity: Some(hours(24 * 365 * 90)),
        ..order(&long)
    };
    assert_eq!(
        issuing().issue(&long, &wish).not_after(),
        issuing().certificate.not_after(),
        "the issuer's own end"
    );
    let mut view = issuing().view;
    view.not_after = now();
    assert_eq!(
        build_below(&long, &wish, &view).unwrap_err().code,
        "issuer_expired"
    );
}

pub(crate) fn backdate() {
    let mut view = issuing().view;
    view.not_before = now() - SignedDuration::from_hours(48);
    let not_before = |backdate: &str| {
        let profile = Profile {
            backdate: backdate.parse().unwrap(),
            ..server()
        };
        let tbs = build_below(&profile, &order(&profile), &view).unwrap();
        TbsCertificate::from_der(&tbs)
            .unwrap()
            .1
            .validity
            .not_before
            .timestamp()
            - now().as_second()
    };
    assert_eq!(not_before("0s"), 0);
    assert_eq!(not_before("5m"), -300);
    assert_eq!(not_before("1h"), -3600);
    assert_eq!(not_before("3d"), -48 * 3600, "not before the issuer's own start");
}

pub(crate) fn short_lived_below() {
    let oids = ["2.5.29.56", "2.5.29.31", "1.3.6.1.5.5.7.1.24"];
    let has = |profile: &Profile, minutes: u64| {
        let order = Order {
            validity: Some(std::time::Duration::from_secs(minutes * 60)),
            ..order(profile)
        };
        let tbs = build(profile, &order).unwrap();
        let certificate = issuing().issue(profile, &order);
        (
            oids.map(|oid| extension(&tbs, oid).is_some()),
            !certificate.ocsp_urls().is_empty(),
        )
    };
    let mut profile = Profile {
        must_staple: true,
        ..server()
    };
    assert_eq!(has(&profile, 59), ([true, false, false], false));
    assert_eq!(has(&profile, 60), ([false, true, true], true));
    profile.short_lived_below = "0s".parse().unwrap();
    assert_eq!(has(&profile, 59), ([false, true, true], true));
    let wish = Order {
        validity: Some(hours(1) / 2),
        ..order(&profile)
    };
    let short = issuing().issue(&server(), &wish);
    assert_eq!(
        short.ca_issuer_urls().len(),
        1,
        "the issuer's certificate is still told"
    );
}
