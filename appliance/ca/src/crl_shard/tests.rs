#![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

use uuid::Uuid;

use super::*;

fn serial(number: u8) -> Serial {
    Serial::from_random([number; 16])
}

fn listed(number: u8) -> Listing {
    let row = RevocationRow {
        issuer_id: Uuid::nil(),
        serial: serial(number).as_bytes().to_vec(),
        revoked_at: 1000,
        reason: 6,
        invalidity_date: None,
        not_after: i64::MAX,
        is_orphan: false,
    };
    Listing::of(&row).unwrap()
}

fn is_due(shard: &CrlShard) -> bool {
    shard.is_due.load(Ordering::SeqCst)
}

/// Word of a revocation may come between the look at the store and what is made of it.
#[test]
fn a_base_of_another_server_takes_away_only_what_it_knows_of() {
    let shard = CrlShard::new(0);
    for number in 1..=3 {
        shard.apply(listed(number), number.into(), true);
    }
    let state = ShardState {
        last_number: 7,
        changes: 2,
        base: 7,
        base_made_at: 1,
    };
    let kept = HashSet::from([(serial(2).as_bytes().to_vec(), 2)]);
    shard.stand_on_stored(&state, &kept);
    let within = shard.snapshot(Timestamp::UNIX_EPOCH).within;
    let numbers: BTreeSet<i64> = within.iter().map(|(_, change)| *change).collect();
    assert_eq!(numbers, BTreeSet::from([2, 3]));
}

/// A list is taken note of while words come: what it lacks stays due, what it has is not due again.
#[test]
fn a_list_is_due_for_what_is_not_in_it() {
    let shard = CrlShard::new(0);
    shard.apply(listed(1), 1, false);
    assert!(is_due(&shard));
    shard.lists(1);
    assert!(!is_due(&shard));
    // Made by a server that has heard more.
    shard.lists(3);
    shard.apply(listed(2), 2, false);
    shard.apply(listed(3), 3, false);
    assert!(!is_due(&shard), "they are in it");
    // A later one came first.
    shard.apply(listed(5), 5, false);
    assert!(is_due(&shard));
    shard.lists(4);
    assert!(is_due(&shard), "four are in it, the fifth not");
    shard.pass_over(4);
    shard.lists(5);
    assert!(!is_due(&shard));
    assert_eq!(shard.changes(), 5);
    // An older list changes nothing.
    shard.lists(2);
    assert!(!is_due(&shard));
}

#[test]
fn only_what_was_heard_since_the_start_is_known_to_be_taken_over() {
    let shard = CrlShard::new(0);
    let state = ShardState {
        changes: 4,
        ..ShardState::default()
    };
    shard.loaded(state, Some(4));
    assert!(!shard.has(4) && !shard.has(5));
    shard.apply(listed(6), 6, false);
    assert!(!shard.has(5) && shard.has(6));
    shard.apply(listed(5), 5, false);
    assert!(shard.has(5) && shard.has(6) && !shard.has(4));
}
