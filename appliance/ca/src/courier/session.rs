//! Sessions of couriers: opened by a credential, known by the hash of a token, bound to where they were opened and, when the courier
//! gave a key for it, to that key: then every request is signed (RFC 9449), and a token that leaks is worth nothing.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::json;
use store::courier_presence::SignIn;
use store::courier_sessions::SessionRow;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::bearing::{Bearing, BodyClaim};
use super::method::Method;
use super::nonce::sha256;
use super::prove::{Proved, Shown};
use super::record::{Courier, CourierStatus};
use crate::audit;
use crate::authority::Authority;
use crate::clock::from_millis;
use crate::error::{Error, Result};
use crate::principal::{Principal, Role, Scope};

/// Octets of a token: 64 characters of base64url.
const TOKEN_LEN: usize = 48;
/// How old the proof of a request may be, in seconds, in either direction.
pub(super) const PROOF_AGE: i64 = 60;

/// What a courier brings to open a session.
#[derive(Debug)]
pub struct Authentication {
    /// Which courier it says it is.
    pub courier: Uuid,
    /// What it shows.
    pub shown: Shown,
    /// The key with which it will sign its requests: a JWK.
    pub proof_key: Option<serde_json::Value>,
    /// Where it comes from.
    pub address: Option<IpAddr>,
    /// The instance of a bridge that forwarded it and saw all of it.
    pub via: Option<Uuid>,
    /// What it says of itself.
    pub client: ClientFacts,
}

/// What a courier says of itself. Nothing depends on it but the lowest version that is let in.
#[derive(Clone, Debug, Default)]
pub struct ClientFacts {
    /// The version of its program.
    pub version: Option<String>,
    /// What its machine is called.
    pub hostname: Option<String>,
}

/// A session that was just opened. The token is shown this once.
#[derive(Debug)]
pub struct OpenedSession {
    /// The session.
    pub session: CourierSession,
    /// What its requests bring.
    pub token: SecretString,
}

/// A courier that has shown who it is. Whoever holds one may do what its record says.
#[derive(Clone, Debug)]
pub struct CourierSession {
    /// The courier as it is now.
    pub courier: Courier,
    /// By which method.
    pub method: Method,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The thumbprint of the key that signs its requests (RFC 7638).
    pub thumbprint: Option<[u8; 32]>,
    /// The instance of a bridge that forwarded this request, where it did not come directly or through a tunnel.
    pub via: Option<Uuid>,
    /// What the proof of this request says of its body, where it covers one: whoever reads the body looks.
    pub body: Option<BodyClaim>,
    /// Whether nobody between can have put another key in the place of its key: it was opened without a bridge that sees what passes, or
    /// what was shown named the key.
    pub(super) is_key_own: bool,
    token_hash: [u8; 32],
    /// What sort of address it was opened from.
    source: String,
}

impl Authority {
    /// Opens a session for a courier that shows who it is. Whatever is wrong, it learns only that it was not let in; the audit
    /// log has the reason. What is special is told once the credential itself is right: that it is switched off, that it comes
    /// from the wrong place, that its program is too old.
    pub async fn authenticate_courier(&self, authentication: Authentication) -> Result<OpenedSession> {
        let method = authentication.shown.method();
        let often = self
            .count_attempt(authentication.courier, authentication.address)
            .await?;
        if let Some(often) = often {
            return Err(self.turn_away(&authentication, often).await);
        }
        let outcome = self.let_in(&authentication).await;
        let result = outcome.as_ref().map_or_else(|denial| denial.reason().0, |_| "ok");
        self.inner().metrics.courier_authenticated(method.name(), result);
        if let Err(error) = &outcome {
            self.note_refusal(&authentication, method, error).await;
        }
        outcome.map_err(Denial::public)
    }

    /// The session of a request.
    pub async fn courier_session(&self, bearing: &Bearing<'_>) -> Result<CourierSession> {
        let token_hash = sha256(bearing.token.as_bytes());
        let read = self
            .inner()
            .store
            .read(move |reader| store::courier_sessions::find(reader, &token_hash));
        let now = self.inner().clock.now();
        let row = read.await?.filter(|row| row.expires_at > now.as_millisecond());
        let row = row.ok_or_else(session_expired)?;
        let mut session = self.session_of(row, token_hash).await?;
        session.via = bearing.via.map(|forwarded| forwarded.bridge);
        match session.courier.status {
            CourierStatus::Active => {}
            CourierStatus::Disabled | CourierStatus::Expired => return Err(disabled(&session.courier)),
        }
        if session.courier.record.disabled_methods.contains(&session.method)
            || !self.is_method_enabled(session.method).await?
        {
            return Err(method_not_enabled(session.method));
        }
        if !session.courier.may_come_from(bearing.address) || session.source != class_of(bearing.address) {
            let error = ip_not_allowed();
            self.note_elsewhere(&session, bearing.address, &error).await;
            return Err(error);
        }
        if session.via.is_some() && session.thumbprint.is_none() {
            return Err(proof_required());
        }
        session.body = self.check_proof(&session, bearing).await?;
        Ok(session)
    }

    /// Ends a session before its time.
    pub async fn end_courier_session(&self, session: &CourierSession) -> Result<()> {
        let at = self.inner().clock.now();
        let entry = audit::entry(
            at,
            &session.actor(),
            "courier_session.end",
            session.courier.id,
            audit::OK,
            &json!({ "method": session.method }),
        );
        let hash = session.token_hash;
        let change = self.change(entry, move |tx| {
            store::courier_sessions::remove(tx, &hash).map(drop)
        });
        change.await.map(drop)
    }

    async fn let_in(&self, authentication: &Authentication) -> std::result::Result<OpenedSession, Denial> {
        let key = authentication.proof_key.as_ref().map(thumbprint_of).transpose()?;
        let found = match self.courier_by_id(authentication.courier).await {
            Ok(courier) => Some(courier),
            Err(Error::NotFound { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let proved = self
            .prove(authentication.courier, &authentication.shown, key.as_ref())
            .await?;
        let courier = found.ok_or(Denial::Unknown("no such courier"))?;
        match courier.status {
            CourierStatus::Active => {}
            CourierStatus::Disabled | CourierStatus::Expired => return Err(disabled(&courier).into()),
        }
        let method = authentication.shown.method();
        if courier.record.disabled_methods.contains(&method) || !self.is_method_enabled(method).await? {
            return Err(method_not_enabled(method).into());
        }
        if !courier.may_come_from(authentication.address) {
            return Err(ip_not_allowed().into());
        }
        if authentication.via.is_some() && key.is_none() {
            return Err(proof_required().into());
        }
        if let Some(lowest) = &courier.record.minimum_client_version
            && is_older(authentication.client.version.as_deref(), lowest)
        {
            return Err(client_too_old(lowest).into());
        }
        self.open_session(courier, authentication, &proved, key)
            .await
            .map_err(Denial::from)
    }

    async fn open_session(
        &self,
        courier: Courier,
        authentication: &Authentication,
        proved: &Proved,
        thumbprint: Option<[u8; 32]>,
    ) -> Result<OpenedSession> {
        let mut octets = Zeroizing::new([0; TOKEN_LEN]);
        aws_lc_rs::rand::fill(&mut *octets)
            .map_err(|_| Error::internal("the system gives no random octets"))?;
        let token = Zeroizing::new(URL_SAFE_NO_PAD.encode(*octets));
        let method = authentication.shown.method();
        let at = self.inner().clock.now();
        let lifetime = SignedDuration::try_from(self.inner().settings.couriers.session_lifetime);
        let expires_at = at
            .saturating_add(lifetime.unwrap_or(SignedDuration::from_hours(1)))
            .unwrap_or(at);
        let session = CourierSession {
            method,
            created_at: at,
            expires_at,
            thumbprint,
            via: authentication.via,
            body: None,
            is_key_own: thumbprint.is_some() && (authentication.via.is_none() || proved.names_key),
            token_hash: sha256(token.as_bytes()),
            source: class_of(authentication.address).to_owned(),
            courier,
        };
        let row = SessionRow {
            token_hash: session.token_hash.to_vec(),
            courier_id: session.courier.id,
            method: method.name().to_owned(),
            credential_id: Some(proved.credential),
            thumbprint: thumbprint.map(|print| print.to_vec()),
            is_key_own: session.is_key_own,
            source: session.source.clone(),
            created_at: at.as_millisecond(),
            expires_at: expires_at.as_millisecond(),
        };
        let client = short(&authentication.client);
        let logged = json!({
            "method": method, "credential": proved.credential, "subject": proved.subject,
            "address": authentication.address, "bound": thumbprint.is_some(), "client": client.version,
            "hostname": client.hostname, "bridge": authentication.via,
        });
        let entry = audit::entry(
            at,
            &session.actor(),
            "courier.authenticate",
            row.courier_id,
            audit::OK,
            &logged,
        );
        let credential = proved.credential;
        let change = self.change(entry, move |tx| {
            let at = at.as_millisecond();
            store::courier_sessions::insert(tx, &row)?;
            store::courier_credentials::touch(tx, credential, at)?;
            let sign_in = SignIn {
                method: &row.method,
                client_version: client.version.as_deref(),
                hostname: client.hostname.as_deref(),
            };
            store::courier_presence::sign_in(tx, row.courier_id, &sign_in, at)
        });
        change.await?;
        Ok(OpenedSession {
            session,
            token: SecretString::from(token.to_string()),
        })
    }

    async fn session_of(&self, row: SessionRow, token_hash: [u8; 32]) -> Result<CourierSession> {
        let method = row
            .method
            .parse()
            .map_err(|_| Error::internal("a stored session of no method"))?;
        let thumbprint = row.thumbprint.map(<[u8; 32]>::try_from).transpose();
        Ok(CourierSession {
            courier: self
                .courier_by_id(row.courier_id)
                .await
                .map_err(|error| match error {
                    Error::NotFound { .. } => session_expired(),
                    other => other,
                })?,
            method,
            created_at: from_millis(row.created_at),
            expires_at: from_millis(row.expires_at),
            thumbprint: thumbprint.map_err(|_| Error::internal("a stored session with no thumbprint"))?,
            via: None,
            body: None,
            is_key_own: row.is_key_own,
            token_hash,
            source: row.source,
        })
    }
}

impl CourierSession {
    /// The courier of an order that somebody approved: what it may have is looked at again, who it is was shown when it asked.
    pub(super) fn of_approved(courier: Courier) -> Self {
        Self {
            courier,
            method: Method::ClientSecret,
            created_at: Timestamp::UNIX_EPOCH,
            expires_at: Timestamp::UNIX_EPOCH,
            thumbprint: None,
            via: None,
            body: None,
            is_key_own: false,
            token_hash: [0; 32],
            source: String::new(),
        }
    }

    /// What proofs of requests call its token (RFC 9449 §4.2, `ath`).
    pub(super) fn access_token_hash(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.token_hash)
    }

    /// How it appears in the audit log.
    pub(crate) fn actor(&self) -> String {
        format!("{} ({})", self.courier.requester(), self.courier.id)
    }

    /// As whom it asks for certificates: its own name, and the profiles of its record.
    pub(crate) fn principal(&self) -> Principal {
        Principal {
            id: self.courier.id.to_string(),
            name: self.courier.requester(),
            role: Role::Requester,
            issuers: Scope::All,
            profiles: Scope::Only(self.courier.record.profiles.iter().cloned().collect()),
        }
    }
}

/// Why a courier was not let in.
#[derive(Debug)]
pub(crate) enum Denial {
    /// The credential is not right. The courier is told only that.
    Unknown(&'static str),
    /// It is right, and something else is wrong, which is told.
    Known(Error),
}

impl Denial {
    fn public(self) -> Error {
        match self {
            Self::Unknown(_) => Error::Unauthenticated {
                code: "invalid_credentials",
                message: "the credentials are not right".to_owned(),
            },
            Self::Known(error) => error,
        }
    }

    pub(super) fn reason(&self) -> (&'static str, String) {
        match self {
            Self::Unknown(reason) => ("invalid_credentials", (*reason).to_owned()),
            Self::Known(error) => (error.code(), error.to_string()),
        }
    }
}

impl From<Error> for Denial {
    fn from(error: Error) -> Self {
        Self::Known(error)
    }
}

fn refused(code: &'static str, message: String) -> Error {
    Error::Unauthenticated { code, message }
}

fn session_expired() -> Error {
    refused(
        "session_expired",
        "the session has ended: authenticate again".to_owned(),
    )
}

pub(super) fn proof_invalid() -> Error {
    let message = "the session is bound to a key: each request needs a fresh proof of it (RFC 9449)";
    refused("proof_invalid", message.to_owned())
}

/// A bridge that ends TLS sees the token: only one that is bound to a key is worth nothing to it.
fn proof_required() -> Error {
    let message = "through a bridge that ends TLS a session is bound to a key: send `proof_key`, and a proof with each request (RFC 9449)";
    Error::forbidden("proof_required", message)
}

fn method_not_enabled(method: Method) -> Error {
    refused(
        "method_not_enabled",
        format!("the method {method} is switched off"),
    )
}

fn ip_not_allowed() -> Error {
    refused(
        "ip_not_allowed",
        "the courier may not come from this address".to_owned(),
    )
}

pub(super) fn disabled(courier: &Courier) -> Error {
    Error::forbidden(
        "courier_disabled",
        format!("the courier {} is {}", courier.name, courier.status),
    )
}

fn client_too_old(lowest: &str) -> Error {
    let message = format!("this version of courier is too old: {lowest} or a later one is let in");
    Error::Gone {
        code: "client_too_old",
        message,
    }
}

fn thumbprint_of(key: &serde_json::Value) -> std::result::Result<[u8; 32], Denial> {
    let key = jose::Jwk::parse(key.to_string().as_bytes())
        .map_err(|_| Denial::Unknown("the proof key cannot be read"))?;
    Ok(key.thumbprint().0)
}

/// What sort of address it is; a session does not move from one sort to another.
fn class_of(address: Option<IpAddr>) -> &'static str {
    match address.map(|address| address.to_canonical()) {
        None => "none",
        Some(address) if address.is_loopback() => "loopback",
        Some(IpAddr::V4(v4)) if v4.is_private() || v4.is_link_local() => "private-v4",
        Some(IpAddr::V4(_)) => "public-v4",
        Some(IpAddr::V6(v6)) if v6.is_unique_local() || v6.is_unicast_link_local() => "private-v6",
        Some(IpAddr::V6(_)) => "public-v6",
    }
}

fn short(client: &ClientFacts) -> ClientFacts {
    let cut = |text: &Option<String>| {
        let text = text.as_deref()?.chars().filter(|c| !c.is_control());
        Some(text.take(64).collect())
    };
    ClientFacts {
        version: cut(&client.version),
        hostname: cut(&client.hostname),
    }
}

/// Whether a version lies below another, number by number. One that tells none is older than all.
fn is_older(version: Option<&str>, lowest: &str) -> bool {
    let numbers = |text: &str| -> Vec<u64> {
        let text = text.split(['-', '+']).next().unwrap_or_default();
        text.split('.').map(|part| part.parse().unwrap_or(0)).collect()
    };
    version.is_none_or(|version| numbers(version) < numbers(lowest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        assert!(is_older(Some("0.9.0"), "0.10.0"));
        assert!(!is_older(Some("0.10.0"), "0.10.0") && !is_older(Some("1.0.0-rc.1"), "0.10.0"));
        assert!(is_older(None, "0.1.0"));
    }

    #[test]
    fn an_address_has_one_class() {
        let class = |text: &str| class_of(text.parse().ok());
        assert_eq!(class("127.0.0.1"), "loopback");
        assert_eq!(class("::ffff:10.0.0.1"), "private-v4");
        assert_eq!(class("192.0.2.1"), "public-v4");
        assert_eq!(class("fd00::1"), "private-v6");
        assert_eq!(class("2001:db8::1"), "public-v6");
        assert_eq!(class_of(None), "none");
    }
}
