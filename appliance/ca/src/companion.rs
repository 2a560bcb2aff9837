//! What becomes true in the same transaction as a certificate: an issuer is active, a responder has its certificate.

use pki::{Certificate, KeyFingerprint};
use store::audit::AuditEntry;
use store::bridges::{BridgeCertificateRow, BridgeRow};
use store::certificates::CertificateRow;
use store::leases::Lease;
use store::responders::ResponderRow;
use uuid::Uuid;

use crate::duty;
use crate::registry::bundle_to_stored;
use crate::responder::note_key_used;

/// What is recorded in the same transaction as a certificate.
#[derive(Clone, Debug)]
pub(crate) enum Companion {
    /// Nothing.
    None,
    /// A pending issuer becomes active with it.
    Activation(Activation),
    /// It is the certificate of the issuer's OCSP responder, made under this lease where there are other servers.
    Responder(Option<Lease>),
    /// It is what the courier ordered by this identifier, with its key where that was made here.
    CourierOrder(Uuid, Option<CourierKey>),
    /// It is that of an instance of a bridge.
    Bridge(Uuid),
    /// It is the first one of an instance, which comes to be with it and uses its token up.
    NewBridge(Box<NewBridge>),
}

/// An instance of a bridge that comes to be.
#[derive(Clone, Debug)]
pub(crate) struct NewBridge {
    pub(crate) row: BridgeRow,
    pub(crate) token_hash: [u8; 32],
    /// What the audit log says of it.
    pub(crate) entry: AuditEntry,
}

/// A key that was made for a courier, encrypted to it.
#[derive(Clone, Debug)]
pub(crate) struct CourierKey {
    /// JWE in compact form.
    pub(crate) envelope: String,
    /// Until when it waits, epoch milliseconds.
    pub(crate) expires_at: i64,
}

/// A pending issuer that becomes active.
#[derive(Clone, Debug)]
pub(crate) struct Activation {
    pub(crate) issuer_id: Uuid,
    /// The certificates above it.
    pub(crate) chain: Vec<Vec<u8>>,
    /// Link certificates to the root before it.
    pub(crate) links: Vec<Vec<u8>>,
    /// The generation that retires.
    pub(crate) retires: Option<Uuid>,
}

impl Companion {
    pub(crate) fn record(
        &self,
        tx: &store::Tx<'_>,
        row: &CertificateRow,
        certificate: &Certificate,
    ) -> store::Result<()> {
        match self {
            Self::None => Ok(()),
            Self::CourierOrder(order, made) => {
                let KeyFingerprint(key) = certificate.public_key().fingerprint();
                let issue = store::courier_orders::Issue {
                    id: *order,
                    certificate_id: row.id,
                    fingerprint: certificate.fingerprint_sha256().to_vec(),
                    key_fingerprint: key.to_vec(),
                    at: row.created_at,
                };
                if let Some(made) = made {
                    store::courier_keys::insert(tx, *order, made.envelope.as_bytes(), made.expires_at)?;
                }
                store::courier_orders::issue(tx, &issue)
            }
            Self::Bridge(bridge) => certify_bridge(tx, *bridge, row, certificate),
            Self::NewBridge(new) => {
                store::bridges::use_token(tx, &new.token_hash, row.created_at)?;
                store::bridges::insert(tx, &new.row)?;
                store::audit::append(tx, &new.entry)?;
                certify_bridge(tx, new.row.id, row, certificate)
            }
            Self::Activation(activation) => activation.record(tx, &row.subject, certificate),
            Self::Responder(lease) => {
                duty::require(tx, lease.as_ref())?;
                let KeyFingerprint(fingerprint) = certificate.public_key().fingerprint();
                refuse_key_of_revoked(tx, row, &fingerprint)?;
                let responder = ResponderRow {
                    certificate_id: row.id,
                    issuer_id: row.issuer_id,
                    key_fingerprint: fingerprint.to_vec(),
                    certificate: row.der.clone(),
                    not_before: row.not_before,
                    not_after: row.not_after,
                };
                note_key_used(tx, row.issuer_id)?;
                store::responders::insert(tx, &responder, row.created_at)
            }
        }
    }
}

impl Activation {
    /// The old generation retires first: a name has one active generation.
    pub(crate) fn record(
        &self,
        tx: &store::Tx<'_>,
        subject: &str,
        certificate: &Certificate,
    ) -> store::Result<()> {
        if let Some(old) = self.retires {
            store::issuers::set_state(tx, old, "retired")?;
        }
        let chain = bundle_to_stored(&self.chain);
        store::issuers::activate(tx, self.issuer_id, subject, certificate.der(), &chain)?;
        store::issuers::set_links(tx, self.issuer_id, &bundle_to_stored(&self.links))
    }
}

fn certify_bridge(
    tx: &store::Tx<'_>,
    bridge: Uuid,
    row: &CertificateRow,
    certificate: &Certificate,
) -> store::Result<()> {
    let known = BridgeCertificateRow {
        fingerprint: certificate.fingerprint_sha256().to_vec(),
        bridge_id: bridge,
        certificate_id: row.id,
        not_after: row.not_after,
    };
    store::bridges::certify(tx, &known, row.created_at)
}

/// A renewal keeps the key. When a certificate with it was revoked meanwhile, whoever did it distrusts that key, and another one is made.
fn refuse_key_of_revoked(tx: &store::Tx<'_>, row: &CertificateRow, fingerprint: &[u8]) -> store::Result<()> {
    let before = row
        .replaces
        .map(|id| store::certificates::find(tx, id))
        .transpose()?;
    let is_revoked = before.flatten().is_some_and(|before| before.revoked_at.is_some());
    if is_revoked || store::responders::is_key_of_revoked(tx, row.issuer_id, fingerprint)? {
        return Err(store::Error::Conflict {
            constraint: "the responder was revoked while it was renewed: it gets a new key".to_owned(),
        });
    }
    Ok(())
}
