//! Certificates that couriers found on their hosts: what is known of each, and what operators make of them.

use jiff::Timestamp;
use pki::{DigestAlgorithm, Outline};
use serde_json::json;
use store::discovery::{self, CLAIMED, Counts, DISMISSED, DiscoveredRow, NEW, ScanRow};
use uuid::Uuid;

use super::session::CourierSession;
use crate::audit;
use crate::authority::Authority;
use crate::certificates::CertRef;
use crate::clock::{self, from_millis};
use crate::error::{Error, Result};
use crate::permit;
use crate::principal::Principal;

/// Most places of a courier's host that are remembered.
const MOST_PLACES: i64 = 20_000;
/// Most places that are told with a certificate.
const TOLD_PLACES: u32 = 500;
/// Most that are listed at once.
const MOST: u32 = 200;
/// How many that lie nowhere any more are forgotten in one go.
const BATCH: u32 = 500;

/// A page of what a scan found.
#[derive(Clone, Debug)]
pub struct FoundPage {
    /// The identifier that the courier gave the scan.
    pub scan: Uuid,
    /// The certificates.
    pub certificates: Vec<FoundOnHost>,
    /// On the last page: what was looked at.
    pub finished: Option<ScanCounts>,
}

/// A certificate, and where it lies on the host.
#[derive(Clone, Debug)]
pub struct FoundOnHost {
    /// Its octets.
    pub der: Vec<u8>,
    /// The files: path, whether the courier put it there, whether others may read its key.
    pub places: Vec<(String, bool, bool)>,
}

/// What a scan looked at.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ScanCounts {
    /// Files that were read.
    pub files: u64,
    /// Files and folders that could not be.
    pub unreadable: u64,
    /// Files that were left out.
    pub skipped: u64,
}

/// What an operator says of a certificate that was found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Triage {
    /// It belongs to this certificate of the appliance: it is the same, or that one is to take its place.
    Claim(CertRef),
    /// It does not matter.
    Dismiss,
    /// Nobody has looked at it yet.
    Reopen,
}

/// A certificate that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Discovered {
    /// Its identifier.
    pub id: Uuid,
    /// SHA-256 of it.
    pub fingerprint: Vec<u8>,
    /// The certificate.
    pub der: Vec<u8>,
    /// Its subject.
    pub subject: String,
    /// Its issuer.
    pub issuer: String,
    /// Its serial.
    pub serial: Vec<u8>,
    /// The first instant at which it is good.
    pub not_before: Timestamp,
    /// The last one.
    pub not_after: Timestamp,
    /// Its names, as `dns:a.example.com`.
    pub names: Vec<String>,
    /// The kind of its key.
    pub key_algorithm: String,
    /// Why nothing here would take it.
    pub fault: Option<String>,
    /// `new`, `claimed` or `dismissed`.
    pub status: String,
    /// The certificate of this appliance that it is, or belongs to.
    pub certificate: Option<Uuid>,
    /// When it was found first.
    pub first_seen: Timestamp,
    /// When it was found last.
    pub last_seen: Timestamp,
    /// In how many places it lies.
    pub place_count: u64,
}

/// Where one lies.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The courier of the host.
    pub courier: Uuid,
    /// The name of that courier.
    pub courier_name: String,
    /// The file.
    pub path: String,
    /// Whether the courier put it there.
    pub is_managed: bool,
    /// Whether others may read the key.
    pub is_key_exposed: bool,
    /// When it was found there first.
    pub first_seen: Timestamp,
    /// When it was found there last.
    pub last_seen: Timestamp,
}

/// Which certificates. Everything given must hold.
#[derive(Clone, Debug, Default)]
pub struct DiscoveryFilter {
    /// With this status.
    pub status: Option<String>,
    /// On the host of this courier.
    pub courier: Option<Uuid>,
    /// Ending before this time.
    pub expires_before: Option<Timestamp>,
    /// Only with a key that others may read somewhere.
    pub is_key_exposed: bool,
    /// After this one.
    pub after: Option<Uuid>,
    /// At most so many.
    pub limit: u32,
}

/// A scan.
#[derive(Clone, Debug, PartialEq)]
pub struct DiscoveryScan {
    /// Its identifier.
    pub id: Uuid,
    /// Whose it is.
    pub courier: Uuid,
    /// The name of that courier.
    pub courier_name: String,
    /// When its first page came.
    pub begun_at: Timestamp,
    /// When its last one came.
    pub finished_at: Option<Timestamp>,
    /// How many certificates it found.
    pub certificates: u64,
    /// What was looked at; once it is complete.
    pub counts: Option<ScanCounts>,
}

/// How many there are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DiscoverySummary {
    /// That nobody has looked at.
    pub new: u64,
    /// That are known.
    pub claimed: u64,
    /// That do not matter.
    pub dismissed: u64,
    /// Beside a key that others may read.
    pub key_exposed: u64,
}

impl Authority {
    /// Notes a page of what a courier found. Which certificates were not noted, by their place in the page, and why.
    pub async fn note_discovered(
        &self,
        session: &CourierSession,
        page: FoundPage,
    ) -> Result<Vec<(usize, &'static str)>> {
        let at = self.inner().clock.now().as_millisecond();
        let (mut refused, mut found, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
        for (number, one) in page.certificates.into_iter().enumerate() {
            match row_of(one.der, at) {
                Some(row) => {
                    numbers.push(number);
                    found.push((row, one.places));
                }
                None => refused.push((number, "is no certificate")),
            }
        }
        let (courier, scan, own_id) = (session.courier.id, page.scan, clock::new_id());
        let finished = page.finished.map(counts_of);
        let write = self.inner().store.write(move |tx| {
            let full = discovery::note_page(tx, own_id, courier, scan, &found, MOST_PLACES, at)?;
            if let Some(counts) = &finished {
                discovery::finish(tx, courier, scan, counts, at)?;
            }
            Ok(full)
        });
        let full = write.await?;
        let full = full.into_iter().filter_map(|at| numbers.get(at));
        refused.extend(full.map(|number| (*number, "is more than is remembered of a host")));
        refused.sort_unstable();
        Ok(refused)
    }

    /// Certificates that were found, in the order in which they were found first.
    pub async fn discovered(
        &self,
        principal: &Principal,
        filter: DiscoveryFilter,
    ) -> Result<Vec<Discovered>> {
        permit::check_reads_couriers(principal)?;
        let filter = discovery::Filter {
            status: filter.status,
            courier_id: filter.courier,
            expires_before: filter.expires_before.map(Timestamp::as_millisecond),
            is_key_exposed: filter.is_key_exposed,
            after: filter.after,
            limit: filter.limit.clamp(1, MOST),
        };
        let read = self.inner().store.read(move |reader| {
            let rows = discovery::list(reader, &filter)?;
            rows.into_iter()
                .map(|row| Ok((discovery::count_places(reader, row.id)?, row)))
                .collect::<store::Result<Vec<_>>>()
        });
        let rows = read.await?.into_iter();
        Ok(rows
            .map(|(places, row)| Discovered::from_row(row, places))
            .collect())
    }

    /// One of them, and where it lies.
    pub async fn discovered_one(&self, principal: &Principal, id: Uuid) -> Result<(Discovered, Vec<Place>)> {
        permit::check_reads_couriers(principal)?;
        self.discovered_row(id).await
    }

    /// Says what one is.
    pub async fn triage_discovered(
        &self,
        principal: &Principal,
        id: Uuid,
        triage: Triage,
    ) -> Result<(Discovered, Vec<Place>)> {
        let permit = permit::to_manage_couriers(principal)?;
        let (known, _) = self.discovered_row(id).await?;
        let (action, status, certificate) = match triage {
            Triage::Claim(reference) => {
                let row = self.certificate_row(principal, reference).await?;
                ("discovery.claim", CLAIMED, Some(row.id))
            }
            Triage::Dismiss => ("discovery.dismiss", DISMISSED, None),
            Triage::Reopen => ("discovery.reopen", NEW, None),
        };
        let logged = json!({
            "fingerprint": audit::hexadecimal(&known.fingerprint),
            "certificate": certificate,
            "before": known.status,
        });
        let now = self.inner().clock.now();
        let entry = audit::entry(now, permit.actor(), action, id, audit::OK, &logged);
        let change = self.change(entry, move |tx| {
            discovery::set_status(tx, id, status, certificate)
        });
        change.await?;
        self.discovered_row(id).await
    }

    /// Scans, in the order in which they began.
    pub async fn discovery_scans(
        &self,
        principal: &Principal,
        courier: Option<Uuid>,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<DiscoveryScan>> {
        permit::check_reads_couriers(principal)?;
        let filter = discovery::ScanFilter {
            courier_id: courier,
            after,
            limit: limit.clamp(1, MOST),
        };
        let read = self
            .inner()
            .store
            .read(move |reader| discovery::scans(reader, &filter));
        Ok(read.await?.into_iter().map(DiscoveryScan::from_row).collect())
    }

    /// How many there are.
    pub async fn discovery_summary(&self, principal: &Principal) -> Result<DiscoverySummary> {
        permit::check_reads_couriers(principal)?;
        let read = self.inner().store.read(|reader| {
            Ok(DiscoverySummary {
                new: positive(discovery::count(reader, NEW)?),
                claimed: positive(discovery::count(reader, CLAIMED)?),
                dismissed: positive(discovery::count(reader, DISMISSED)?),
                key_exposed: positive(discovery::count_exposed(reader)?),
            })
        });
        Ok(read.await?)
    }

    /// Forgets what lies nowhere any more, as when a courier was removed.
    pub(crate) async fn trim_discovered(&self) -> Result<()> {
        let write = self
            .inner()
            .store
            .write(move |tx| discovery::trim(tx, BATCH).map(drop));
        Ok(write.await?)
    }

    async fn discovered_row(&self, id: Uuid) -> Result<(Discovered, Vec<Place>)> {
        let read = self.inner().store.read(move |reader| {
            let Some(row) = discovery::find(reader, id)? else {
                return Ok(None);
            };
            let places = discovery::places(reader, id, TOLD_PLACES)?;
            Ok(Some((discovery::count_places(reader, id)?, row, places)))
        });
        let found = read.await?;
        let (count, row, places) = found.ok_or_else(|| Error::not_found("discovered certificate", id))?;
        let places = places.into_iter().map(|place| Place {
            courier: place.courier_id,
            courier_name: place.courier_name,
            path: place.path,
            is_managed: place.is_managed,
            is_key_exposed: place.is_key_exposed,
            first_seen: from_millis(place.first_seen),
            last_seen: from_millis(place.last_seen),
        });
        Ok((Discovered::from_row(row, count), places.collect()))
    }
}

impl Discovered {
    fn from_row(row: DiscoveredRow, places: i64) -> Self {
        Self {
            id: row.id,
            fingerprint: row.fingerprint,
            der: row.der,
            subject: row.subject,
            issuer: row.issuer,
            serial: row.serial,
            not_before: from_millis(row.not_before),
            not_after: from_millis(row.not_after),
            names: serde_json::from_str(&row.names).unwrap_or_default(),
            key_algorithm: row.key_algorithm,
            fault: row.fault,
            status: row.status,
            certificate: row.certificate_id,
            first_seen: from_millis(row.first_seen),
            last_seen: from_millis(row.last_seen),
            place_count: positive(places),
        }
    }
}

impl DiscoveryScan {
    fn from_row(row: ScanRow) -> Self {
        Self {
            id: row.id,
            courier: row.courier_id,
            courier_name: row.courier_name,
            begun_at: from_millis(row.begun_at),
            finished_at: row.finished_at.map(from_millis),
            certificates: positive(row.certificates),
            counts: row.counts.map(|counts| ScanCounts {
                files: positive(counts.files),
                unreadable: positive(counts.unreadable),
                skipped: positive(counts.skipped),
            }),
        }
    }
}

/// What is kept of a certificate; nothing of what is none.
fn row_of(der: Vec<u8>, at: i64) -> Option<DiscoveredRow> {
    let outline = Outline::of_der(&der).ok()?;
    Some(DiscoveredRow {
        id: clock::new_id(),
        fingerprint: DigestAlgorithm::Sha256.digest(&der),
        der,
        subject: outline.subject,
        issuer: outline.issuer,
        serial: outline.serial,
        not_before: outline.not_before.as_millisecond(),
        not_after: outline.not_after.as_millisecond(),
        names: json!(outline.names).to_string(),
        key_algorithm: outline.key,
        fault: outline.fault.map(|fault| fault.to_string()),
        status: NEW.to_owned(),
        certificate_id: None,
        first_seen: at,
        last_seen: at,
    })
}

fn counts_of(counts: ScanCounts) -> Counts {
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    Counts {
        files: signed(counts.files),
        unreadable: signed(counts.unreadable),
        skipped: signed(counts.skipped),
    }
}

fn positive(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}
