//! Chains made by OpenSSL. What must hold and what must not was checked with `openssl verify` when the vectors were
//! made, with one exception that their README tells of.

#![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

use super::*;
use crate::vectors;

fn certificates(names: &[&str]) -> Vec<Certificate> {
    names
        .iter()
        .map(|name| Certificate::parse(&vectors::read(&format!("chain/{name}.der"))).unwrap())
        .collect()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn check(names: &[&str]) -> Result<(), ChainFault> {
    verify(&certificates(names), at("2026-01-01T00:00:00Z"))
}

fn name(of: &str) -> DistinguishedName {
    certificates(&[of]).remove(0).subject().clone()
}

#[test]
fn good_chains_hold() {
    assert_eq!(check(&["leaf", "issuing", "root"]), Ok(()));
    assert_eq!(check(&["leaf-constrained", "constrained", "root"]), Ok(()));
    assert_eq!(
        check(&["leaf", "issuing"]),
        Ok(()),
        "an intermediate may be the trusted one"
    );
    assert_eq!(check(&["root"]), Ok(()));
}

#[test]
fn broken_chains_do_not() {
    assert_eq!(check(&[]), Err(ChainFault::Length));
    assert_eq!(check(&["root"; MAX_CHAIN + 1]), Err(ChainFault::Length));
    let broken = ChainFault::Name {
        subject: name("leaf"),
        issuer: name("root"),
    };
    assert_eq!(check(&["leaf", "root"]), Err(broken));
    // The impostor has the right name and the wrong key.
    assert_eq!(
        check(&["leaf", "bad-impostor", "root"]),
        Err(ChainFault::Signature(name("leaf")))
    );
    let leaf = ChainFault::NotAnAuthority(name("leaf-constrained"));
    assert_eq!(
        check(&["bad-below-leaf", "leaf-constrained", "constrained", "root"]),
        Err(leaf)
    );
    let no_cert_sign = ChainFault::NotAnAuthority(name("bad-no-cert-sign"));
    assert_eq!(
        check(&["bad-below-no-cert-sign", "bad-no-cert-sign", "root"]),
        Err(no_cert_sign)
    );
    let too_deep = ChainFault::PathLength(name("issuing"));
    assert_eq!(
        check(&["bad-below-sub", "bad-sub", "issuing", "root"]),
        Err(too_deep)
    );
    assert_eq!(
        check(&["bad-sub", "issuing", "root"]),
        Ok(()),
        "the last certificate does not count as a level"
    );
}

#[test]
fn names_outside_the_constraints_are_refused() {
    for leaf in [
        "bad-leaf-outside",
        "bad-leaf-excluded",
        "bad-leaf-directory",
        "bad-leaf-wildcard",
    ] {
        let fault = ChainFault::NameConstraint {
            subject: name(leaf),
            authority: name("constrained"),
        };
        assert_eq!(check(&[leaf, "constrained", "root"]), Err(fault));
    }
}

#[test]
fn unknown_critical_extensions_are_refused() {
    let fault = check(&["bad-critical", "issuing", "root"]).unwrap_err();
    let extension = ObjectIdentifier::new_unwrap("1.2.3.4");
    assert_eq!(
        fault,
        ChainFault::CriticalExtension {
            subject: name("bad-critical"),
            extension
        }
    );
}

#[test]
fn validity_is_checked_to_the_second() {
    let chain = certificates(&["leaf", "issuing", "root"]);
    for (time, is_valid) in [
        ("2024-12-31T23:59:59Z", false),
        ("2025-01-01T00:00:00Z", true),
        ("2035-01-01T00:00:00Z", true),
        ("2035-01-01T00:00:01Z", false),
    ] {
        assert_eq!(verify(&chain, at(time)).is_ok(), is_valid, "{time}");
    }
    let expired = ChainFault::Validity(name("bad-expired"));
    assert_eq!(check(&["bad-expired", "issuing", "root"]), Err(expired));
}

#[test]
fn a_bundle_is_put_in_order() {
    let ordered = certificates(&["leaf", "issuing", "root"]);
    let [leaf, issuing, root] = <[Certificate; 3]>::try_from(ordered.clone()).unwrap();
    let bundles = [
        vec![root.clone(), issuing.clone()],
        vec![issuing.clone(), root.clone()],
        vec![root.clone(), leaf.clone(), issuing.clone(), issuing.clone()],
    ];
    for bundle in bundles {
        assert_eq!(order(leaf.clone(), bundle).unwrap(), ordered);
    }
    assert_eq!(order(leaf.clone(), vec![]).unwrap(), std::slice::from_ref(&leaf));
    assert_eq!(
        order(leaf.clone(), vec![root]),
        Err(ChainFault::IssuerMissing(issuing.subject().clone()))
    );
    assert_eq!(
        order(leaf.clone(), vec![issuing.clone(); MAX_CHAIN]),
        Err(ChainFault::Length)
    );
    // Of two authorities of one name, the one with the right key is taken; the other belongs nowhere.
    let mut bundle = certificates(&["bad-impostor", "root"]);
    bundle.push(issuing);
    assert_eq!(order(leaf, bundle), Err(ChainFault::Stray(name("bad-impostor"))));
}
