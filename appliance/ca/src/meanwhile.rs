//! Something that is done again and again beside some work.

use std::future::Future;
use std::time::Duration;

/// Does the work, and beside it something else after each pause. Neither waits for the other: the work goes on while the other
/// is under way, and ends it.
pub(crate) async fn meanwhile<T, A: Future<Output = ()>>(
    pause: Duration,
    mut again: impl FnMut() -> A,
    work: impl Future<Output = T>,
) -> T {
    let beside = async {
        loop {
            tokio::time::sleep(pause).await;
            again().await;
        }
    };
    tokio::select! {
        outcome = work => outcome,
        never = beside => never,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn neither_waits_for_the_other() {
        let pause = Duration::from_millis(5);
        let begun = Cell::new(0);
        let never_ends = || {
            begun.set(begun.get() + 1);
            std::future::pending()
        };
        let work = async {
            while begun.get() == 0 {
                tokio::time::sleep(pause).await;
            }
            tokio::time::sleep(pause).await;
            "done"
        };
        let outcome = tokio::time::timeout(Duration::from_secs(10), meanwhile(pause, never_ends, work)).await;
        assert_eq!(outcome, Ok("done"));

        let times = Cell::new(0);
        let count = || {
            times.set(times.get() + 1);
            std::future::ready(())
        };
        let work = async {
            while times.get() < 3 {
                tokio::time::sleep(pause).await;
            }
        };
        meanwhile(pause, count, work).await;
    }
}
