//! Revocation lists as the builder makes them.

use jiff::SignedDuration;
use pki::crl::{self, CrlInput, IssuingDistributionPoint, RevokedEntry};
use pki::lint::{self, CrlContext};
use pki::{RevocationReason, Serial};

use crate::fixture::{issuing, now, sign};

const POINT: &str = "http://pki.example.com/.well-known/pki/crl/1";

/// Lints a list after `bend` had its way with the input; the names of the broken rules when it is refused.
fn lint(
    bend: impl FnOnce(&mut CrlInput<'_>),
    previous: Option<u64>,
    point: Option<&str>,
) -> Result<(), Vec<String>> {
    lint_entries(&entries(), bend, previous, point)
}

fn entries() -> Vec<RevokedEntry> {
    let revoked_at = now() - SignedDuration::from_hours(1);
    (1..=9_u8)
        .map(|index| RevokedEntry {
            serial: Serial::from_random([index; 16]),
            revoked_at,
            reason: (index % 2 == 0).then_some(RevocationReason::KeyCompromise),
            invalidity_date: (index % 3 == 0).then_some(revoked_at),
        })
        .collect()
}

fn lint_entries(
    entries: &[RevokedEntry],
    bend: impl FnOnce(&mut CrlInput<'_>),
    previous: Option<u64>,
    point: Option<&str>,
) -> Result<(), Vec<String>> {
    let view = issuing().view;
    let mut input = CrlInput {
        issuer: &view.subject,
        authority_key_id: &view.key_id,
        algorithm: view.algorithm,
        number: 300,
        this_update: now(),
        next_update: now() + SignedDuration::from_hours(24),
        distribution_point: None,
        delta_base: None,
        freshest: None,
    };
    bend(&mut input);
    let tbs = crl::build(&input, entries);
    let context = CrlContext {
        issuer: &view,
        previous_number: previous,
        distribution_point: point,
        now: now(),
    };
    lint::crl(tbs, &context)
        .map(|linted| {
            assert_eq!(linted.findings(), []);
            let signature = sign("issuing-p256", linted.der());
            let list = pki::Crl::parse(&linted.assemble(&signature)).unwrap();
            list.verify_signed_by(&view.public_key).unwrap();
        })
        .map_err(|report| report.errors().map(|finding| finding.rule.clone()).collect())
}

fn broken(rules: &[&str]) -> Result<(), Vec<String>> {
    Err(rules.iter().map(|rule| (*rule).to_owned()).collect())
}

#[test]
fn what_the_builder_makes_passes() {
    assert_eq!(lint(|_| (), None, None), Ok(()));
    assert_eq!(lint(|_| (), Some(299), None), Ok(()));
    assert_eq!(lint_entries(&[], |_| (), None, None), Ok(()));
    let point = IssuingDistributionPoint {
        urls: vec![POINT.to_owned()],
        ..IssuingDistributionPoint::default()
    };
    assert_eq!(
        lint(|input| input.distribution_point = Some(point), None, Some(POINT)),
        Ok(())
    );
    assert_eq!(
        lint(|input| input.delta_base = Some(299), Some(299), None),
        Ok(())
    );
}

#[test]
fn what_is_wrong_is_refused_by_its_rule() {
    assert_eq!(lint(|_| (), Some(300), None), broken(&["crl_number"]));
    assert_eq!(
        lint(|input| input.delta_base = Some(300), None, None),
        broken(&["crl_delta_indicator"])
    );
    assert_eq!(
        lint(|input| input.next_update = now(), None, None),
        broken(&["crl_updates"])
    );
    assert_eq!(
        lint(|_| (), None, Some(POINT)),
        broken(&["crl_issuing_distribution_point"])
    );
    assert_eq!(
        lint(|input| input.authority_key_id = &[1, 2, 3], None, None),
        broken(&["crl_authority_key_id"])
    );
    let early = now() - SignedDuration::from_hours(2);
    assert_eq!(
        lint(|input| input.this_update = early, None, None),
        broken(&["crl_entry_dates"])
    );
}

#[test]
fn entries_are_held_to_order_and_reason() {
    let entry = |octet: u8, reason| RevokedEntry {
        serial: Serial::from_random([octet; 16]),
        revoked_at: now(),
        reason,
        invalidity_date: None,
    };
    let twice = [entry(1, None), entry(1, None)];
    assert_eq!(
        lint_entries(&twice, |_| (), None, None),
        broken(&["crl_entries_sorted"])
    );
    let backward = [entry(2, None), entry(1, None)];
    assert_eq!(
        lint_entries(&backward, |_| (), None, None),
        broken(&["crl_entries_sorted"])
    );
    let removed = [entry(1, Some(RevocationReason::RemoveFromCrl))];
    assert_eq!(
        lint_entries(&removed, |_| (), None, None),
        broken(&["crl_entry_reasons"])
    );
}

#[test]
fn a_cut_list_is_refused() {
    let view = issuing().view;
    let context = CrlContext {
        issuer: &view,
        previous_number: None,
        distribution_point: None,
        now: now(),
    };
    let tbs = crl::build(
        &CrlInput {
            issuer: &view.subject,
            authority_key_id: &view.key_id,
            algorithm: view.algorithm,
            number: 1,
            this_update: now(),
            next_update: now() + SignedDuration::from_hours(1),
            distribution_point: None,
            delta_base: None,
            freshest: None,
        },
        &[],
    );
    for end in 0..tbs.der().len() {
        let cut = pki::Tbs::new(tbs.der()[..end].to_vec(), view.algorithm);
        let report = lint::crl(cut, &context).unwrap_err();
        assert_eq!(report.findings[0].rule, "crl_encoding");
    }
}
