//! Segments against a plain sorted map, and the lists they make against those made in one piece.

#![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::crl::{CrlInput, RevokedEntry, build, build_around};
use crate::lint::{CrlContext, crl_entry, crl_parts};
use crate::profile::IssuerView;
use crate::{Certificate, RevocationReason, SignatureAlgorithm, vectors};

#[derive(Clone, Debug)]
enum Change {
    Put { serial: u16, reason: u8, end: u8 },
    Remove(u16),
    DropEnded(u8),
}

fn change() -> impl Strategy<Value = Change> {
    let reason = proptest::sample::select(vec![0_u8, 1, 2, 3, 4, 5, 6, 9, 10]);
    let put = (1..400_u16, reason, any::<u8>());
    prop_oneof![
        8 => put.prop_map(|(serial, reason, end)| Change::Put { serial, reason, end }),
        2 => (1..400_u16).prop_map(Change::Remove),
        1 => (0..40_u8).prop_map(Change::DropEnded),
    ]
}

/// Serials of different lengths, with and without a set top bit.
fn serial(number: u16) -> Serial {
    let octets = number.to_be_bytes();
    match number % 3 {
        0 => Serial::from_unsigned(&octets).unwrap(),
        1 => Serial::from_unsigned(&[&octets[..], &[0x80; 10]].concat()).unwrap(),
        _ => Serial::from_random(
            [octets, octets, octets, octets, octets, octets, octets, octets]
                .concat()
                .try_into()
                .unwrap(),
        ),
    }
}

fn entry(number: u16, reason: u8) -> RevokedEntry {
    let at = |second: i64| Timestamp::from_second(1_735_689_600 + second).unwrap();
    RevokedEntry {
        serial: serial(number),
        revoked_at: at(number.into()),
        reason: RevocationReason::from_code(reason).filter(|_| reason > 0),
        invalidity_date: number.is_multiple_of(5).then(|| at(-9)),
    }
}

fn at(second: u8) -> Timestamp {
    Timestamp::from_second(second.into()).unwrap()
}

/// What a plain map of entries and ends becomes by the same change.
fn change_plainly(plain: &mut BTreeMap<Serial, (RevokedEntry, u8)>, change: &Change) {
    match *change {
        Change::Put {
            serial: number,
            reason,
            end,
        } => {
            plain.insert(serial(number), (entry(number, reason), end));
        }
        Change::Remove(number) => drop(plain.remove(&serial(number))),
        Change::DropEnded(before) => plain.retain(|_, (_, end)| *end >= before),
    }
}

fn change_sorted(sorted: &mut SortedEntries, change: &Change) {
    match *change {
        Change::Put {
            serial: number,
            reason,
            end,
        } => {
            sorted.put(&crl_entry(&entry(number, reason)).unwrap(), at(end));
        }
        Change::Remove(number) => drop(sorted.remove(serial(number))),
        Change::DropEnded(before) => drop(sorted.drop_ended(at(before))),
    }
}

fn issuer() -> IssuerView {
    let issuing = Certificate::parse(&vectors::read("chain/issuing.der")).unwrap();
    IssuerView::from_certificate(
        &issuing,
        SignatureAlgorithm::EcdsaSha256,
        crate::profile::Urls::default(),
    )
}

fn input(issuer: &IssuerView) -> CrlInput<'_> {
    CrlInput {
        issuer: &issuer.subject,
        authority_key_id: &issuer.key_id,
        algorithm: issuer.algorithm,
        number: 7,
        this_update: "2026-01-01T00:00:00Z".parse().unwrap(),
        next_update: "2026-01-08T00:00:00Z".parse().unwrap(),
        distribution_point: None,
        delta_base: None,
        freshest: None,
    }
}

fn context(issuer: &IssuerView) -> CrlContext<'_> {
    CrlContext {
        issuer,
        previous_number: Some(6),
        distribution_point: None,
        now: "2026-01-01T00:00:00Z".parse().unwrap(),
    }
}

proptest! {
    #[test]
    fn segments_say_what_a_plain_list_says(changes in proptest::collection::vec(change(), 0..300)) {
        let (issuer, mut plain, mut sorted) = (issuer(), BTreeMap::new(), SortedEntries::default());
        let mut snapshots = Vec::new();
        for (index, change) in changes.iter().enumerate() {
            change_plainly(&mut plain, change);
            change_sorted(&mut sorted, change);
            prop_assert_eq!(sorted.len(), plain.len());
            if index % 50 == 0 {
                snapshots.push((sorted.clone(), plain.clone()));
            }
        }
        snapshots.push((sorted, plain));
        for (sorted, plain) in snapshots {
            let entries: Vec<RevokedEntry> = plain.into_values().map(|(entry, _)| entry).collect();
            prop_assert!(sorted.pieces().all(|piece| !piece.is_empty() && piece.len() <= LIMIT));
            prop_assert_eq!(sorted.octets(), sorted.pieces().map(<[u8]>::len).sum::<usize>());
            let whole = build(&input(&issuer), &entries);
            let linted = crl_parts(build_around(&input(&issuer), sorted), &context(&issuer)).unwrap();
            prop_assert_eq!(linted.octets(), whole.der().len());
            prop_assert_eq!(linted.pieces().collect::<Vec<_>>().concat(), whole.der());
            // What one lint lets pass, so does the other.
            let judged = crate::lint::crl(whole, &context(&issuer)).unwrap();
            prop_assert_eq!(judged.findings(), linted.findings());
        }
    }
}

#[test]
fn entries_in_order_fill_their_segments() {
    let mut sorted = SortedEntries::default();
    for number in 1..2000_u16 {
        let serial = Serial::from_unsigned(&[&[0x40, 0], &number.to_be_bytes()[..]].concat()).unwrap();
        let entry = RevokedEntry {
            serial,
            ..entry(1, 1)
        };
        sorted.put(&crl_entry(&entry).unwrap(), at(1));
    }
    let pieces = sorted.pieces().count();
    assert!(
        pieces <= sorted.octets() / (LIMIT - 64) + 1,
        "{pieces} segments for {} octets",
        sorted.octets()
    );
}

#[test]
fn removals_and_late_dates_are_found_in_any_segment() {
    let issuer = issuer();
    let lint = |bend: &dyn Fn(&mut SortedEntries), base| {
        let mut sorted = SortedEntries::default();
        (1..100).for_each(|number| sorted.put(&crl_entry(&entry(number, 1)).unwrap(), at(1)));
        bend(&mut sorted);
        let input = CrlInput {
            delta_base: base,
            freshest: None,
            ..input(&issuer)
        };
        let report = crl_parts(build_around(&input, sorted), &context(&issuer))
            .map(drop)
            .map_err(|report| report.findings);
        report.map_err(|findings| {
            findings
                .into_iter()
                .map(|finding| finding.rule)
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(lint(&|_| (), None), Ok(()));
    let remove = |sorted: &mut SortedEntries| sorted.put(&crl_entry(&entry(50, 8)).unwrap(), at(1));
    assert_eq!(lint(&remove, None), Err(vec!["crl_entry_reasons".to_owned()]));
    assert_eq!(lint(&remove, Some(5)), Ok(()));
    let late = |sorted: &mut SortedEntries| {
        let entry = RevokedEntry {
            revoked_at: "2026-01-01T00:00:01Z".parse().unwrap(),
            ..entry(50, 1)
        };
        sorted.put(&crl_entry(&entry).unwrap(), at(1));
    };
    assert_eq!(lint(&late, None), Err(vec!["crl_entry_dates".to_owned()]));
}
