//! CRLs: one more entry in a list, and a list put together from its entries.

use std::hint::black_box;
use std::rc::Rc;

use anyhow::Result;
use ca::measured::CrlShard;
use jiff::{SignedDuration, Timestamp};
use pki::crl::CrlInput;
use pki::lint::CrlContext;
use store::revocations::RevocationRow;
use uuid::Uuid;

use crate::bed::Bed;
use crate::operation::Run;
use crate::seed;

/// Entries that are listed already.
const LISTED: u64 = 10_000;
/// Places between two of them, for those that come.
const BETWEEN: u64 = 1 << 20;
/// A step that comes by every listed entry, and far from the one before.
const STEP: u64 = 6121;
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A revocation encoded, linted and put into its place among those that are listed.
pub(crate) fn append(bed: &Rc<Bed>) -> Result<Run> {
    let (shard, now) = (listed(bed.now)?, bed.now);
    let mut number = 0;
    Ok(Box::new(move |times| {
        for _ in 0..times {
            // Behind the one it comes by, a place further in each round.
            let place = number * STEP % LISTED * BETWEEN + 1 + number / LISTED % (BETWEEN - 1);
            shard.list(black_box(&revocation(place, now)))?;
            number += 1;
        }
        Ok(())
    }))
}

/// The list of the entries, linted: what is hashed and signed then, in pieces.
pub(crate) fn assemble(bed: &Rc<Bed>) -> Result<Run> {
    let (entries, view, now) = (listed(bed.now)?.entries(), bed.view()?, bed.now);
    Ok(Box::new(move |times| {
        for _ in 0..times {
            let input = CrlInput {
                issuer: &view.subject,
                authority_key_id: &view.key_id,
                algorithm: view.algorithm,
                number: 2,
                this_update: Timestamp::from_second(now.as_second())?,
                next_update: now + WEEK,
                distribution_point: None,
                delta_base: None,
                freshest: None,
            };
            let context = CrlContext {
                issuer: &view,
                previous_number: Some(1),
                distribution_point: None,
                now,
            };
            let parts = pki::crl::build_around(&input, black_box(&entries).clone());
            black_box(pki::lint::crl_parts(parts, &context)?);
        }
        Ok(())
    }))
}

fn listed(now: Timestamp) -> Result<CrlShard> {
    let shard = CrlShard::default();
    for number in 0..LISTED {
        shard.list(&revocation(number * BETWEEN, now))?;
    }
    Ok(shard)
}

/// With a reason, as three of four have one.
fn revocation(place: u64, now: Timestamp) -> RevocationRow {
    RevocationRow {
        issuer_id: Uuid::nil(),
        serial: seed::serial(LISTED * BETWEEN, place, true).as_bytes().to_vec(),
        revoked_at: now.as_millisecond(),
        reason: 4,
        invalidity_date: None,
        not_after: (now + WEEK).as_millisecond(),
        is_orphan: false,
    }
}
