//! Signing in, and what couriers and the appliance say of themselves.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::secret::Secret;

/// Who somebody says to be, and what is shown for it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AuthRequest {
    /// The courier.
    pub uuid: String,
    /// `spiffe`, `azure_jwt`, `azure_arc`, `aws_oidc`, `oidc_jwt`, `certificate` or `client_secret`.
    pub method: String,
    /// What the method shows.
    pub credential: Credential,
    /// The key that will sign each request (RFC 9449): a JWK.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Object, nullable))]
    pub proof_key: Option<Value>,
    /// The program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Client>,
}

/// What a method shows; each has its own of these members.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Credential {
    /// `client_secret`: `cour_…`. `azure_jwt`: the application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// `client_secret`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub client_secret: Option<Secret>,
    /// `certificate` and `spiffe`: the challenge, signed, with the certificate in `x5c`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub challenge_jws: Option<Secret>,
    /// `spiffe`: `jwt` or `x509`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub svid_type: Option<String>,
    /// `spiffe`, `azure_jwt`, `aws_oidc`, `oidc_jwt`: a JWT.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub token: Option<Secret>,
    /// `azure_arc`: a JWT.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub access_token: Option<Secret>,
    /// `azure_arc`: what the token was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// `azure_jwt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// `aws_oidc`: a request to AWS that is signed and not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_request: Option<SignedRequest>,
    /// `aws_oidc`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// `aws_oidc`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// A request that is signed and not sent: whoever gets it may send it once.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SignedRequest {
    /// Its method.
    pub method: String,
    /// Its address.
    pub url: String,
    /// Names and values.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<Vec<String>>))]
    pub headers: Vec<(String, Secret)>,
    /// Its body.
    pub body: String,
}

/// The program of a courier.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Client {
    /// What it is called.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The operating system.
    pub os: String,
    /// The kind of machine.
    pub arch: String,
    /// What the machine is called.
    pub hostname: String,
}

/// A session was opened.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Opened {
    /// Always true.
    pub success: bool,
    /// Whose it is.
    pub courier: Courier,
    /// The session.
    pub session: Session,
}

/// A courier.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Courier {
    /// Its identifier.
    pub uuid: String,
    /// Its name.
    pub name: String,
    /// `active`, `disabled` or `expired`.
    pub status: String,
}

/// A session.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Session {
    /// What each request bears. Shown when the session is opened, and never again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub token: Option<Secret>,
    /// `Bearer`, or `DPoP` when each request is signed.
    pub token_type: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// In how many seconds.
    pub expires_in: i64,
}

/// How session and record stand.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Verified {
    /// Always true.
    pub success: bool,
    /// Whose it is.
    pub courier: Courier,
    /// The method by which it was opened.
    pub method: String,
    /// The session, without its token.
    pub session: Session,
}

/// A challenge.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Challenge {
    /// Always true.
    pub success: bool,
    /// What is signed.
    pub nonce: String,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

/// What the appliance says of itself to anybody.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Health {
    /// `ok`, or `unavailable`.
    pub status: String,
    /// The version of the program.
    pub version: String,
    /// The versions of this protocol.
    pub api_versions: Vec<String>,
    /// The time there.
    pub server_time: Timestamp,
    /// Who it is: the audience of tokens for it.
    pub identity: String,
}

/// What a courier may have.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct OwnRecord {
    /// Always true.
    pub success: bool,
    /// Who it is.
    pub courier: Courier,
    /// The names it may have certificates for.
    pub allowed_names: Vec<String>,
    /// The profiles it may use; the first is taken when none is named.
    pub profiles: Vec<Profile>,
    /// Whether the appliance makes keys: `forbid`, `allow` or `require`.
    pub platform_keys: String,
    /// Whether it may revoke.
    pub may_revoke: bool,
    /// The lowest version of the program that is let in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_client_version: Option<String>,
}

/// A profile as couriers see it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// The kinds of key, as `ec-256`.
    pub key_algorithms: Vec<String>,
    /// How long certificates live when nothing is said, as `90d`.
    pub default_validity: String,
    /// The longest that they live, as `398d`.
    pub max_validity: String,
    /// The most days that the record allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_validity_days: Option<u32>,
}

/// What a courier says of its runs.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Report {
    /// When it ran last.
    pub last_run_at: Option<Timestamp>,
    /// When it means to run next.
    pub next_run_at: Option<Timestamp>,
    /// How many runs failed since the last good one.
    pub failures: u32,
    /// Codes of what went wrong.
    pub errors: Vec<String>,
    /// Whatever it tells of its machine.
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    pub host: serde_json::Map<String, Value>,
}
