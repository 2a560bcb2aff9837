//! The status index: finding a serial among few and among many.

use std::hint::black_box;
use std::rc::Rc;

use anyhow::{Result, ensure};
use ca::measured::StatusIndex;

use crate::bed::Bed;
use crate::operation::Run;
use crate::seed;

/// A step that comes by every serial, and far from the one before.
const STEP: u64 = 611_953;

/// Among 10,000 serials.
pub(crate) fn ten_thousand(_: &Rc<Bed>) -> Result<Run> {
    find(10_000)
}

/// Among a million.
pub(crate) fn million(_: &Rc<Bed>) -> Result<Run> {
    find(1_000_000)
}

fn find(count: u64) -> Result<Run> {
    let index = StatusIndex::default();
    for number in 0..count {
        index.learn(seed::serial(count, number, false));
    }
    let absent = seed::serial(count, 0, true);
    ensure!(!index.is_good(&absent), "a serial is known that was not learnt");
    let mut number = 0;
    Ok(Box::new(move |times| {
        for _ in 0..times {
            let serial = seed::serial(count, number, false);
            ensure!(index.is_good(black_box(&serial)), "a serial is not known");
            number = (number + STEP) % count;
        }
        Ok(())
    }))
}
