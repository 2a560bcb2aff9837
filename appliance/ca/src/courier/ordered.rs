//! What an order of a courier is: what is asked for, what became of it, and how it is told.

use jiff::Timestamp;
use pki::policy::SubjectValues;
use pki::{Certificate, Serial};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::from_millis;
use crate::error::{Error, Result};

/// How far an order of a courier is.
pub use store::courier_orders::Status as CourierOrderStatus;

/// What a courier asks for.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
// stored: as JSON in courier_orders.request
pub struct CourierOrderRequest {
    /// Whether something is renewed.
    pub kind: OrderKind,
    /// Where the key comes from.
    #[serde(flatten)]
    pub key: OrderKey,
    /// The profile; that of what is replaced, or the first of the record, when absent.
    #[serde(default)]
    pub profile: Option<String>,
    /// How many days it shall live; what the profile says when absent.
    #[serde(default)]
    pub validity_days: Option<u32>,
    /// SHA-256 of the certificate that is replaced, in hexadecimal.
    #[serde(default)]
    pub replaces: Option<String>,
    /// What the courier calls the certificate.
    #[serde(default)]
    pub label: Option<String>,
}

/// Where the key of an order comes from.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
pub enum OrderKey {
    /// The courier has made it.
    Local {
        /// PKCS#10, PEM.
        csr: String,
    },
    /// The appliance makes it.
    Platform {
        /// What would otherwise stand in the request, and for whom the key is.
        platform: Box<PlatformOrder>,
    },
}

impl OrderKey {
    /// `local` or `platform`.
    pub fn mode(&self) -> &'static str {
        match self {
            Self::Local { .. } => "local",
            Self::Platform { .. } => "platform",
        }
    }
}

/// A certificate with a key that the appliance makes.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct PlatformOrder {
    /// The common name.
    #[serde(default)]
    pub common_name: Option<String>,
    /// What else the subject has.
    #[serde(default)]
    pub subject: SubjectValues,
    /// The names, as `dns:web01.example.com`.
    pub names: Vec<String>,
    /// The kind of key: `ec-256`, `rsa-3072` and so on.
    pub algorithm: String,
    /// The digest that a request would be signed with, for the policies: `sha256`, `sha384` or `sha512`.
    #[serde(default)]
    pub digest: Option<String>,
    /// The public key that the key is encrypted to, a JWK.
    pub recipient: serde_json::Value,
    /// By which the key of the session speaks for the recipient. It is made anew each time that the order is sent, so it is no part
    /// of what is asked for.
    #[serde(skip)]
    pub recipient_proof: Option<String>,
}

/// Whether something is renewed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderKind {
    /// A certificate that was not there before.
    Issue,
    /// One in the place of another.
    Renew,
}

impl OrderKind {
    /// `issue` or `renew`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Issue => "issue",
            Self::Renew => "renew",
        }
    }
}

/// What a policy remarked without refusing.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct OrderWarning {
    /// The policy; empty when it was none.
    #[serde(default)]
    pub policy: String,
    /// The rule.
    pub rule: String,
    /// One sentence for people.
    pub message: String,
}

/// Why an order ended in vain.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct OrderFault {
    /// Stable code.
    pub code: String,
    /// One sentence for people.
    pub message: String,
    /// Whether the same may succeed later.
    pub retryable: bool,
}

/// An order.
#[derive(Clone, Debug, PartialEq)]
pub struct CourierOrder {
    /// Its identifier.
    pub id: Uuid,
    /// Whose it is.
    pub courier: Uuid,
    /// What the courier was called.
    pub courier_name: String,
    /// Whether something is renewed.
    pub kind: String,
    /// Where the key was made: `local` or `platform`.
    pub key_mode: String,
    /// How far it is.
    pub status: CourierOrderStatus,
    /// The names, as `dns:web01.example.com`.
    pub names: Vec<String>,
    /// Under which profile.
    pub profile: String,
    /// What the courier calls the certificate.
    pub label: Option<String>,
    /// What was remarked.
    pub warnings: Vec<OrderWarning>,
    /// Why it ended in vain.
    pub fault: Option<OrderFault>,
    /// When it was placed.
    pub created_at: Timestamp,
    /// When it last moved on.
    pub updated_at: Timestamp,
    /// Until when somebody must have come for it.
    pub expires_at: Timestamp,
    /// What came of it.
    pub certificate: Option<OrderedCertificate>,
}

/// The certificate of an order.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderedCertificate {
    /// Its identifier.
    pub id: Uuid,
    /// Its serial.
    pub serial: Serial,
    /// SHA-256 of it.
    pub fingerprint: [u8; 32],
    /// The first second of its validity.
    pub not_before: Timestamp,
    /// The last second of its validity.
    pub not_after: Timestamp,
}

/// A certificate as it is fetched: the leaf and what stands above it, nearest first, without a root.
#[derive(Clone, Debug)]
pub struct FetchedCertificate {
    /// The order as it is after that.
    pub order: CourierOrder,
    /// The certificates, DER, the leaf first.
    pub chain: Vec<Vec<u8>>,
}

/// Which of its orders a courier wants to see.
#[derive(Clone, Debug, Default)]
pub struct OrderFilter {
    /// Only those of this courier; the courier itself sees no others.
    pub courier: Option<Uuid>,
    /// Only with this status.
    pub status: Option<CourierOrderStatus>,
    /// Only with this name, as `dns:web01.example.com`.
    pub name: Option<String>,
    /// Only those placed at or after this time.
    pub since: Option<Timestamp>,
    /// After this order.
    pub after: Option<Uuid>,
    /// At most so many; 25 when absent, 100 at most.
    pub limit: Option<u32>,
}

impl OrderedCertificate {
    pub(super) fn from_row(row: &store::certificates::CertificateRow) -> Result<Self> {
        Ok(Self {
            id: row.id,
            serial: Serial::from_unsigned(&row.serial).map_err(Error::internal)?,
            fingerprint: Certificate::from_der(&row.der)
                .map_err(Error::internal)?
                .fingerprint_sha256(),
            not_before: from_millis(row.not_before),
            not_after: from_millis(row.not_after),
        })
    }
}
