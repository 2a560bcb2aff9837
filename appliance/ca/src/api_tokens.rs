//! API tokens: made, listed, revoked, and held against what a caller brings.

use jiff::Timestamp;
use secrecy::SecretString;

use crate::authority::Authority;
use crate::error::Result;
use crate::permit::{Principal, Role, Scope};

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewApiToken {
    /// Whose it is; certificates belong to this name.
    pub name: String,
    /// What its bearer may do.
    pub role: Role,
    /// The issuers it may use.
    pub issuers: Scope,
    /// The profiles it may use.
    pub profiles: Scope,
    /// When it ends; never, when absent.
    pub expires_at: Option<Timestamp>,
}

/// A token as it is listed; the secret is not kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ApiToken {
    /// Its identifier, which is part of the token's text.
    pub id: String,
    /// Whose it is.
    pub name: String,
    /// What its bearer may do.
    pub role: Role,
    /// The issuers it may use.
    pub issuers: Scope,
    /// The profiles it may use.
    pub profiles: Scope,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A token that was just made. The secret is shown this once.
#[derive(Debug)]
pub struct NewSecret {
    /// What is listed from now on.
    pub token: ApiToken,
    /// What its bearer sends: `chy_<id>_<secret>`.
    pub secret: SecretString,
}

impl Authority {
    /// Makes a token.
    pub async fn create_api_token(&self, principal: &Principal, new: NewApiToken) -> Result<NewSecret> {
        todo!()
    }

    /// All tokens, oldest first, the revoked ones too.
    pub async fn list_api_tokens(&self, principal: &Principal) -> Result<Vec<ApiToken>> {
        todo!()
    }

    /// Revokes a token. Revoking it again changes nothing.
    pub async fn revoke_api_token(&self, principal: &Principal, id: &str) -> Result<ApiToken> {
        todo!()
    }

    /// The principal that a bearer token stands for. From memory; the comparison takes the same time wherever the
    /// difference is.
    pub fn authenticate(&self, bearer: &str) -> Result<Principal> {
        todo!()
    }
}
