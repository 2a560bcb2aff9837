//! Offline CAs: those that sign nothing by themselves, and those whose key is on another machine altogether.
//!
//! A CA of a key ceremony makes no CRL and no responder on its own; each of its signatures is a step that somebody decided on.
//! The server of the network knows such a CA by its certificate and hands out the CRLs that it is given. It is recorded as a
//! retired issuer, so that a program that knows nothing of this does not take it for one that issues.

use std::sync::Arc;

use jiff::Timestamp;
use pki::{Certificate, Crl, DigestAlgorithm, SignatureAlgorithm};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::crl_files::CrlFile;
use store::crls::CrlRow;
use store::issuers::IssuerRow;
use store::leases::{self, Lease};
use store::{Reader, Tx};
use uuid::Uuid;

use crate::audit;
use crate::authority::Authority;
use crate::background;
use crate::clock;
use crate::crl_plan::CrlPlan;
use crate::crl_shard::CrlShard;
use crate::error::{Error, Refusal, Result};
use crate::issuer::{Issuer, IssuerEntry, IssuerOrigin, IssuerState};
use crate::permit::{self, Permit, action};
use crate::principal::Principal;
use crate::published_crl::{PublishedCrl, row_file_name};
use crate::registry::{StoredSettings, bundle_to_stored, entry_from_rows, public_urls};
use crate::responder::key_row;
use crate::subordinate::bundle_of;

/// Where the key of a CA is said to be that is not here.
pub(crate) const ELSEWHERE: &str = "(offline)";

/// Longest imported list that is kept in its row besides its file, in octets: a backup has the rows, and nobody here could make the
/// list again.
const IN_ROW: usize = 1024 * 1024;

/// A CA that signs nothing by itself.
// stored: in the settings of an issuer
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Offline {
    /// Whether its key is on another machine.
    #[serde(default)]
    pub is_elsewhere: bool,
    /// Where its certificate is published; at the address of the server when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_url: Option<String>,
    /// Where its CRL is published, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crl_url: Option<String>,
}

impl Offline {
    /// Its addresses: certificate, OCSP (none), CRL.
    pub(crate) fn urls(&self, base_url: &str, id: Uuid) -> [String; 3] {
        let [ca, _, crl] = public_urls(base_url, id);
        let own = |own: &Option<String>, server| own.clone().unwrap_or(server);
        [own(&self.ca_url, ca), String::new(), own(&self.crl_url, crl)]
    }
}

/// A CA whose key is on another machine.
#[derive(Clone, Debug)]
pub struct ImportOffline {
    /// Its name here.
    pub name: String,
    /// Its certificate and those above it: PEM, PKCS#7 or one certificate in DER.
    pub certificates: Vec<u8>,
    /// Its identifier, which stands in its public addresses, as the ceremony that made it told; a new one when absent.
    pub id: Option<Uuid>,
    /// The address of its certificate, when that is not the one here.
    pub ca_url: Option<String>,
    /// The address of its CRL, when that is not the one here.
    pub crl_url: Option<String>,
}

impl Authority {
    /// Takes note of a CA whose key is on another machine. Its certificate is handed out from now on, and its CRLs when they are
    /// imported.
    pub async fn import_offline(
        &self,
        principal: &Principal,
        request: ImportOffline,
    ) -> Result<Arc<IssuerEntry>> {
        let permit = permit::to_manage_issuers(principal)?;
        let bundle = bundle_of(&request.certificates)?;
        let first = bundle.first().map(|first| first.public_key().clone());
        let key = first.ok_or_else(|| Error::internal("an empty bundle"))?;
        let chain = self.checked_chain(&key, bundle)?;
        let import = |authority: Self| async move {
            let _one_at_a_time = authority.inner().issuer_changes.lock().await;
            authority.check_name_is_free(&request.name)?;
            authority.record_offline(&permit, request, chain).await
        };
        self.to_the_end(import).await
    }

    async fn record_offline(
        &self,
        permit: &Permit<action::ManageIssuers>,
        request: ImportOffline,
        chain: Vec<Certificate>,
    ) -> Result<Arc<IssuerEntry>> {
        let id = request.id.unwrap_or_else(clock::new_id);
        if self.inner().registry.find(id).is_some() {
            let message = format!("there is an issuer {id} already");
            return Err(Error::conflict("issuer_exists", message));
        }
        let mut chain = chain.into_iter();
        let own = chain.next().ok_or_else(|| Error::internal("an empty chain"))?;
        let public_key = own.public_key();
        let known = |issuer: &Arc<IssuerEntry>| issuer.key == public_key.fingerprint();
        if let Some(known) = self.issuers().iter().find(|issuer| known(issuer)) {
            let message = format!("the key of this certificate is that of the issuer {}", known.name);
            return Err(Error::conflict("issuer_exists", message));
        }
        let (at, above) = (self.inner().clock.now(), chain.map(|one| one.der().to_vec()));
        let label: String = request.name.chars().take(64).collect();
        let key = key_row(ELSEWHERE, &label, public_key, at);
        let settings = StoredSettings {
            origin: if own.is_self_signed() {
                IssuerOrigin::Root
            } else {
                IssuerOrigin::Subordinate
            },
            token: ELSEWHERE.to_owned(),
            parent: None,
            profile: None,
            crl: CrlPlan::default(),
            offline: Some(Offline {
                is_elsewhere: true,
                ca_url: request.ca_url,
                crl_url: request.crl_url,
            }),
            key_lost: None,
        };
        let row = IssuerRow {
            id,
            generation: self.inner().registry.next_generation(&request.name).into(),
            name: request.name,
            state: IssuerState::Retired.to_string(),
            subject: own.subject().to_string(),
            key_fingerprint: key.fingerprint.clone(),
            signature_algorithm: SignatureAlgorithm::default_for(public_key.algorithm()).to_string(),
            certificate: Some(own.der().to_vec()),
            csr: None,
            chain: bundle_to_stored(&above.collect::<Vec<_>>()),
            links: Vec::new(),
            settings: serde_json::to_string(&settings).map_err(Error::internal)?,
            created_at: at.as_millisecond(),
        };
        let entry = entry_from_rows(&row, &key, &self.inner().settings.base_url)?;
        let details = json!({
            "name": row.name, "subject": row.subject, "serial": own.serial().to_string(),
            "key": audit::hexadecimal(&key.fingerprint), "not_after": own.not_after().to_string(),
        });
        let audited = audit::entry(
            at,
            permit.actor(),
            "issuer.import_offline",
            id,
            audit::OK,
            &details,
        );
        self.change(audited, move |tx| {
            store::keys::insert(tx, &key)?;
            store::issuers::insert(tx, &row)
        })
        .await?;
        Ok(self.inner().registry.add(Issuer::new(entry)).entry())
    }

    /// Publishes a CRL that an offline CA signed, PEM or DER: it is the CA's own, newer than the one that is published, good now
    /// and for everything the CA issued.
    pub async fn import_crl(
        &self,
        principal: &Principal,
        issuer: &str,
        crl: &[u8],
    ) -> Result<Arc<PublishedCrl>> {
        let issuer = self.inner().registry.resolve(issuer)?;
        let permit = permit::to_publish(principal, &issuer.entry())?;
        let crl =
            Crl::parse(crl).map_err(|fault| Refusal::of_requester("crl_malformed", fault.to_string()))?;
        let publish = |authority: Self| async move {
            let published = authority.publish_foreign(&permit, &issuer, &crl).await?;
            authority.take_up_lists_above().await?;
            Ok(published)
        };
        self.to_the_end(publish).await
    }

    async fn publish_foreign(
        &self,
        permit: &Permit<action::Publish>,
        issuer: &Issuer,
        crl: &Crl,
    ) -> Result<Arc<PublishedCrl>> {
        let entry = issuer.entry();
        if !entry.is_elsewhere() {
            let message = format!("the issuer {} signs its CRLs here; publish one", entry.name);
            return Err(Error::conflict("issuer_not_offline", message));
        }
        let shard = issuer
            .shards
            .iter()
            .next()
            .ok_or_else(|| Error::internal("an issuer without shards"))?;
        let _one_at_a_time = shard.publishing.lock().await;
        let now = self.inner().clock.now();
        let (number, next_update) = check(&entry, crl, &self.imported(&entry, shard).await?, now)?;
        let row = CrlRow {
            issuer_id: entry.id,
            shard: shard.index,
            number,
            base: None,
            this_update: crl.this_update().as_millisecond(),
            next_update: next_update.as_millisecond(),
            entries: i64::try_from(crl.entries().count()).unwrap_or(i64::MAX),
            changes: shard.changes(),
            octets: crl.der().len() as u64,
            digest: DigestAlgorithm::Sha256.digest(crl.der()),
            der: (crl.der().len() <= IN_ROW).then(|| crl.der().to_vec()),
        };
        let (lease, _) = self.take_crl_duty(issuer, shard).await?;
        let keep = async {
            // Another server may have imported one until the duty was taken here. From here on nobody else records any: what is
            // recorded is recorded under this lease.
            let imported = self.imported(&entry, shard).await?;
            check(&entry, crl, &imported, now)?;
            let (files, name) = (self.inner().store.crl_files(), row_file_name(&row));
            let der = crl.der().to_vec();
            let write = move || files.begin(&name, 0, [der.as_slice()])?.finish(&[], &[]);
            let file = background::run(write).await??;
            self.share_list(&row, &file).await?;
            if imported.row.is_some_and(|known| known.number == row.number) {
                return self.keep_again(permit, shard, &row, file, lease.clone()).await;
            }
            self.keep_crl(permit, issuer, shard, ((row, file), None), None, &lease)
                .await
        };
        self.under(&lease, keep).await
    }

    /// What was imported of a CA up to now.
    async fn imported(&self, entry: &IssuerEntry, shard: &CrlShard) -> Result<Imported> {
        let (id, index) = (entry.id, shard.index);
        let read = self.inner().store.read(move |reader| {
            let rows = store::crls::newest_of(reader, id, index)?;
            let row = rows.into_iter().find(|row| row.base.is_none());
            Ok((row, store::settings::number(reader, &imported_key(id))?))
        });
        let (row, noted) = read.await?;
        Ok(Imported {
            row,
            noted: noted.and_then(|noted| u64::try_from(noted).ok()).unwrap_or(0),
            published: shard.crl.load().as_ref().map(|crl| crl.number),
        })
    }

    /// Publishes again what is recorded, and whose file was gone.
    async fn keep_again(
        &self,
        permit: &Permit<action::Publish>,
        shard: &CrlShard,
        row: &CrlRow,
        file: CrlFile,
        lease: Lease,
    ) -> Result<Arc<PublishedCrl>> {
        let details = json!({
            "issuer_id": row.issuer_id, "shard": row.shard, "number": row.number, "entries": row.entries, "again": true,
            "next_update": clock::from_millis(row.next_update).to_string(),
        });
        let entry = audit::entry(
            self.inner().clock.now(),
            permit.actor(),
            "crl.publish",
            row.issuer_id,
            audit::OK,
            &details,
        );
        let stored = row.clone();
        self.change(entry, move |tx| {
            leases::require(tx, &lease)?;
            leases::release(tx, &lease)?;
            store::crls::put_der(tx, &stored)
        })
        .await?;
        self.put_up(&shard.crl, row, file)
    }
}

/// What was imported of a CA whose key is elsewhere.
#[derive(Debug)]
struct Imported {
    /// The newest that is recorded.
    row: Option<CrlRow>,
    /// The highest number that the audit log told of when the store was restored.
    noted: u64,
    /// The one that is published; nothing when its file is gone.
    published: Option<u64>,
}

impl Imported {
    /// The highest number there ever was.
    fn highest(&self) -> u64 {
        let row = self.row.as_ref().map_or(0, |row| row.number);
        row.max(self.noted).max(self.published.unwrap_or(0))
    }

    /// Whether a list may come after, or in the place of, what there was.
    fn admits(&self, number: u64, digest: &[u8]) -> bool {
        if number != self.highest() {
            return number > self.highest();
        }
        // The very one whose file is gone; or one that a store from before it has only heard of.
        self.published.is_none_or(|published| published < number)
            && self
                .row
                .as_ref()
                .is_none_or(|row| row.number < number || row.digest == digest)
    }
}

fn imported_key(issuer_id: Uuid) -> String {
    format!("crl.imported.{issuer_id}")
}

/// The newest full CRL of a CA, of which the store has a row and not the list: it is in a file alone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CrlInFile {
    /// The CA.
    pub issuer: String,
    /// The number of the list.
    pub number: u64,
    /// The name of the file in the folder of the lists.
    pub name: String,
    /// Its length.
    pub octets: u64,
    /// When another should come, epoch milliseconds.
    pub next_update: i64,
    /// Whether it was imported, because the key is elsewhere.
    pub is_imported: bool,
}

/// All of them: what a backup carries, because the keys that could sign another may be gone when it is needed.
pub fn crls_in_files(reader: &Reader<'_>) -> store::Result<Vec<CrlInFile>> {
    let issuers = store::issuers::all(reader)?;
    let mut found = Vec::new();
    for row in store::crls::newest(reader)? {
        let Some(issuer) = issuers.iter().find(|issuer| issuer.id == row.issuer_id) else {
            continue;
        };
        let settings: StoredSettings = serde_json::from_str(&issuer.settings)
            .map_err(|_| store::Error::Corrupt(format!("the settings of the issuer {}", issuer.id)))?;
        if row.der.is_none() && row.base.is_none() {
            found.push(CrlInFile {
                issuer: issuer.name.clone(),
                number: row.number,
                name: row_file_name(&row),
                octets: row.octets,
                next_update: row.next_update,
                is_imported: settings.offline.is_some_and(|offline| offline.is_elsewhere),
            });
        }
    }
    Ok(found)
}

/// Notes, when a store is restored, the highest number of a CA's lists that is known to have been imported; whether it is newer than
/// what the store has.
pub(crate) fn note_imported(tx: &Tx<'_>, issuer_id: Uuid, number: i64) -> store::Result<bool> {
    let rows = store::crls::newest_of(tx, issuer_id, 0)?;
    let known = rows
        .iter()
        .filter(|row| row.base.is_none())
        .map(|row| row.number)
        .max();
    if u64::try_from(number).unwrap_or(0) <= known.unwrap_or(0) {
        return Ok(false);
    }
    store::settings::raise(tx, &imported_key(issuer_id), number)?;
    Ok(true)
}

/// Its number and the time of the next one, when it can be published.
fn check(entry: &IssuerEntry, crl: &Crl, imported: &Imported, now: Timestamp) -> Result<(u64, Timestamp)> {
    let refused = |code, message: String| Error::from(Refusal::of_requester(code, message));
    let own = entry
        .certificate
        .as_ref()
        .ok_or_else(|| Error::internal("an offline issuer without a certificate"))?;
    if crl.issuer() != own.subject() || crl.verify_signed_by(own.public_key()).is_err() {
        let message = format!(
            "the CRL is signed by {}, and not with the key of {}",
            crl.issuer(),
            entry.name
        );
        return Err(refused("crl_not_of_issuer", message));
    }
    if crl.delta_base().is_some() || crl.distribution_point().is_some() {
        let message = "the CRL covers a part only; import one of everything the CA issued";
        return Err(refused("crl_not_whole", message.to_owned()));
    }
    let (Some(number), Some(next_update)) = (crl.number(), crl.next_update()) else {
        let message = "the CRL has no number, or no time of the next one (RFC 5280 §5.2.3, §5.1.2.5)";
        return Err(refused("crl_without_number", message.to_owned()));
    };
    if !imported.admits(number, &DigestAlgorithm::Sha256.digest(crl.der())) {
        let highest = imported.highest();
        let message = match imported.published {
            Some(published) if published == highest => {
                format!("number {highest} is published; this CRL has number {number}")
            }
            _ if number == highest => {
                format!("number {number} was another CRL; import that one, or a newer one")
            }
            _ => format!("number {highest} was published; this CRL has number {number}"),
        };
        return Err(refused("crl_not_newer", message));
    }
    if crl.this_update() > now || next_update <= now {
        let message = format!(
            "the CRL is good from {} to {next_update}, and it is {now}",
            crl.this_update()
        );
        return Err(refused("crl_not_valid", message));
    }
    Ok((number, next_update))
}
