//! The orders that this process is at work on. One that is being signed and stands here comes to its end; one that stands with nobody
//! was left by a server that is gone.

use std::sync::Arc;

use parking_lot::Mutex;
use uuid::Uuid;

/// Identifiers of orders, once for each piece of work.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnderWay(Arc<Mutex<Vec<Uuid>>>);

/// Work on an order, until it is dropped.
#[derive(Debug)]
pub(super) struct Work {
    all: UnderWay,
    order: Uuid,
}

impl UnderWay {
    /// Work on an order begins. Before the store says so, so that nobody finds it there and not here.
    pub(super) fn begin(&self, order: Uuid) -> Work {
        self.0.lock().push(order);
        Work {
            all: self.clone(),
            order,
        }
    }

    pub(super) fn has(&self, order: Uuid) -> bool {
        self.0.lock().contains(&order)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let mut all = self.all.0.lock();
        if let Some(at) = all.iter().position(|order| *order == self.order) {
            all.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_under_way_until_the_last_work_on_it_ends() {
        let (all, order) = (UnderWay::default(), Uuid::from_u128(1));
        let (one, two) = (all.begin(order), all.begin(order));
        assert!(!all.has(Uuid::from_u128(2)));
        drop(one);
        assert!(all.has(order));
        drop(two);
        assert!(!all.has(order));
    }
}
