//! Of several servers one at a time makes the list of a shard, and the others get it from the store.

use std::sync::Arc;

use store::crl_files::CrlFile;
use store::crls::CrlRow;
use store::leases::{self, Lease};
use uuid::Uuid;

use crate::authority::Authority;
use crate::background;
use crate::crl_shard::CrlShard;
use crate::duty::LENGTH;
use crate::error::{Error, Result};
use crate::issuer::Issuer;

/// Octets of a list that go into one row.
const PART: usize = 1024 * 1024;

/// How often a server that has not heard of everything reads on before it gives up.
const ATTEMPTS: usize = 3;

/// The codes of the refusal of a server that another one is ahead of, and of one that has not heard of everything.
pub(crate) const ELSEWHERE: &str = "crl_made_elsewhere";
const BEHIND: &str = "crl_behind";

/// Whether the list will be made in a moment, here or by another server.
pub(crate) fn is_for_later(error: &Error) -> bool {
    [ELSEWHERE, BEHIND].contains(&error.code())
}

/// What became of asking for the duty.
enum Duty {
    Taken(Lease, u64),
    Elsewhere,
    /// There are changes that this server has not heard of.
    Behind,
}

impl Authority {
    /// Takes the duty of a shard and the next number with it, once every change that is committed by then is known here: what
    /// the list before has, this one must not lack.
    pub(crate) async fn take_crl_duty(&self, issuer: &Issuer, shard: &CrlShard) -> Result<(Lease, u64)> {
        for _ in 0..ATTEMPTS {
            match self.try_crl_duty(issuer.id, shard).await? {
                Duty::Taken(lease, number) => return Ok((lease, number)),
                Duty::Elsewhere => {
                    let message = "another server is making this list: it is here in a moment";
                    return Err(Error::conflict(ELSEWHERE, message));
                }
                Duty::Behind => {
                    self.hear_of_all().await?;
                    self.stand_on_stored_base(issuer, shard).await?;
                }
            }
        }
        let message = "this server has not heard of all revocations yet: try again in a moment";
        Err(Error::conflict(BEHIND, message))
    }

    async fn try_crl_duty(&self, issuer: Uuid, shard: &CrlShard) -> Result<Duty> {
        let (name, node) = (format!("crl:{issuer}:{}", shard.index), self.inner().store.node());
        let (index, known, base) = (shard.index, shard.changes(), shard.base());
        let is_shared = self.inner().store.is_shared();
        let take = move |tx: &store::Tx<'_>| {
            let state = store::crls::state(tx, issuer, index)?;
            // A store of one's own has nothing that was not made here.
            if is_shared && (state.changes > known || state.base > base) {
                return Ok(Duty::Behind);
            }
            let Some(lease) = leases::take(tx, &name, node, LENGTH)? else {
                return Ok(Duty::Elsewhere);
            };
            Ok(Duty::Taken(lease, store::crls::take_number(tx, issuer, index)?))
        };
        Ok(self.inner().store.write(take).await?)
    }

    /// Puts a list into the store for the servers that share it. What a list leaves there that is never recorded goes with the
    /// next one.
    pub(crate) async fn share_list(&self, row: &CrlRow, file: &CrlFile) -> Result<()> {
        if !self.inner().store.is_shared() {
            return Ok(());
        }
        let file = Arc::new(file.reopen().map_err(Error::internal)?);
        let parts = file.octets().div_ceil(PART as u64);
        for part in 0..u32::try_from(parts).map_err(Error::internal)? {
            let file = Arc::clone(&file);
            let read = background::run(move || {
                let mut octets = vec![0; PART];
                let length = file.read_at(u64::from(part) * PART as u64, &mut octets)?;
                octets.truncate(length);
                Ok::<_, std::io::Error>(octets)
            });
            let (octets, row) = (read.await?.map_err(Error::internal)?, row.clone());
            let put = move |tx: &store::Tx<'_>| store::crls::put_part(tx, &row, part, &octets);
            self.inner().store.write(put).await?;
        }
        Ok(())
    }

    /// Looks again in a while whether the list that another server was making is here.
    pub(crate) fn look_for_list_again(&self) {
        self.inner().crl_nudge.look_again();
    }
}
