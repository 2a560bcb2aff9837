//! The duty: new entries go into the tree, and its head is signed.
//!
//! Every server looks at the log; the one that takes the lease signs. Tiles and checkpoint are recorded in one transaction, in which the
//! lease is looked at and the checkpoint before must still be the last: a server that was paused signs beside nobody.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pki::{KeyAlgorithm, SignatureAlgorithm};
use serde_json::json;
use store::audit_tree::CheckpointRow;
use store::leases::{self, Lease};
use store::{Reader, Tx};
use tlog::{Checkpoint, Note, TreeHead};

use super::look::{self, Edge};
use super::{ACCEPTED, AuditAlarm, AuditLog, Trouble, Waiting, leaf, signed, unsigned};
use crate::audit;
use crate::authority::Authority;
use crate::clock;
use crate::error::{Error, Result};
use crate::seal::Purpose;

const LEASE: &str = "audit";
/// How long a server that signs may not be heard of before another one does.
const LENGTH: Duration = Duration::from_secs(30);
/// Most entries that go into one checkpoint; a log that was not a tree before is taken in like that, one after the other.
const MOST: u32 = 8192;

const ANOTHER: &str = "the store names another log or key than before; where one was begun anew on purpose, move the folder `audit.folder` \
    of this server away";

/// Whose turn it is to make the key of the log.
enum Turn {
    Mine(Lease),
    Elsewhere,
    Made(AuditLog),
}

/// What one step makes of the entries it has read.
struct Step {
    before: i64,
    head: TreeHead,
    tiles: Vec<(tlog::Tile, Vec<u8>)>,
}

/// How a look after the log ended.
#[derive(Clone, Copy, Debug, Default)]
struct Tended {
    is_signed: bool,
    /// Entries under the last checkpoint, where others are behind it that this server may not sign for.
    behind: Option<i64>,
}

impl Authority {
    /// Looks after the audit log when it is time: looks whether it is as it was signed, has new entries signed, writes the files.
    /// Gives whether a checkpoint was signed.
    pub async fn tend_audit_log(&self) -> Result<bool> {
        let mut tended = self.inner().audit.tended.lock().await;
        let interval = self.inner().settings.audit_interval;
        if tended.is_some_and(|at| at.elapsed() < interval) {
            return Ok(false);
        }
        *tended = Some(Instant::now());
        self.tend_audit_log_now().await
    }

    /// The same at once, for `init` and for tests.
    pub async fn tend_audit_log_now(&self) -> Result<bool> {
        let outcome = self.look_and_sign().await;
        let mut waiting = self.inner().audit.waiting.lock();
        let (why, behind) = match &outcome {
            Ok(Tended { behind: None, .. }) => {
                *waiting = None;
                return outcome.map(|tended| tended.is_signed);
            }
            Ok(Tended { behind, .. }) => (
                "another server has the duty and signs nothing".to_owned(),
                *behind,
            ),
            Err(error) => (error.to_string(), None),
        };
        // One that is signed for by another server in the meantime does not wait.
        let since = waiting
            .take()
            .filter(|before| behind.is_none() || before.behind.is_none() || before.behind == behind)
            .map_or_else(|| self.inner().clock.now(), |before| before.since);
        *waiting = Some(Waiting { since, why, behind });
        outcome.map(|tended| tended.is_signed)
    }

    /// Removes checkpoints that are neither new nor the first of their day; gives how many.
    pub async fn trim_audit_checkpoints(&self) -> Result<usize> {
        Ok(self
            .inner()
            .store
            .write(store::audit_tree::trim_checkpoints)
            .await?)
    }

    async fn look_and_sign(&self) -> Result<Tended> {
        let state = &self.inner().audit;
        let mut tended = Tended::default();
        self.heed_moved_files();
        let Some(log) = self.audit_log().await? else {
            return Ok(tended);
        };
        self.remember_files(&log)?;
        loop {
            let edge = match self.look_at_log(&log).await {
                Ok(edge) => edge,
                Err(Trouble::Alarm(alarm)) => {
                    state.conclude(Some(alarm));
                    return Ok(tended);
                }
                Err(Trouble::Store(error)) => return Err(error.into()),
            };
            state.conclude(None);
            self.note_signed(&edge);
            let size = signed(edge.head.size());
            if edge.last <= size {
                break;
            }
            if !self.sign_next(&log, edge).await? {
                tended.behind = Some(size);
                break;
            }
            tended.is_signed = true;
        }
        self.write_audit_files(&log).await?;
        Ok(tended)
    }

    /// Looks at the right end of the log, and at some entries further left.
    async fn look_at_log(&self, log: &Arc<AuditLog>) -> std::result::Result<Edge, Trouble> {
        let state = &self.inner().audit;
        let seen = *state.seen.lock();
        let turn = state.bundle.fetch_add(1, Ordering::Relaxed);
        let looked_for = Arc::clone(log);
        let read = self.inner().store.read(move |reader| {
            let look = |reader: &Reader<'_>| {
                let is_the_same = AuditLog::read(reader)?.as_ref() == Some(&*looked_for);
                if !is_the_same {
                    return Err(AuditAlarm::general(ANOTHER).into());
                }
                let edge = look::edge(reader, &looked_for, seen.as_ref())?;
                let bundles = edge.head.size().div_ceil(u64::from(tlog::TILE_WIDTH));
                if bundles > 0 {
                    look::bundle(reader, &edge.head, turn % bundles)?;
                }
                Ok(edge)
            };
            Ok::<std::result::Result<Edge, Trouble>, _>(look(reader))
        });
        read.await?
    }

    /// Has the next entries signed; whether it did, which it does not while another server has the duty.
    async fn sign_next(&self, log: &Arc<AuditLog>, edge: Edge) -> Result<bool> {
        let store = &self.inner().store;
        let node = store.node();
        let Some(lease) = store
            .write(move |tx| leases::take(tx, LEASE, node, LENGTH))
            .await?
        else {
            return Ok(false);
        };
        let outcome = self.sign_under(log, edge, lease.clone()).await;
        if !matches!(outcome, Ok(true)) {
            // Another server may have the key; it need not wait for the end of the lease.
            self.give_back(&lease).await;
        }
        outcome
    }

    async fn sign_under(&self, log: &Arc<AuditLog>, edge: Edge, lease: Lease) -> Result<bool> {
        let store = &self.inner().store;
        let read = store.read(move |reader| Ok(take_in(reader, edge)));
        let step = match read.await? {
            Ok(step) => step,
            Err(Trouble::Alarm(alarm)) => {
                self.inner().audit.conclude(Some(alarm));
                return Ok(false);
            }
            Err(Trouble::Store(error)) => return Err(error.into()),
        };
        let (head, at) = (step.head, self.inner().clock.now());
        let checkpoint = self.sign_checkpoint(log, head, at).await?;
        let row = CheckpointRow {
            size: signed(head.size()),
            at: at.as_millisecond(),
            note: checkpoint.to_string(),
        };
        let recorded = store
            .write(move |tx| record(tx, &lease, step.before, &step.tiles, &row))
            .await;
        match recorded {
            // Somebody else signs by now, and what was signed here is seen by nobody.
            Err(store::Error::LeaseLost) => return Ok(false),
            other => other?,
        }
        let state = &self.inner().audit;
        *state.seen.lock() = Some(head);
        tracing::debug!(size = head.size(), root = %head.root(), "the audit log has a new checkpoint");
        Ok(true)
    }

    /// A checkpoint of a head, signed by the key of the log.
    async fn sign_checkpoint(&self, log: &AuditLog, head: TreeHead, at: Timestamp) -> Result<Note> {
        let inner = self.inner();
        let text = Checkpoint::new(log.origin(), head)
            .map_err(Error::internal)?
            .to_string();
        let message = log.key.message(&text, at).map_err(Error::internal)?;
        let (started, purpose) = (Instant::now(), Purpose::Audit);
        let signature = inner.signer.sign(
            log.fingerprint,
            SignatureAlgorithm::EcdsaSha256,
            &message,
            purpose.priority(),
            inner.settings.sign_deadline,
        );
        let signature = signature.await;
        inner
            .metrics
            .signed(purpose, started.elapsed(), signature.as_ref().err());
        let signature = log
            .key
            .signature(&text, at, &signature?)
            .map_err(Error::internal)?;
        Note::new(&text, signature).map_err(Error::internal)
    }

    fn note_signed(&self, edge: &Edge) {
        let state = &self.inner().audit;
        *state.seen.lock() = (edge.head.size() > 0).then_some(edge.head);
        state.size.store(signed(edge.head.size()), Ordering::Relaxed);
        let at = edge.checkpoint.as_ref().map_or(0, |row| row.at);
        state.signed_at.store(at, Ordering::Relaxed);
    }

    /// Which log this is. The first server that asks when there is a CA makes its key.
    pub(crate) async fn audit_log(&self) -> Result<Option<Arc<AuditLog>>> {
        let state = &self.inner().audit;
        if let Some(log) = state.log() {
            return Ok(Some(log));
        }
        let found = match self.inner().store.read(AuditLog::read).await? {
            Some(log) => Some(log),
            None => self.make_audit_key(None).await?,
        };
        let Some(log) = found else { return Ok(None) };
        // A key that signs certificates or answers signs nothing else, whatever the store says.
        let is_of_a_ca = self.inner().registry.all().iter().any(|issuer| {
            let responder = issuer.responder.load();
            issuer.entry().key == log.fingerprint
                || responder
                    .as_ref()
                    .is_some_and(|one| one.signing.key == log.fingerprint)
        });
        if is_of_a_ca {
            state.conclude(Some(AuditAlarm::general(
                "the store names the key of a CA as that of the log",
            )));
            return Ok(None);
        }
        let log = Arc::new(log);
        state.log.store(Some(Arc::clone(&log)));
        Ok(Some(log))
    }

    /// Makes the key of the log, on a token or, when none is named, on that of the first CA whose token is there; nothing when there is
    /// no CA yet, or when another server is at it.
    pub async fn make_audit_log(&self, token: Option<&str>) -> Result<Option<String>> {
        if self.inner().store.read(AuditLog::read).await?.is_none() {
            self.make_audit_key(token).await?;
        }
        Ok(self.audit_log().await?.map(|log| log.key.to_string()))
    }

    async fn make_audit_key(&self, token: Option<&str>) -> Result<Option<AuditLog>> {
        if self.has_files_of_a_log() {
            let what = "the store has no log, but the folder of this server has checkpoints of one: it was removed, or this is another \
                store; restore the store, or move the folder `audit.folder` away";
            self.inner().audit.conclude(Some(AuditAlarm::general(what)));
            return Ok(None);
        }
        let settled = token
            .map(ToOwned::to_owned)
            .or_else(|| self.inner().settings.audit_token.clone());
        let of_a_ca = match settled {
            Some(token) => Some(token),
            None => self.token_of_a_ca().await?,
        };
        let Some(token) = of_a_ca else {
            return Ok(None);
        };
        let store = &self.inner().store;
        let node = store.node();
        let take = store.write(move |tx| {
            // Another server may have made it since this one looked.
            match AuditLog::read(tx)? {
                Some(log) => Ok(Turn::Made(log)),
                None => Ok(leases::take(tx, LEASE, node, LENGTH)?.map_or(Turn::Elsewhere, Turn::Mine)),
            }
        });
        let lease = match take.await? {
            Turn::Made(log) => return Ok(Some(log)),
            Turn::Elsewhere => return Ok(None),
            Turn::Mine(lease) => lease,
        };
        let make = self.make_audit_key_under(&lease, &token);
        self.under(&lease, make).await.map(Some)
    }

    async fn make_audit_key_under(&self, lease: &Lease, token: &str) -> Result<AuditLog> {
        let label = format!("audit-{}", clock::new_id().simple());
        let (row, key) = self.make_key(token, &label, KeyAlgorithm::P256).await?;
        let at = self.inner().clock.now();
        let log =
            AuditLog::new(&origin(&self.inner().settings.base_url, &key), key).map_err(Error::internal)?;
        let details = json!({ "label": row.label, "token": row.backend, "for": "audit log", "verifier_key": log.key.to_string() });
        let entry = audit::entry(
            at,
            "chancery (audit log)",
            "key.generate",
            log.fingerprint,
            audit::OK,
            &details,
        );
        let (made, lease) = (log.clone(), lease.clone());
        self.change(entry, move |tx| {
            leases::require(tx, &lease)?;
            store::keys::insert(tx, &row)?;
            made.put(tx)
        })
        .await?;
        tracing::info!(key = %log.key, token, "the audit log has a key; note it where auditors find it");
        Ok(log)
    }
}

/// Where it is from, and the beginning of its key's fingerprint: no two logs have the same.
fn origin(base_url: &str, key: &pki::PublicKey) -> String {
    let host = base_url.split_once("://").map_or(base_url, |(_, rest)| rest);
    let host: String = host
        .chars()
        .filter(|c| c.is_ascii_graphic() && *c != '+')
        .collect();
    let fingerprint = key.fingerprint().to_string();
    let short: String = fingerprint
        .chars()
        .filter(char::is_ascii_hexdigit)
        .take(8)
        .collect();
    format!("{}/audit/{short}", host.trim_matches('/'))
}

/// Reads the entries behind the edge, each of which must hang on the one before, and puts them into the tree.
fn take_in(reader: &Reader<'_>, edge: Edge) -> std::result::Result<Step, Trouble> {
    let before = signed(edge.head.size());
    let accepted = store::settings::number(reader, ACCEPTED)?.unwrap_or(0);
    let (mut chain, mut growth) = (edge.chain, edge.growth);
    for (seq, logged) in (before + 1..).zip(store::audit::after(reader, before, MOST)?) {
        if logged.seq != seq {
            return Err(AuditAlarm::at(seq, "it is missing").into());
        }
        if seq > accepted && !store::audit::follows(&chain, &logged) {
            return Err(AuditAlarm::at(seq, "it, or the one before it, was changed").into());
        }
        growth
            .push(leaf::leaf_hash(&logged))
            .map_err(|_| AuditAlarm::general("the log is too long"))?;
        chain = logged.hash;
    }
    Ok(Step {
        before,
        head: growth.head(),
        tiles: growth.take_tiles(),
    })
}

fn record(
    tx: &Tx<'_>,
    lease: &Lease,
    before: i64,
    tiles: &[(tlog::Tile, Vec<u8>)],
    row: &CheckpointRow,
) -> store::Result<()> {
    leases::require(tx, lease)?;
    let last = store::audit_tree::last_checkpoint(tx)?.map_or(0, |last| last.size);
    if unsigned(last) != unsigned(before) {
        return Err(store::Error::LeaseLost);
    }
    for (tile, octets) in tiles {
        store::audit_tree::put_tile(tx, tile.level(), signed(tile.index()), octets)?;
    }
    store::audit_tree::put_checkpoint(tx, row)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    #[test]
    fn an_origin_is_a_name_for_a_key() {
        let key = made_key();
        let origin = |url: &str| origin(url, &key);
        let short: String = key.fingerprint().to_string().chars().take(8).collect();
        assert_eq!(
            origin("http://pki.example:81"),
            format!("pki.example:81/audit/{short}")
        );
        assert_eq!(origin("http://[::1]/a+b/"), format!("[::1]/ab/audit/{short}"));
        assert!(AuditLog::new(&origin("http://pki.example"), key.clone()).is_ok());
    }

    fn made_key() -> pki::PublicKey {
        let ring = token::KeyRing::in_memory();
        let made = ring
            .generate(
                &signer_wire::Backend::Software,
                "audit",
                signer_wire::KeyKind::P256,
            )
            .unwrap();
        pki::PublicKey::from_spki_der(&made.spki).unwrap()
    }
}
