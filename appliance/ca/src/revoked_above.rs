//! CAs of this server whose certificate an offline CA revoked: its list says so when it is imported.
//!
//! Whether a CA that was certified here is revoked is in the store. One that a CA on another machine certified is revoked there, and
//! the list that is imported for that CA is the only word of it: such a CA issues no more, as one that was revoked here. It follows
//! from the list that is published and is looked up when that changes, not when a certificate is issued.

use std::sync::Arc;

use jiff::Timestamp;
use pki::{Certificate, Crl, RevocationReason};

use crate::authority::Authority;
use crate::background;
use crate::error::{Error, Result};
use crate::issuer::Issuer;

/// Since when and why.
pub(crate) type RevokedAbove = (Timestamp, RevocationReason);

impl Authority {
    /// Takes up what the lists of offline CAs say of the CAs here.
    pub(crate) async fn take_up_lists_above(&self) -> Result<()> {
        let authority = self.clone();
        background::run(move || authority.look_at_lists_above()).await?;
        Ok(())
    }

    /// The same on this thread, which may wait for the disk.
    pub(crate) fn look_at_lists_above(&self) {
        let all = self.inner().registry.all();
        for above in all.iter().filter(|issuer| issuer.entry().is_elsewhere()) {
            if let Err(error) = look_at_list_of(above, &all) {
                let issuer = above.entry().name.clone();
                tracing::warn!(%error, issuer, "the CRL of an offline CA cannot be looked at");
            }
        }
    }
}

fn look_at_list_of(above: &Issuer, all: &[Arc<Issuer>]) -> Result<()> {
    let entry = above.entry();
    let Some(own) = &entry.certificate else {
        return Ok(());
    };
    let published = above.shards.iter().find_map(|shard| shard.crl.load_full());
    let Some(published) = published else { return Ok(()) };
    let octets = published.body.read(0, usize::MAX).map_err(Error::internal)?;
    let crl = Crl::parse(&octets).map_err(Error::internal)?;
    for issuer in all {
        let known = issuer.entry();
        let of_it = |one: &&Certificate| {
            one.issuer() == crl.issuer() && one.verify_signed_by(own.public_key()).is_ok()
        };
        let Some(certificate) = known.certificate.as_ref().filter(of_it) else {
            continue;
        };
        let found = crl.find(certificate.serial());
        let found = found.map(|entry| {
            (
                entry.revoked_at,
                entry.reason.unwrap_or(RevocationReason::Unspecified),
            )
        });
        let before = issuer.revoked_above.swap(found.map(Arc::new));
        if let (None, Some((at, reason))) = (before, found) {
            let (name, above) = (&known.name, &entry.name);
            tracing::error!(name, above, %at, %reason, "the certificate of a CA is revoked by the CA above it; it issues no more");
        }
    }
    Ok(())
}
