//! Places between every two durable effects at which a test lets the process die, or stop until it is woken.
//!
//! A build for tests counts how often each place is passed, by its name, so that the test needs no list of them and a new
//! write cannot be forgotten: commits are named after the tables they change. `CHANCERY_CRASH_BOOK` names a file to which
//! every passage is added; at the one that `CHANCERY_CRASH_AT` names, as it stands in such a book, the process dies at once; at the
//! one that `CHANCERY_STOP_AT` names it stops as by SIGSTOP. A release build has nothing of this. It is no way to fail an operation:
//! only the end of the process is simulated, and its sleep.

#[cfg(debug_assertions)]
pub use armed::pass;
#[cfg(debug_assertions)]
pub(crate) use armed::{Commit, Touched};
#[cfg(not(debug_assertions))]
pub use disarmed::pass;
#[cfg(not(debug_assertions))]
pub(crate) use disarmed::{Commit, Touched};

#[cfg(debug_assertions)]
mod armed {
    use std::cell::RefCell;
    use std::collections::{BTreeSet, HashMap};
    use std::fs::OpenOptions;
    use std::io::Write as _;
    use std::path::PathBuf;
    use std::sync::OnceLock;

    use parking_lot::Mutex;

    /// What the environment asks for, and how often each place was passed.
    struct Points {
        book: Option<PathBuf>,
        end: Option<String>,
        stop: Option<String>,
        passed: Mutex<HashMap<String, u64>>,
    }

    /// Passes a place.
    pub fn pass(name: impl FnOnce() -> String) {
        static POINTS: OnceLock<Option<Points>> = OnceLock::new();
        let read = || {
            let book = std::env::var_os("CHANCERY_CRASH_BOOK").map(PathBuf::from);
            let end = std::env::var("CHANCERY_CRASH_AT").ok();
            let stop = std::env::var("CHANCERY_STOP_AT").ok();
            (book.is_some() || end.is_some() || stop.is_some()).then(|| Points {
                book,
                end,
                stop,
                passed: Mutex::default(),
            })
        };
        if let Some(points) = POINTS.get_or_init(read) {
            points.pass(&name());
        }
    }

    impl Points {
        fn pass(&self, name: &str) {
            // Held to the end, so that the book has the passages in their order, and none after the last.
            let mut passed = self.passed.lock();
            let times = passed.entry(name.to_owned()).or_default();
            *times += 1;
            let passage = format!("{name} #{times}");
            if let Some(book) = &self.book {
                let line = format!("{passage}\n");
                let file = OpenOptions::new().create(true).append(true).open(book);
                // Who reads the book finds that the line is missing.
                let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
            }
            if self.end.as_deref() == Some(passage.as_str()) {
                // As a kill does: nothing is flushed, dropped or told to anybody.
                std::process::abort();
            }
            if self.stop.as_deref() == Some(passage.as_str()) {
                let own = std::process::id().to_string();
                // All of its threads, before the program that does it has ended.
                let _ = std::process::Command::new("kill").args(["-STOP", &own]).status();
            }
        }
    }

    /// The tables that a job changes.
    #[derive(Debug, Default)]
    pub(crate) struct Touched(RefCell<BTreeSet<String>>);

    impl Touched {
        /// Notes the table of a statement.
        pub(crate) fn note(&self, sql: &str) {
            let mut words = sql.split_whitespace();
            if words.any(|word| ["INTO", "UPDATE", "FROM"].contains(&word)) {
                self.note_table(words.next().unwrap_or_default());
            }
        }

        /// Notes a table, perhaps with its columns behind it.
        pub(crate) fn note_table(&self, words: &str) {
            let table = words.split(['(', ' ', '\n']).next().unwrap_or_default();
            self.0.borrow_mut().insert(table.to_owned());
        }

        fn take(&self) -> BTreeSet<String> {
            self.0.take()
        }
    }

    /// The commit of some jobs: one place before it and one behind it for each of them, because which of them share a commit is
    /// chance.
    #[derive(Debug, Default)]
    pub(crate) struct Commit {
        jobs: Vec<String>,
    }

    impl Commit {
        /// Begins anew.
        pub(crate) fn begin(&mut self) {
            self.jobs.clear();
        }

        /// A job has run that is to be kept.
        pub(crate) fn keeps(&mut self, touched: &Touched) {
            let tables: Vec<String> = touched.take().into_iter().collect();
            if !tables.is_empty() {
                self.jobs.push(tables.join(" "));
            }
        }

        /// A job has run that is undone.
        pub(crate) fn undoes(touched: &Touched) {
            touched.take();
        }

        /// Nothing of it is durable.
        pub(crate) fn before(&self) {
            self.jobs
                .iter()
                .for_each(|job| pass(|| format!("before commit: {job}")));
        }

        /// All of it is durable, and nobody has been told.
        pub(crate) fn after(&self) {
            self.jobs
                .iter()
                .for_each(|job| pass(|| format!("after commit: {job}")));
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_commit_is_named_after_what_its_jobs_change() {
            let (touched, mut commit) = (Touched::default(), Commit::default());
            commit.begin();
            touched.note("INSERT INTO orders (id) VALUES (?1) ON CONFLICT (id) DO NOTHING");
            touched.note("UPDATE certificates SET revoked_at = ?1");
            touched.note("DELETE FROM intents WHERE serial = ?1");
            touched.note_table("audit (seq, at) VALUES (?1, ?2)");
            commit.keeps(&touched);
            commit.keeps(&touched);
            touched.note("DELETE FROM keys");
            Commit::undoes(&touched);
            commit.keeps(&touched);
            assert_eq!(commit.jobs, ["audit certificates intents orders"]);
        }
    }
}

#[cfg(not(debug_assertions))]
mod disarmed {
    /// Nothing.
    #[inline]
    pub fn pass(_: impl FnOnce() -> String) {}

    #[derive(Debug, Default)]
    pub(crate) struct Touched;

    impl Touched {
        #[inline]
        pub(crate) fn note(&self, _: &str) {}

        #[inline]
        pub(crate) fn note_table(&self, _: &str) {}
    }

    #[derive(Debug, Default)]
    pub(crate) struct Commit;

    impl Commit {
        #[inline]
        pub(crate) fn begin(&mut self) {}

        #[inline]
        pub(crate) fn keeps(&mut self, _: &Touched) {}

        #[inline]
        pub(crate) fn undoes(_: &Touched) {}

        #[inline]
        pub(crate) fn before(&self) {}

        #[inline]
        pub(crate) fn after(&self) {}
    }
}
