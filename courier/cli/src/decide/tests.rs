//! Decisions, row by row, and what holds for all of them.

#![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

use super::*;
use proptest::prelude::*;

const HOUR: i64 = 3600;

fn at(hours: i64) -> Timestamp {
    Timestamp::from_second(1_000_000_000 + hours * HOUR).unwrap()
}

fn wanted(threshold: Threshold) -> Wanted {
    Wanted {
        names: vec!["dns:a.example".parse().unwrap(), "dns:b.example".parse().unwrap()],
        subject: None,
        has_changed: None,
        key: KeyAlgorithm::P256,
        threshold,
        renew_on_drift: true,
        use_window: true,
    }
}

/// Valid from 0 to so many hours.
fn disk(hours: i64) -> OnDisk {
    OnDisk {
        names: vec!["dns:b.example".parse().unwrap(), "dns:a.example".parse().unwrap()],
        subject: DistinguishedName::parse("CN=a.example").unwrap(),
        key: KeyAlgorithm::P256,
        not_before: at(0),
        not_after: at(hours),
        key_matches: true,
        is_trusted: true,
    }
}

fn asked(hours: i64) -> Heard {
    Heard {
        checked_at: Some(at(hours)),
        ..Heard::default()
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn every_outcome_has_its_action() {
    type Change = fn(&mut OnDisk, &mut Wanted, &mut Heard);
    let rows: [(Change, i64, Outcome, Action); 15] = [
        (|_, _, _| {}, 100, Outcome::Current, Action::Nothing),
        (|_, _, _| {}, 124, Outcome::Current, Action::CheckStatus),
        (
            |_, _, h| h.checked_at = None,
            100,
            Outcome::Current,
            Action::CheckStatus,
        ),
        (|_, _, _| {}, 600, Outcome::RenewalDue, Action::Renew),
        (|_, _, _| {}, 901, Outcome::Expired, Action::Renew),
        (
            |_, _, h| h.checked_at = Some(at(-1)),
            -1,
            Outcome::NotYetValid,
            Action::Nothing,
        ),
        (
            |d, _, _| d.key_matches = false,
            100,
            Outcome::KeyMismatch,
            Action::Renew,
        ),
        (
            |d, _, _| d.is_trusted = false,
            100,
            Outcome::UntrustedChain,
            Action::Renew,
        ),
        (
            |_, _, h| h.standing = Standing::Revoked,
            100,
            Outcome::Revoked,
            Action::Renew,
        ),
        (
            |_, _, h| h.standing = Standing::Superseded,
            100,
            Outcome::Superseded,
            Action::Renew,
        ),
        (
            |_, _, h| h.has_pending = true,
            901,
            Outcome::OrderPending,
            Action::Resume,
        ),
        (
            |_, w, _| w.names.truncate(1),
            100,
            Outcome::ConfigDrift,
            Action::Renew,
        ),
        (
            |_, w, _| w.key = KeyAlgorithm::P384,
            100,
            Outcome::ConfigDrift,
            Action::Renew,
        ),
        (
            |_, w, _| w.subject = Some(DistinguishedName::empty()),
            100,
            Outcome::ConfigDrift,
            Action::Renew,
        ),
        (
            |d, w, _| (d.key, w.renew_on_drift) = (KeyAlgorithm::P384, false),
            100,
            Outcome::ConfigDrift,
            Action::Nothing,
        ),
    ];
    for (row, (change, now, outcome, action)) in rows.into_iter().enumerate() {
        let (mut disk, mut wanted, mut heard) = (disk(900), wanted(Threshold::Default), asked(100));
        change(&mut disk, &mut wanted, &mut heard);
        let found = decide(&Disk::Certificate(Box::new(disk)), &wanted, &heard, at(now), 0.5);
        assert_eq!((found.outcome, found.action), (outcome, action), "row {row}");
    }
    for (disk, outcome) in [
        (Disk::Missing, Outcome::Missing),
        (Disk::Unreadable, Outcome::Unreadable),
    ] {
        let found = decide(&disk, &wanted(Threshold::Default), &asked(0), at(0), 0.5);
        assert_eq!(
            (found.outcome, found.action, found.renew_at),
            (outcome, Action::Issue, None)
        );
    }
}

#[test]
fn thresholds() {
    let hours = SignedDuration::from_hours;
    for (threshold, lifetime, due) in [
        (Threshold::Default, 900, 600),
        (Threshold::Default, 60, 36),
        (Threshold::Default, 24, 12),
        (Threshold::Before(hours(100)), 900, 800),
        (Threshold::Before(hours(9000)), 900, 90),
        (Threshold::Percent(25), 900, 675),
        (Threshold::Percent(99), 900, 90),
    ] {
        assert_eq!(
            renew_at(&disk(lifetime), &wanted(threshold), &asked(0), 0.5),
            at(due),
            "{threshold:?}"
        );
    }
    let windowed = |from, to| Heard {
        window: Some((at(from), at(to))),
        ..asked(0)
    };
    let wanted = wanted(Threshold::Default);
    assert_eq!(renew_at(&disk(900), &wanted, &windowed(100, 200), 0.25), at(125));
    assert_eq!(renew_at(&disk(900), &wanted, &windowed(700, 800), 0.25), at(600));
    assert_eq!(renew_at(&disk(900), &wanted, &windowed(-50, -50), 0.25), at(-50));
}

proptest! {
    #[test]
    fn renewal_is_never_later_than_the_threshold_nor_due_at_birth(
        lifetime in 1_i64..20_000,
        (from, length) in (-100_i64..20_000, -10_i64..1000),
        fraction in 0.0_f64..=1.0,
        percent in 0_u8..=255,
        before in -5_i64..30_000,
    ) {
        for threshold in [
            Threshold::Default,
            Threshold::Percent(percent),
            Threshold::Before(SignedDuration::from_hours(before)),
        ] {
            let (disk, wanted) = (disk(lifetime), wanted(threshold));
            let plain = renew_at(&disk, &wanted, &asked(0), fraction);
            prop_assert!(disk.not_before < plain && plain <= disk.not_after);
            let heard = Heard { window: Some((at(from), at(from + length))), ..asked(0) };
            prop_assert!(renew_at(&disk, &wanted, &heard, fraction) <= plain);
        }
    }
}
