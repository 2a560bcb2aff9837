//! The effects of the fields about status, policies and other extensions.

use pki::profile::{CertificatePolicy, Order, Pointers, Profile};

use crate::fields::{extension, issued, policy, problem_paths, server};
use crate::fixture::{build, order, ready, refusal};

pub(crate) fn must_staple() {
    assert!(!issued(&server()).must_staple());
    let profile = Profile {
        must_staple: true,
        ..server()
    };
    assert_eq!(profile.check(), []);
    assert!(issued(&profile).must_staple());
    let pointers = Pointers {
        ocsp: false,
        ..profile.pointers
    };
    assert_eq!(problem_paths(&Profile { pointers, ..profile }), ["must_staple"]);
}

pub(crate) fn ocsp_no_check() {
    const NO_CHECK: &str = "1.3.6.1.5.5.7.48.1.5";
    let mut profile = ready("ocsp-signer");
    let written = |profile: &Profile| extension(&build(profile, &order(profile)).unwrap(), NO_CHECK);
    assert_eq!(written(&profile), Some((false, vec![0x05, 0x00])));
    profile.ocsp_no_check = false;
    assert_eq!(written(&profile), None);
    assert_eq!(
        problem_paths(&Profile {
            ocsp_no_check: true,
            ..server()
        }),
        ["ocsp_no_check"]
    );
}

pub(crate) fn microsoft_sid() {
    const SID: &str = "1.3.6.1.4.1.311.25.2";
    let mut profile = ready("tls-client");
    let sid = |text: &str| Order {
        ms_sid: Some(text.to_owned()),
        ..order(&profile)
    };
    let identified = sid("S-1-5-21-1004336348-1177238915-682003330-512");
    let (critical, value) = extension(&build(&profile, &identified).unwrap(), SID).unwrap();
    assert!(!critical);
    let head = b"\x30\x3e\xa0\x3c\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x19\x02\x01\xa0\x2e\x04\x2c";
    assert_eq!(
        value,
        [&head[..], b"S-1-5-21-1004336348-1177238915-682003330-512"].concat()
    );
    for wrong in ["", "S-1-", "S-1-5-x", "1-5-21", "S-1-5-21\0"] {
        assert_eq!(refusal(&profile, &sid(wrong)), "ms_sid_invalid", "{wrong:?}");
    }
    assert_eq!(extension(&build(&profile, &order(&profile)).unwrap(), SID), None);
    profile.microsoft_sid = false;
    assert_eq!(extension(&build(&profile, &identified).unwrap(), SID), None);
}

pub(crate) fn pointers_ca_issuers() {
    let pointers = Pointers {
        ca_issuers: false,
        ..Pointers::default()
    };
    let certificate = issued(&Profile { pointers, ..server() });
    assert!(certificate.ca_issuer_urls().is_empty());
    assert!(!certificate.ocsp_urls().is_empty() && !certificate.crl_urls().is_empty());
}

pub(crate) fn pointers_ocsp() {
    let pointers = Pointers {
        ocsp: false,
        ..Pointers::default()
    };
    let certificate = issued(&Profile { pointers, ..server() });
    assert!(certificate.ocsp_urls().is_empty());
    assert!(!certificate.ca_issuer_urls().is_empty() && !certificate.crl_urls().is_empty());
}

pub(crate) fn pointers_crl() {
    let pointers = Pointers {
        crl: false,
        ..Pointers::default()
    };
    let certificate = issued(&Profile { pointers, ..server() });
    assert!(certificate.crl_urls().is_empty());
    assert!(!certificate.ca_issuer_urls().is_empty() && !certificate.ocsp_urls().is_empty());
}

/// The value of certificatePolicies under a profile with this policy.
fn policies(policy: CertificatePolicy) -> Vec<u8> {
    let profile = Profile {
        certificate_policies: vec![policy],
        ..server()
    };
    assert_eq!(profile.check(), []);
    issued(&profile);
    let (critical, value) = extension(&build(&profile, &order(&profile)).unwrap(), "2.5.29.32").unwrap();
    assert!(!critical);
    value
}

pub(crate) fn certificate_policies_oid() {
    let bare = CertificatePolicy {
        cps: None,
        user_notice: None,
        ..policy()
    };
    assert_eq!(
        policies(bare),
        b"\x30\x0d\x30\x0b\x06\x09\x2b\x06\x01\x04\x01\x81\xfd\x59\x01"
    );
    assert_eq!(
        extension(&build(&server(), &order(&server())).unwrap(), "2.5.29.32"),
        None
    );
    let wrong = CertificatePolicy {
        oid: "1.2.x".to_owned(),
        ..policy()
    };
    let profile = Profile {
        certificate_policies: vec![policy(), wrong, policy()],
        ..server()
    };
    assert_eq!(
        problem_paths(&profile),
        ["certificate_policies[1].oid", "certificate_policies"]
    );
}

pub(crate) fn certificate_policies_cps() {
    let cps = CertificatePolicy {
        user_notice: None,
        ..policy()
    };
    let value = policies(cps.clone());
    assert!(value.ends_with(b"\x06\x08\x2b\x06\x01\x05\x05\x07\x02\x01\x16\x1bhttps://pki.example.com/cps"));
    let wrong = CertificatePolicy {
        cps: Some("pki.example.com".to_owned()),
        ..cps
    };
    let profile = Profile {
        certificate_policies: vec![wrong],
        ..server()
    };
    assert_eq!(problem_paths(&profile), ["certificate_policies[0].cps"]);
}

pub(crate) fn certificate_policies_user_notice() {
    let notice = CertificatePolicy {
        cps: None,
        ..policy()
    };
    let value = policies(notice.clone());
    assert!(value.ends_with(b"\x06\x08\x2b\x06\x01\x05\x05\x07\x02\x02\x30\x13\x0c\x11For internal use."));
    let wrong = CertificatePolicy {
        user_notice: Some("x".repeat(201)),
        ..notice
    };
    let profile = Profile {
        certificate_policies: vec![wrong],
        ..server()
    };
    assert_eq!(problem_paths(&profile), ["certificate_policies[0].user_notice"]);
}
