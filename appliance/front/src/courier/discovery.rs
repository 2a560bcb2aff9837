//! What a courier found on its host.

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ca::courier::{FoundOnHost, FoundPage, ScanCounts};
use courier_wire::{
    Detail, DiscoveryAnswer, DiscoveryPage, FoundCertificate, FoundPlace, MAX_FOUND, MAX_PATH, MAX_PLACES,
};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::bearer::SignedIn;
use super::sign_in::wrong;
use crate::api::App;
use crate::extract::JsonBody;
use crate::problem::Problem;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(found))
}

/// Tell what certificates lie on the host, page by page. What a complete scan did not find is forgotten. The same page twice is the same as once.
#[utoipa::path(post, path = "/api/v1/courier/discovery", operation_id = "courierDiscovery", tag = "courier", security(("session" = [])),
    request_body = DiscoveryPage, responses((status = 200, description = "It is noted", body = DiscoveryAnswer)))]
async fn found(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    JsonBody(body): JsonBody<DiscoveryPage>,
) -> Result<Json<DiscoveryAnswer>, Problem> {
    let scan = Uuid::try_parse(&body.scan).map_err(|_| wrong("scan", "is no UUID"))?;
    if body.certificates.len() > MAX_FOUND {
        return Err(wrong("certificates", "has more than 50 entries"));
    }
    let count = body.certificates.len();
    let certificates = body.certificates.into_iter().map(on_host);
    let page = FoundPage {
        scan,
        certificates: certificates.collect::<Result<_, _>>()?,
        finished: body.last.then(|| {
            let counts = body.counts.unwrap_or_default();
            ScanCounts {
                files: counts.files,
                unreadable: counts.unreadable,
                skipped: counts.skipped,
            }
        }),
    };
    let refused = app.authority.note_discovered(&session, page).await?;
    Ok(Json(DiscoveryAnswer {
        success: true,
        accepted: u32::try_from(count - refused.len()).unwrap_or(u32::MAX),
        refused: refused
            .into_iter()
            .map(|(at, problem)| Detail {
                field: format!("certificates[{at}]"),
                problem: problem.to_owned(),
                policy: None,
                rule: None,
            })
            .collect(),
    }))
}

fn on_host(found: FoundCertificate) -> Result<FoundOnHost, Problem> {
    if found.places.is_empty() || found.places.len() > MAX_PLACES {
        return Err(wrong("certificates.places", "has none, or more than 16"));
    }
    let der = STANDARD.decode(&found.der);
    Ok(FoundOnHost {
        der: der.map_err(|_| wrong("certificates.der", "is no base64"))?,
        places: found.places.into_iter().map(place).collect::<Result<_, _>>()?,
    })
}

fn place(place: FoundPlace) -> Result<(String, bool, bool), Problem> {
    let is_path = (1..=MAX_PATH).contains(&place.path.len()) && !place.path.chars().any(char::is_control);
    if !is_path {
        return Err(wrong(
            "certificates.places.path",
            "is no path of one line and at most 1024 octets",
        ));
    }
    Ok((place.path, place.managed, place.key_exposed))
}
