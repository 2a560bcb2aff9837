//! The effects of the fields about authorities.

use pki::profile::{AuthorityPolicy, NameConstraintsPolicy, Profile};

use crate::fields::extension;
use crate::fixture::{build_below, order, ready, root};

/// The authority's certificate below a root with this much path left.
fn sub_ca(authority: AuthorityPolicy, above: Option<u8>) -> Result<Vec<u8>, &'static str> {
    let profile = Profile {
        authority: Some(authority),
        ..ready("sub-ca")
    };
    assert_eq!(profile.check(), []);
    let mut view = root().view;
    view.path_length = above;
    build_below(&profile, &order(&profile), &view).map_err(|refusal| refusal.code)
}

pub(crate) fn authority_path_length() {
    let with = |path_length| AuthorityPolicy {
        path_length,
        ..AuthorityPolicy::default()
    };
    let written = |path_length, above| {
        let tbs = sub_ca(with(path_length), above)?;
        let (critical, value) = extension(&tbs, "2.5.29.19").unwrap();
        assert!(critical);
        Ok(value.get(7).copied())
    };
    assert_eq!(written(None, None), Ok(None));
    assert_eq!(written(Some(3), None), Ok(Some(3)));
    assert_eq!(written(Some(3), Some(2)), Ok(Some(1)));
    assert_eq!(written(None, Some(2)), Ok(Some(1)));
    assert_eq!(written(Some(0), Some(2)), Ok(Some(0)));
    assert_eq!(written(Some(0), Some(0)), Err("path_length_exhausted"));
}

fn constraints(permitted: &[&str], excluded: &[&str]) -> Option<(bool, Vec<u8>)> {
    let parse = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
    let name_constraints = NameConstraintsPolicy {
        permitted: parse(permitted),
        excluded: parse(excluded),
    };
    let tbs = sub_ca(
        AuthorityPolicy {
            name_constraints,
            ..AuthorityPolicy::default()
        },
        None,
    )
    .unwrap();
    extension(&tbs, "2.5.29.30")
}

pub(crate) fn name_constraints_permitted() {
    assert_eq!(constraints(&[], &[]), None);
    let expected =
        b"\x30\x1d\xa0\x1b\x30\x0d\x82\x0bexample.com\x30\x0a\x87\x08\x0a\x00\x00\x00\xff\x00\x00\x00";
    assert_eq!(
        constraints(&["dns:example.com", "ip:10.0.0.0/8"], &[]),
        Some((true, expected.to_vec()))
    );
}

pub(crate) fn name_constraints_excluded() {
    let expected = b"\x30\x11\xa1\x0f\x30\x0d\x81\x0bexample.com";
    assert_eq!(
        constraints(&[], &["email:example.com"]),
        Some((true, expected.to_vec()))
    );
    assert!(
        constraints(&["dn:O=Example,C=CH"], &["uri:.example.com"])
            .unwrap()
            .0
    );
}
