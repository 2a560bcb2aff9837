//! Certificates as bytes: cut, bent and foreign ones.

use pki::lint::{self, Context, Severity};
use pki::profile::{self, IssuerView};
use pki::{CertificateTbs, DistinguishedName, SignatureAlgorithm, Tbs};
use proptest::prelude::*;

use crate::fixture::{issue_ready, issuing, key, now, order, ready, root, serial, sign};

fn built(name: &str, view: &IssuerView) -> Tbs<CertificateTbs> {
    let profile = ready(name);
    profile::build(&profile, &order(&profile), view, &serial(), now()).unwrap()
}

fn lint(der: Vec<u8>, view: &IssuerView) -> Result<usize, Vec<String>> {
    lint::certificate(
        Tbs::new(der, SignatureAlgorithm::EcdsaSha256),
        &Context {
            issuer: view,
            now: now(),
        },
    )
    .map(|linted| linted.findings().len())
    .map_err(|report| report.errors().map(|finding| finding.rule.clone()).collect())
}

#[test]
fn what_is_cut_anywhere_is_refused() {
    let view = issuing().view;
    let der = built("tls-server", &view).der().to_vec();
    assert_eq!(lint(der.clone(), &view), Ok(0));
    for end in 0..der.len() {
        assert_eq!(
            lint(der[..end].to_vec(), &view),
            Err(vec!["certificate_encoding".to_owned()]),
            "{end}"
        );
    }
    let trailing = [der, vec![0]].concat();
    assert_eq!(
        lint(trailing, &view),
        Err(vec!["certificate_encoding".to_owned()])
    );
}

#[test]
fn a_certificate_for_another_issuer_is_refused() {
    let view = issuing().view;
    let der = built("tls-server", &view).der().to_vec();
    let stranger = IssuerView {
        subject: DistinguishedName::parse("CN=Stranger").unwrap(),
        public_key: key("root-p256"),
        key_id: key("root-p256").key_id().to_vec(),
        ..view
    };
    assert_eq!(
        lint(der, &stranger),
        Err(vec!["issuer_name".to_owned(), "authority_key_id".to_owned()])
    );
}

#[test]
fn a_second_authority_below_an_issuing_one_is_refused() {
    let mut view = issuing().view;
    assert_eq!(view.path_length, Some(0));
    view.path_length = None;
    let der = built("sub-ca", &view).der().to_vec();
    assert_eq!(lint(der, &issuing().view), Err(vec!["path_length".to_owned()]));
}

#[test]
fn the_report_names_rule_severity_and_clause() {
    let view = issuing().view;
    let mut expired = view.clone();
    expired.not_after = now();
    let tbs = built("tls-server", &view);
    let report = lint::certificate(
        tbs,
        &Context {
            issuer: &expired,
            now: now(),
        },
    )
    .unwrap_err();
    let finding = report.errors().next().unwrap();
    assert_eq!(
        (finding.rule.as_str(), finding.severity),
        ("validity_within_issuer", Severity::Error)
    );
    assert!(report.to_string().contains("RFC 5280 §6.1.3"), "{report}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["findings"][0]["severity"], "error");
}

#[test]
fn warnings_do_not_refuse_and_are_told() {
    let mut view = issuing().view;
    view.urls = profile::Urls::default();
    let tbs = built("tls-server", &view);
    let linted = lint::certificate(
        tbs,
        &Context {
            issuer: &view,
            now: now(),
        },
    )
    .unwrap();
    let rules: Vec<&str> = linted
        .findings()
        .iter()
        .map(|finding| finding.rule.as_str())
        .collect();
    assert_eq!(rules, ["revocation_pointer"]);
    let signature = sign("issuing-p256", linted.der());
    let der = linted.assemble(&signature);
    pki::Certificate::from_der(&der)
        .unwrap()
        .verify_signed_by(&view.public_key)
        .unwrap();
}

/// The TBS of a signed certificate: the first element inside.
fn tbs_of(der: &[u8]) -> &[u8] {
    let contents = &der[4..];
    let length = usize::from(contents[2]) << 8 | usize::from(contents[3]);
    &contents[..length + 4]
}

#[test]
fn every_ready_certificate_passes_again_as_read() {
    for name in ["tls-server", "smime", "timestamping", "ocsp-signer"] {
        let certificate = issue_ready(name);
        assert_eq!(
            lint(tbs_of(certificate.der()).to_vec(), &issuing().view),
            Ok(0),
            "{name}"
        );
    }
    let certificate = issue_ready("sub-ca");
    assert_eq!(lint(tbs_of(certificate.der()).to_vec(), &root().view), Ok(0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(lint(bytes, &issuing().view).is_err());
    }

    #[test]
    fn a_bent_octet_never_panics(position in any::<prop::sample::Index>(), octet in any::<u8>()) {
        let view = issuing().view;
        let mut der = built("tls-server", &view).der().to_vec();
        let index = position.index(der.len());
        der[index] = octet;
        let _verdict = lint(der, &view);
    }
}
