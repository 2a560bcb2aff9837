//! The operations under criterion, which times them.
#![allow(clippy::expect_used, reason = "a benchmark says what broke by panicking")]

use std::rc::Rc;
use std::time::Instant;

use anyhow::Result;
use criterion::Criterion;

use crate::bed::{Bed, Size};
use crate::operation::OPERATIONS;

/// Many certificates, and room for the answers about few of them: each is asked for again when its answer is gone.
const SIZE: Size = Size {
    certificates: 20_000,
    answers: 2000,
};

/// Times what the command line chooses, as criterion reads it.
pub(crate) fn run() -> Result<()> {
    let bed = Rc::new(Bed::open(SIZE)?);
    let mut criterion = Criterion::default().configure_from_args();
    for operation in OPERATIONS {
        // Made when it is needed, and once: criterion comes back for every sample.
        let mut prepared = None;
        criterion.bench_function(operation.name, |bencher| {
            let run = prepared.get_or_insert_with(|| (operation.prepare)(&bed).expect("an operation"));
            bencher.iter_custom(|times| {
                let begun = Instant::now();
                run(times).expect("an operation that does what it is measured for");
                begun.elapsed()
            });
        });
    }
    criterion.final_summary();
    Ok(())
}
