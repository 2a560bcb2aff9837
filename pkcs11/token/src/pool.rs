//! A bounded pool of sessions.
//!
//! A session is leased to one thread at a time and comes back only when its user says that it is well; a lease that
//! is dropped otherwise (an error, a panic) takes its session with it, so that a dead session is never handed out
//! twice. Sessions are opened when they are first wanted.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

/// After so long a token that gave fewer sessions than were wanted is asked for them again: it may have been for the moment.
const ASK_AGAIN: Duration = Duration::from_mins(5);

/// What opening a session gave.
pub(crate) enum Opened<S, E> {
    /// A session.
    Session(S),
    /// The token has no more sessions to give than it has given (CKR_SESSION_COUNT).
    NoMore,
    /// The token gave an error that may mean the same, or anything else: it has no more to give as long as others work.
    PerhapsNoMore(E),
}

/// Why no session was leased.
#[derive(Debug)]
pub(crate) enum NoLease<E> {
    /// All sessions were busy until the deadline.
    Busy,
    /// A session could not be opened.
    Failed(E),
}

#[derive(Debug)]
struct State<S> {
    idle: Vec<S>,
    /// Sessions that exist: idle and leased.
    open: usize,
    /// How many may exist; lowered when the token gives fewer.
    limit: usize,
    /// When that was.
    lowered: Option<Instant>,
    /// How many were asked for.
    size: usize,
}

/// A bounded pool of sessions.
#[derive(Debug)]
pub(crate) struct Pool<S> {
    state: Mutex<State<S>>,
    freed: Condvar,
}

impl<S> Pool<S> {
    /// A pool of at most `size` sessions, none of them open yet.
    pub(crate) fn new(size: usize) -> Self {
        let size = size.max(1);
        Self {
            state: Mutex::new(State {
                idle: Vec::with_capacity(size),
                open: 0,
                limit: size,
                lowered: None,
                size,
            }),
            freed: Condvar::new(),
        }
    }

    /// Leases a session: the one that came back last, or a new one while there may be more; otherwise waits for one
    /// to come back, until the deadline.
    pub(crate) fn lease<E>(
        &self,
        deadline: Instant,
        open: impl Fn() -> Result<Opened<S, E>, E>,
    ) -> Result<Lease<'_, S>, NoLease<E>> {
        let mut state = self.state.lock();
        loop {
            if let Some(session) = state.idle.pop() {
                return Ok(Lease {
                    pool: self,
                    session: Some(session),
                });
            }
            if state.open < state.limit {
                state.open += 1;
                drop(state);
                let opened = open();
                match opened {
                    Ok(Opened::Session(session)) => {
                        return Ok(Lease {
                            pool: self,
                            session: Some(session),
                        });
                    }
                    Ok(Opened::NoMore) => match self.lower_limit() {
                        Some(lowered) => state = lowered,
                        None => return Err(NoLease::Busy),
                    },
                    Ok(Opened::PerhapsNoMore(error)) => match self.lower_limit() {
                        Some(lowered) => state = lowered,
                        None => return Err(NoLease::Failed(error)),
                    },
                    Err(error) => {
                        self.forget_one();
                        return Err(NoLease::Failed(error));
                    }
                }
                continue;
            }
            if self.freed.wait_until(&mut state, deadline).timed_out() && state.idle.is_empty() {
                return Err(NoLease::Busy);
            }
        }
    }

    /// Takes out all idle sessions, for the caller to close, and asks the token again for as many as were wanted.
    pub(crate) fn drain(&self) -> Vec<S> {
        let mut state = self.state.lock();
        let idle = std::mem::take(&mut state.idle);
        state.open -= idle.len();
        state.limit = state.size;
        drop(state);
        self.freed.notify_all();
        idle
    }

    /// How many sessions it can be of use to ask for. One is left to the token that has no more than it has given: making a
    /// key takes one, too.
    pub(crate) fn most(&self) -> usize {
        let state = self.state.lock();
        if state.limit < state.size {
            state.limit.saturating_sub(1).max(1)
        } else {
            state.size
        }
    }

    /// Closes idle sessions as long as there are more than so many. Called from time to time.
    pub(crate) fn give_back(&self, wanted: usize, now: Instant) {
        {
            let mut state = self.state.lock();
            let is_over = |lowered: Instant| now.saturating_duration_since(lowered) >= ASK_AGAIN;
            if state.lowered.is_some_and(is_over) {
                state.limit = state.size;
                state.lowered = None;
            }
        }
        loop {
            let session = {
                let mut state = self.state.lock();
                if state.open <= wanted {
                    return;
                }
                state.idle.pop()
            };
            let Some(session) = session else { return };
            drop(session);
            self.forget_one();
        }
    }

    /// The token gave no session although the limit was not reached: what exists now is the limit. `None` when
    /// nothing exists, so that there is nothing to wait for.
    fn lower_limit(&self) -> Option<MutexGuard<'_, State<S>>> {
        let mut state = self.state.lock();
        state.open -= 1;
        (state.open > 0).then(|| {
            state.limit = state.open;
            state.lowered = Some(Instant::now());
            state
        })
    }

    fn forget_one(&self) {
        self.state.lock().open -= 1;
        self.freed.notify_one();
    }
}

/// A session in the hands of one thread.
#[derive(Debug)]
pub(crate) struct Lease<'a, S> {
    pool: &'a Pool<S>,
    /// Empty only while the lease is being ended.
    session: Option<S>,
}

impl<S> Lease<'_, S> {
    /// The session; `None` only while the lease is being ended.
    pub(crate) fn session(&mut self) -> Option<&mut S> {
        self.session.as_mut()
    }

    /// The session is well: back to the pool with it.
    pub(crate) fn keep(mut self) {
        if let Some(session) = self.session.take() {
            self.pool.state.lock().idle.push(session);
            self.pool.freed.notify_one();
        }
    }
}

impl<S> Drop for Lease<'_, S> {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            // The slow part, closing, comes before the place is free, so that the token is never asked for more
            // sessions than the limit.
            drop(session);
            self.pool.forget_one();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::cell::Cell;
    use std::time::Duration;

    use super::*;

    impl<S> Pool<S> {
        fn open(&self) -> usize {
            self.state.lock().open
        }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    fn numbered(next: &Cell<u32>) -> impl Fn() -> Result<Opened<u32, ()>, ()> {
        move || {
            next.set(next.get() + 1);
            Ok(Opened::Session(next.get()))
        }
    }

    #[test]
    fn a_session_that_is_kept_is_leased_again_and_one_that_is_not_is_gone() {
        let (pool, next) = (Pool::new(1), Cell::new(0));
        pool.lease(soon(), numbered(&next)).unwrap().keep();
        let mut again = pool.lease(soon(), numbered(&next)).unwrap();
        assert_eq!(again.session(), Some(&mut 1));
        drop(again);
        assert_eq!(
            pool.lease(soon(), numbered(&next)).unwrap().session(),
            Some(&mut 2),
            "the dead one was evicted"
        );
    }

    #[test]
    fn the_limit_holds_and_the_deadline_ends_the_wait() {
        let (pool, next) = (Pool::new(2), Cell::new(0));
        let _first = pool.lease(soon(), numbered(&next)).unwrap();
        let second = pool.lease(soon(), numbered(&next)).unwrap();
        assert!(matches!(pool.lease(soon(), numbered(&next)), Err(NoLease::Busy)));
        second.keep();
        assert_eq!(
            pool.lease(soon(), numbered(&next)).unwrap().session(),
            Some(&mut 2)
        );
    }

    #[test]
    fn a_token_with_fewer_sessions_lowers_the_limit() {
        let (pool, next) = (Pool::new(8), Cell::new(0));
        let held = pool.lease(soon(), numbered(&next)).unwrap();
        assert_eq!(pool.most(), 8);
        let no_more = || Ok::<_, ()>(Opened::NoMore);
        assert!(matches!(pool.lease(soon(), no_more), Err(NoLease::Busy)));
        assert_eq!(pool.most(), 1);
        held.keep();
        assert_eq!(
            pool.lease(soon(), no_more).unwrap().session(),
            Some(&mut 1),
            "waits for the one there is"
        );
    }

    #[test]
    fn a_failure_to_open_frees_the_place() {
        let (pool, next) = (Pool::new(1), Cell::new(0));
        let failing = || Err::<Opened<u32, ()>, _>(());
        assert!(matches!(pool.lease(soon(), failing), Err(NoLease::Failed(()))));
        assert!(pool.lease(soon(), numbered(&next)).is_ok());
    }

    #[test]
    fn an_error_that_may_mean_no_more_is_one_only_while_nothing_works() {
        let (pool, next) = (Pool::new(8), Cell::new(0));
        let perhaps = || Ok::<Opened<u32, _>, _>(Opened::PerhapsNoMore(()));
        assert!(matches!(pool.lease(soon(), perhaps), Err(NoLease::Failed(()))));
        let [one, two, three] = [(); 3].map(|()| pool.lease(soon(), numbered(&next)).unwrap());
        assert!(matches!(pool.lease(soon(), perhaps), Err(NoLease::Busy)));
        assert_eq!(pool.most(), 2, "one is left for whoever makes a key");
        for lease in [one, two, three] {
            lease.keep();
        }
        pool.give_back(2, Instant::now());
        assert_eq!((pool.open(), pool.most()), (2, 2));
        pool.give_back(2, Instant::now() + ASK_AGAIN);
        assert_eq!(pool.most(), 8, "it may have more by now");
        assert_eq!(pool.drain().len(), 2);
    }

    #[test]
    fn draining_takes_the_idle_sessions_out() {
        let (pool, next) = (Pool::new(2), Cell::new(0));
        pool.lease(soon(), numbered(&next)).unwrap().keep();
        assert_eq!(pool.drain(), [1]);
        assert_eq!(
            pool.lease(soon(), numbered(&next)).unwrap().session(),
            Some(&mut 2)
        );
    }
}
