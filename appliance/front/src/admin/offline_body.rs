//! CAs whose key is on another machine, and the CRLs that come from there, as JSON.

use ca::ImportOffline;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A CA whose key is on another machine.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfflineBody {
    /// Lower-case letters, digits and hyphens.
    pub(super) name: String,
    /// Its certificate first, and those above it, in PEM.
    pub(super) certificates_pem: String,
    /// Its identifier, which stands in its addresses, as the ceremony that made it told; a new one when absent.
    pub(super) id: Option<Uuid>,
    /// The address of its certificate, when that is not the one here.
    pub(super) ca_url: Option<String>,
    /// The address of its CRL, when that is not the one here.
    pub(super) crl_url: Option<String>,
}

/// A CRL that an offline CA signed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportCrlBody {
    /// In PEM.
    pub(super) crl_pem: String,
}

impl From<OfflineBody> for ImportOffline {
    fn from(body: OfflineBody) -> Self {
        Self {
            name: body.name,
            certificates: body.certificates_pem.into_bytes(),
            id: body.id,
            ca_url: body.ca_url,
            crl_url: body.crl_url,
        }
    }
}
