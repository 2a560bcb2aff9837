//! Why an order was refused, or what became of it.

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::authority::Authority;
use crate::clock::from_millis;
use crate::error::{Error, Result};
use crate::principal::Principal;

/// An order and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The order.
    pub order_id: Uuid,
    /// When it was placed.
    pub at: Timestamp,
    /// By whom.
    pub requester: String,
    /// Under which profile.
    pub profile: String,
    /// Of which issuer, when one was found.
    pub issuer_id: Option<Uuid>,
    /// The wanted subject.
    pub subject: String,
    /// The wanted names.
    pub names: Vec<String>,
    /// `issued`, `refused` or `failed`.
    pub state: String,
    /// The stable code of a refusal or failure.
    pub code: Option<String>,
    /// What was told.
    pub message: Option<String>,
    /// More of it: the findings of the lint, for example.
    pub details: Value,
    /// The certificate that came of it.
    pub certificate_id: Option<Uuid>,
}

impl Authority {
    /// Explains an order, named by its own identifier or by that of its certificate.
    pub async fn explain(&self, principal: &Principal, id: Uuid) -> Result<Explanation> {
        let read = self.inner().store.read(move |reader| {
            if let Some(order) = store::orders::find(reader, id)? {
                return Ok(Some(order));
            }
            match store::certificates::find(reader, id)? {
                Some(certificate) => store::orders::find(reader, certificate.order_id),
                None => Ok(None),
            }
        });
        let visible = |order: &store::orders::OrderRow| {
            principal.sees_everything() || order.requester == principal.name
        };
        let order = read
            .await?
            .filter(visible)
            .ok_or_else(|| Error::not_found("order", id))?;
        Ok(Explanation {
            order_id: order.id,
            at: from_millis(order.at),
            requester: order.requester,
            profile: order.profile,
            issuer_id: order.issuer_id,
            subject: order.subject,
            names: order.names.split_whitespace().map(str::to_owned).collect(),
            state: order.state,
            code: order.code,
            message: order.message,
            details: order
                .details
                .and_then(|text| serde_json::from_str(&text).ok())
                .unwrap_or_default(),
            certificate_id: order.certificate_id,
        })
    }
}
