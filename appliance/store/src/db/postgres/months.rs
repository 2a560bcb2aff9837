//! The tables of the months in which certificates end: made when they are needed, known for as long as the writer lives.
//!
//! A month that another server drops in the meantime is no harm: its certificates go to the table without a month.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::time::{Duration, Instant};

use crate::db::session::Session;
use crate::error::Result;
use crate::retention::Month;

/// After somebody was in the way, for how long there is no other try: each one may hold up everybody who writes.
const REST: Duration = Duration::from_mins(1);

/// Which months have their table.
#[derive(Debug, Default)]
pub(super) struct Months {
    there: RefCell<HashSet<i64>>,
    failed: Cell<Option<Instant>>,
}

impl Months {
    /// Sees to the table of a month.
    pub(super) fn make(&self, session: &dyn Session, not_after: i64) -> Result<()> {
        let Some(month) = Month::of(not_after).map(Month::first) else {
            return Ok(());
        };
        if self.there.borrow().contains(&month) || self.failed.get().is_some_and(|at| at.elapsed() < REST) {
            return Ok(());
        }
        let mut outcome = None;
        session.query(
            "SELECT make_certificates_month(?1)",
            &[month.into()],
            &mut |row| {
                outcome = Some(row.text(0)?);
                Ok(std::ops::ControlFlow::Break(()))
            },
        )?;
        match outcome.as_deref() {
            Some("there") => drop(self.there.borrow_mut().insert(month)),
            // The transaction that made it may yet be undone.
            Some("made") => {}
            _ => self.failed.set(Some(Instant::now())),
        }
        Ok(())
    }
}
