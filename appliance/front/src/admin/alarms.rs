//! Alarms: what an operator should look at.
#![expect(unused_qualifications, reason = "the macro of utoipa writes them")]

use axum::Json;
use axum::extract::State;
use ca::courier::{Alarm, AlarmFilter};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::App;
use crate::auth::Caller;
use crate::extract::QueryOf;
use crate::problem::Problem;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Which alarms.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Only those that last (`true`), or only those that are over (`false`).
    open: Option<bool>,
    /// Only of this kind: `issued_not_installed`, `silent_courier` or `bridge_disconnected`.
    kind: Option<String>,
    /// Only about this courier, by name or identifier.
    courier: Option<String>,
    /// After this alarm.
    cursor: Option<Uuid>,
    /// At most so many; 100 when absent, 200 at most.
    limit: Option<u32>,
}

/// An alarm.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AlarmBody {
    id: Uuid,
    /// `issued_not_installed`: a courier did not say that a certificate is in use. `silent_courier`: it was not seen for too long.
    /// `bridge_disconnected`: an instance of a bridge says nothing any more.
    kind: String,
    /// The order, the courier, or the instance of a bridge.
    subject: Uuid,
    /// Which courier it is about.
    courier: Option<Uuid>,
    /// What is wrong.
    message: String,
    raised_at: Timestamp,
    /// Null while it lasts.
    cleared_at: Option<Timestamp>,
}

/// Alarms.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AlarmList {
    items: Vec<AlarmBody>,
    /// After which the next page begins; null on the last one.
    next: Option<Uuid>,
}

/// List alarms in the order in which they were raised. Those that are over are kept for 90 days.
#[utoipa::path(get, path = "/api/v1/alarms", operation_id = "listAlarms", tag = "couriers", params(Wanted),
    responses((status = 200, description = "A page of them", body = AlarmList)))]
async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    QueryOf(wanted): QueryOf<Wanted>,
) -> Result<Json<AlarmList>, Problem> {
    let courier = match &wanted.courier {
        Some(named) => Some(app.authority.courier(&caller, named).await?.id),
        None => None,
    };
    let limit = wanted.limit.unwrap_or(100).clamp(1, 200);
    let filter = AlarmFilter {
        kind: wanted.kind,
        courier,
        is_open: wanted.open,
        after: wanted.cursor,
        limit,
    };
    let alarms = app.authority.alarms(&caller, filter).await?;
    let is_full = u32::try_from(alarms.len()).is_ok_and(|count| count == limit);
    Ok(Json(AlarmList {
        next: alarms.last().filter(|_| is_full).map(|alarm| alarm.id),
        items: alarms.into_iter().map(Into::into).collect(),
    }))
}

impl From<Alarm> for AlarmBody {
    fn from(alarm: Alarm) -> Self {
        Self {
            id: alarm.id,
            kind: alarm.kind,
            subject: alarm.subject,
            courier: alarm.courier,
            message: alarm.message,
            raised_at: alarm.raised_at,
            cleared_at: alarm.cleared_at,
        }
    }
}
