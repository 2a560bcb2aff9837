//! Certificates that couriers found on their hosts, as operators see them and decide about them.
#![expect(unused_qualifications, reason = "the macro of utoipa writes them")]

use axum::Json;
use axum::extract::State;
use ca::courier::{Discovered, DiscoveryFilter, DiscoveryScan, Place, Triage};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::App;
use crate::auth::Caller;
use crate::extract::{JsonBody, QueryOf, Segment};
use crate::problem::Problem;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(claim))
        .routes(routes!(dismiss))
        .routes(routes!(reopen))
        .routes(routes!(scans))
        .routes(routes!(summary))
}

/// Which certificates. Everything given must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// `new`, `claimed` or `dismissed`.
    status: Option<String>,
    /// On the host of this courier, by name or identifier.
    #[serde(alias = "agent_id")]
    courier: Option<String>,
    /// Ending before this instant.
    expires_before: Option<Timestamp>,
    /// Only with a key that others may read somewhere.
    #[serde(default)]
    key_exposed: bool,
    /// After this one.
    cursor: Option<Uuid>,
    /// At most so many; 100 when absent, 200 at most.
    limit: Option<u32>,
}

/// Which scans.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WantedScans {
    /// Of this courier, by name or identifier.
    #[serde(alias = "agent_id")]
    courier: Option<String>,
    /// After this one.
    cursor: Option<Uuid>,
    /// At most so many; 100 when absent, 200 at most.
    limit: Option<u32>,
}

/// A certificate that was found on hosts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DiscoveredBody {
    id: Uuid,
    /// SHA-256 of it, in hexadecimal.
    fingerprint_sha256: String,
    subject: String,
    issuer: String,
    /// In hexadecimal.
    serial: String,
    not_before: Timestamp,
    not_after: Timestamp,
    /// Its names, as `dns:a.example.com`.
    names: Vec<String>,
    /// The kind of its key, as `ec-p256`.
    key_algorithm: String,
    /// Why nothing here would take it: a weak key, an unknown algorithm.
    fault: Option<String>,
    /// `new`: nobody has looked at it. `claimed`: it was issued here, or belongs to what was. `dismissed`: it does not matter.
    status: String,
    /// The certificate of this appliance that it is, or belongs to.
    managed_certificate_id: Option<Uuid>,
    first_seen_at: Timestamp,
    last_seen_at: Timestamp,
    /// In how many places it lies.
    place_count: u64,
}

/// A file with a certificate.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlaceBody {
    /// The courier of the host.
    courier_id: Uuid,
    courier: String,
    path: String,
    /// Whether the courier put it there.
    managed: bool,
    /// Whether others than its owner may read the private key.
    key_exposed: bool,
    first_seen_at: Timestamp,
    last_seen_at: Timestamp,
}

/// A certificate that was found, and where it lies.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DiscoveredDetail {
    #[serde(flatten)]
    certificate: DiscoveredBody,
    /// PEM.
    pem: String,
    /// 500 at most.
    places: Vec<PlaceBody>,
}

/// Certificates that were found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DiscoveredList {
    items: Vec<DiscoveredBody>,
    /// After which the next page begins; null on the last one.
    next: Option<Uuid>,
}

/// To which certificate of this appliance one belongs.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClaimBody {
    /// Its identifier or its serial.
    managed_certificate_id: String,
}

/// A scan of a host.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScanBody {
    id: Uuid,
    courier_id: Uuid,
    courier: String,
    begun_at: Timestamp,
    /// Null while pages are missing.
    finished_at: Option<Timestamp>,
    /// How many certificates it found.
    certificates: u64,
    /// Files that were read.
    files: Option<u64>,
    /// Files and folders that could not be.
    unreadable: Option<u64>,
    /// Files that were left out.
    skipped: Option<u64>,
}

/// Scans.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScanList {
    items: Vec<ScanBody>,
    /// After which the next page begins; null on the last one.
    next: Option<Uuid>,
}

/// How many certificates were found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DiscoverySummaryBody {
    /// That nobody has looked at.
    new: u64,
    /// That are known.
    claimed: u64,
    /// That do not matter.
    dismissed: u64,
    /// Beside a key that others may read.
    key_exposed: u64,
}

/// List certificates that couriers found, in the order in which they were found first.
#[utoipa::path(get, path = "/api/v1/discovered-certificates", operation_id = "listDiscoveredCertificates", tag = "couriers", params(Wanted),
    responses((status = 200, description = "A page of them", body = DiscoveredList)))]
async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    QueryOf(wanted): QueryOf<Wanted>,
) -> Result<Json<DiscoveredList>, Problem> {
    let courier = match &wanted.courier {
        Some(named) => Some(app.authority.courier(&caller, named).await?.id),
        None => None,
    };
    let limit = wanted.limit.unwrap_or(100).clamp(1, 200);
    let filter = DiscoveryFilter {
        status: wanted.status,
        courier,
        expires_before: wanted.expires_before,
        is_key_exposed: wanted.key_exposed,
        after: wanted.cursor,
        limit,
    };
    let found = app.authority.discovered(&caller, filter).await?;
    let is_full = u32::try_from(found.len()).is_ok_and(|count| count == limit);
    Ok(Json(DiscoveredList {
        next: found.last().filter(|_| is_full).map(|one| one.id),
        items: found.into_iter().map(Into::into).collect(),
    }))
}

/// Show a certificate that couriers found, and where it lies.
#[utoipa::path(get, path = "/api/v1/discovered-certificates/{id}", operation_id = "showDiscoveredCertificate", tag = "couriers",
    params(("id" = Uuid, Path)), responses((status = 200, description = "It", body = DiscoveredDetail)))]
async fn show(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(id): Segment,
) -> Result<Json<DiscoveredDetail>, Problem> {
    let found = app.authority.discovered_one(&caller, identifier(&id)?).await?;
    Ok(Json(found.into()))
}

/// Say to which certificate of this appliance one belongs.
#[utoipa::path(post, path = "/api/v1/discovered-certificates/{id}/claim", operation_id = "claimDiscoveredCertificate", tag = "couriers",
    params(("id" = Uuid, Path)), request_body = ClaimBody, responses((status = 200, description = "It", body = DiscoveredDetail)))]
async fn claim(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(id): Segment,
    JsonBody(body): JsonBody<ClaimBody>,
) -> Result<Json<DiscoveredDetail>, Problem> {
    let reference = body.managed_certificate_id.parse().map_err(|_| {
        let message = "managed_certificate_id is neither an identifier nor a serial";
        Problem::bad_request("invalid_reference", message)
    })?;
    triage(&app, &caller, &id, Triage::Claim(reference)).await
}

/// Say that one does not matter.
#[utoipa::path(post, path = "/api/v1/discovered-certificates/{id}/dismiss", operation_id = "dismissDiscoveredCertificate", tag = "couriers",
    params(("id" = Uuid, Path)), responses((status = 200, description = "It", body = DiscoveredDetail)))]
async fn dismiss(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(id): Segment,
) -> Result<Json<DiscoveredDetail>, Problem> {
    triage(&app, &caller, &id, Triage::Dismiss).await
}

/// Take back what was said of one: it is new again.
#[utoipa::path(post, path = "/api/v1/discovered-certificates/{id}/reopen", operation_id = "reopenDiscoveredCertificate", tag = "couriers",
    params(("id" = Uuid, Path)), responses((status = 200, description = "It", body = DiscoveredDetail)))]
async fn reopen(
    State(app): State<App>,
    Caller(caller): Caller,
    Segment(id): Segment,
) -> Result<Json<DiscoveredDetail>, Problem> {
    triage(&app, &caller, &id, Triage::Reopen).await
}

/// List scans of hosts in the order in which they began; the last 30 of each courier are remembered.
#[utoipa::path(get, path = "/api/v1/discovery-scans", operation_id = "listDiscoveryScans", tag = "couriers", params(WantedScans),
    responses((status = 200, description = "A page of them", body = ScanList)))]
async fn scans(
    State(app): State<App>,
    Caller(caller): Caller,
    QueryOf(wanted): QueryOf<WantedScans>,
) -> Result<Json<ScanList>, Problem> {
    let courier = match &wanted.courier {
        Some(named) => Some(app.authority.courier(&caller, named).await?.id),
        None => None,
    };
    let limit = wanted.limit.unwrap_or(100).clamp(1, 200);
    let scans = app
        .authority
        .discovery_scans(&caller, courier, wanted.cursor, limit);
    let scans = scans.await?;
    let is_full = u32::try_from(scans.len()).is_ok_and(|count| count == limit);
    Ok(Json(ScanList {
        next: scans.last().filter(|_| is_full).map(|one| one.id),
        items: scans.into_iter().map(Into::into).collect(),
    }))
}

/// Count certificates that were found, by what is said of them.
#[utoipa::path(get, path = "/api/v1/discovery-summary", operation_id = "showDiscoverySummary", tag = "couriers",
    responses((status = 200, description = "The counts", body = DiscoverySummaryBody)))]
async fn summary(
    State(app): State<App>,
    Caller(caller): Caller,
) -> Result<Json<DiscoverySummaryBody>, Problem> {
    let counts = app.authority.discovery_summary(&caller).await?;
    Ok(Json(DiscoverySummaryBody {
        new: counts.new,
        claimed: counts.claimed,
        dismissed: counts.dismissed,
        key_exposed: counts.key_exposed,
    }))
}

async fn triage(
    app: &App,
    caller: &ca::Principal,
    id: &str,
    triage: Triage,
) -> Result<Json<DiscoveredDetail>, Problem> {
    let id = identifier(id)?;
    let found = app.authority.triage_discovered(caller, id, triage).await?;
    Ok(Json(found.into()))
}

fn identifier(text: &str) -> Result<Uuid, Problem> {
    Uuid::try_parse(text).map_err(|_| Problem::bad_request("invalid_path", "the identifier is no UUID"))
}

impl From<Discovered> for DiscoveredBody {
    fn from(one: Discovered) -> Self {
        Self {
            id: one.id,
            fingerprint_sha256: crate::courier::hexadecimal(&one.fingerprint),
            subject: one.subject,
            issuer: one.issuer,
            serial: crate::courier::hexadecimal(&one.serial),
            not_before: one.not_before,
            not_after: one.not_after,
            names: one.names,
            key_algorithm: one.key_algorithm,
            fault: one.fault,
            status: one.status,
            managed_certificate_id: one.certificate,
            first_seen_at: one.first_seen,
            last_seen_at: one.last_seen,
            place_count: one.place_count,
        }
    }
}

impl From<(Discovered, Vec<Place>)> for DiscoveredDetail {
    fn from((one, places): (Discovered, Vec<Place>)) -> Self {
        let places = places.into_iter().map(|place| PlaceBody {
            courier_id: place.courier,
            courier: place.courier_name,
            path: place.path,
            managed: place.is_managed,
            key_exposed: place.is_key_exposed,
            first_seen_at: place.first_seen,
            last_seen_at: place.last_seen,
        });
        Self {
            pem: pki::pem::encode("CERTIFICATE", &one.der),
            places: places.collect(),
            certificate: one.into(),
        }
    }
}

impl From<DiscoveryScan> for ScanBody {
    fn from(scan: DiscoveryScan) -> Self {
        Self {
            id: scan.id,
            courier_id: scan.courier,
            courier: scan.courier_name,
            begun_at: scan.begun_at,
            finished_at: scan.finished_at,
            certificates: scan.certificates,
            files: scan.counts.map(|counts| counts.files),
            unreadable: scan.counts.map(|counts| counts.unreadable),
            skipped: scan.counts.map(|counts| counts.skipped),
        }
    }
}
