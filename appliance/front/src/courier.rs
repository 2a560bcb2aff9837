//! What couriers ask (`/api/v1/courier/…`), and what the appliance says of itself to anybody (`/api/v1/health`).

mod bearer;
mod bridges;
mod certificates;
mod discovery;
mod fault;
mod order_request;
pub(crate) mod orders;
mod record;
mod sign_in;
pub(crate) mod via;

use axum::middleware::map_response;
use utoipa_axum::router::OpenApiRouter;

use crate::api::App;

pub(crate) use certificates::hexadecimal;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(sign_in::routes())
        .merge(record::routes())
        .merge(orders::routes())
        .merge(certificates::routes())
        .merge(bridges::routes())
        .merge(discovery::routes())
        .layer(map_response(fault::retell))
}
