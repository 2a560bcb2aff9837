//! Why an order was refused, or what became of it.

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::authority::Authority;
use crate::error::Result;
use crate::permit::Principal;

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
    /// `open`, `issued`, `refused` or `failed`.
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
        todo!()
    }
}
