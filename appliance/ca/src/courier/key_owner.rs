//! Whose a public key is among couriers: that of the first one that orders a certificate for it. Two hosts with one private key have
//! either copied it or share it with whoever made it; neither is certified a second time.

use uuid::Uuid;

use super::session::CourierSession;
use crate::authority::Authority;
use crate::error::{Refusal, Result};

/// For what the fingerprint of a key is used up.
const PURPOSE: &str = "courier.key";
/// How long it is remembered, in milliseconds: longer than any certificate of a courier lives.
const KEPT: i64 = 10 * 366 * 24 * 60 * 60 * 1000;
/// What a transaction says in which a key turns out to be that of another courier.
pub(super) const OF_ANOTHER: &str = "the key belongs to another courier";

impl Authority {
    /// Refuses a key for which another courier has ordered a certificate.
    pub(super) async fn check_key_owner(&self, session: &CourierSession, key: [u8; 32]) -> Result<()> {
        let courier = session.courier.id;
        let read = self.inner().store.read(move |reader| {
            Ok(store::once::is_used(reader, PURPOSE, &key)?
                && !store::courier_orders::has_ordered_with(reader, courier, &key)?)
        });
        if read.await? {
            Err(of_another().into())
        } else {
            Ok(())
        }
    }
}

/// Makes a key that of a courier, in the transaction that records its order.
pub(super) fn claim(tx: &store::Tx<'_>, courier: Uuid, key: &[u8; 32], now: i64) -> store::Result<()> {
    let is_own = store::once::use_once(tx, PURPOSE, key, now.saturating_add(KEPT))?
        || store::courier_orders::has_ordered_with(tx, courier, key)?;
    if is_own {
        return Ok(());
    }
    Err(store::Error::Conflict {
        constraint: OF_ANOTHER.to_owned(),
    })
}

pub(super) fn of_another() -> Refusal {
    let message = "another courier has a certificate for this key: make a new one";
    Refusal::of_requester("key_of_another", message)
}
