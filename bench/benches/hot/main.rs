//! The hot functions, one operation each: timed by criterion (`cargo bench -p chancery-bench`), or run under Valgrind, which
//! counts the instructions of those in the contract (`cargo xtask instructions`).
//!
//! Both get the same operations out of one table, on one bed: an authority with a store, a software key and certificates
//! that were issued. An operation calls what the server calls, and says where it begins and ends.

mod bed;
mod certificate;
mod client;
mod counted;
mod crl;
#[path = "../../src/csr.rs"]
mod csr;
mod ocsp;
mod operation;
#[expect(
    unused_imports,
    reason = "cargo builds a benchmark as a test that has no tests"
)]
#[path = "../../src/seed.rs"]
mod seed;
mod status;
mod timed;

use anyhow::Result;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.as_slice() {
        [word] if word == counted::WORD => counted::run(),
        _ => timed::run(),
    }
}
