//! What the audit log has of couriers that were not let in: the true reason, which they do not learn, and where they came from. What
//! may come in floods is written once a minute for each address.

use std::net::IpAddr;

use serde_json::json;

use super::limit::TooOften;
use super::method::Method;
use super::session::{Authentication, CourierSession, Denial};
use crate::audit;
use crate::authority::Authority;
use crate::error::Error;

impl Authority {
    /// Turns away who comes too often.
    pub(super) async fn turn_away(&self, authentication: &Authentication, often: TooOften) -> Error {
        let denial = Denial::Known(often.error.clone());
        let method = authentication.shown.method();
        self.inner()
            .metrics
            .courier_authenticated(method.name(), denial.reason().0);
        if often.is_first {
            self.note_refusal(authentication, method, &denial).await;
        }
        often.error
    }

    /// A refusal is logged with its true reason.
    pub(super) async fn note_refusal(
        &self,
        authentication: &Authentication,
        method: Method,
        denial: &Denial,
    ) {
        let at = self.inner().clock.now();
        let (code, reason) = denial.reason();
        let logged = json!({
            "method": method, "address": authentication.address, "bridge": authentication.via, "reason": reason,
        });
        let actor = format!("courier ({})", authentication.courier);
        tracing::info!(courier = %authentication.courier, %method, reason, "courier not let in");
        let entry = audit::entry(
            at,
            &actor,
            "courier.authenticate",
            authentication.courier,
            code,
            &logged,
        );
        if let Err(failure) = self.change(entry, |_| Ok(())).await {
            tracing::warn!(%failure, "the refusal of a courier could not be recorded");
        }
    }

    /// A token that is used from where its session is not at home: perhaps somebody else has it.
    pub(super) async fn note_elsewhere(
        &self,
        session: &CourierSession,
        address: Option<IpAddr>,
        error: &Error,
    ) {
        let courier = session.courier.id;
        let what = format!("elsewhere:{courier}");
        match self.is_first_of_minute(what, address).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(failure) => {
                tracing::warn!(%failure, "it could not be counted that a token is used from elsewhere");
                return;
            }
        }
        let at = self.inner().clock.now();
        let logged = json!({ "method": session.method, "address": address, "bridge": session.via });
        tracing::info!(%courier, ?address, "the token of a courier is used from elsewhere");
        let actor = session.actor();
        let entry = audit::entry(at, &actor, "courier_session.use", courier, error.code(), &logged);
        if let Err(failure) = self.change(entry, |_| Ok(())).await {
            tracing::warn!(%failure, "a token that is used from elsewhere could not be recorded");
        }
    }
}
