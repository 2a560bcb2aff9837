//! The operations under Valgrind, which counts their instructions.
//!
//! Each operation is done N times, then 2 N times; what the second run has more is what N of them take, without what happens
//! once. Valgrind is told to count within [`counted_from_here`] only and to write a file whenever it is left, so that one
//! process does for all: its standard output says which file is about what.
#![allow(clippy::print_stdout, reason = "read by `cargo xtask instructions`")]

use std::hint::black_box;
use std::rc::Rc;

use anyhow::{Context as _, Result, ensure};

use crate::bed::{Bed, Size};
use crate::ocsp;
use crate::operation::{OPERATIONS, Run};

/// The argument that asks for this.
pub(crate) const WORD: &str = "--counted";

/// How often an operation is done before it is counted; a whole round of the signatures that are verified.
const WARM_UP: u64 = 16;

/// A certificate for each miss, room for all answers.
const SIZE: Size = Size {
    certificates: 8 * ocsp::MISSES,
    answers: 100_000,
};

/// Does what is counted and prints a line for each count: the operation, and how often it was done.
pub(crate) fn run() -> Result<()> {
    let bed = Rc::new(Bed::open(SIZE)?);
    for operation in OPERATIONS {
        let Some(times) = operation.counted else { continue };
        let mut run = (operation.prepare)(&bed).context(operation.name)?;
        // What is done at the first time only, such as a lock that gets its memory, is none of either.
        run(WARM_UP).context(operation.name)?;
        for times in [times, 2 * times] {
            let before = bed.signatures();
            counted_from_here(&mut run, times).context(operation.name)?;
            let signed = bed.signatures() - before;
            let wanted = if operation.signs { times } else { 0 };
            ensure!(
                signed == wanted,
                "{}: {signed} signatures in the place of {wanted}",
                operation.name
            );
            println!("{} {times}", operation.name);
        }
    }
    Ok(())
}

/// What happens in here, on the thread that calls it, is counted. Valgrind knows it by its name.
#[inline(never)]
fn counted_from_here(run: &mut Run, times: u64) -> Result<()> {
    // Not the last thing that is done: a call in its place would be no part of this.
    black_box(run(black_box(times)))
}
