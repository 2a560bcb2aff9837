//! API tokens: made, listed, revoked, and held against what a caller brings.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::tokens::TokenRow;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::audit::{self, hexadecimal};
use crate::authority::Authority;
use crate::clock::from_millis;
use crate::error::{Error, Refusal, Result};
use crate::permit::{self, Permit, action};
use crate::principal::{Principal, Role, Scope};

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewApiToken {
    /// Whose it is. Certificates belong to this name, so that tokens of one name can take turns: the new one is made
    /// before the old one is revoked.
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
    /// When it was used last; after a crash it may be known a minute too early.
    pub last_used_at: Option<Timestamp>,
}

/// A token that was just made. The secret is shown this once.
#[derive(Debug)]
pub struct NewSecret {
    /// What is listed from now on.
    pub token: ApiToken,
    /// What its bearer sends: `chy_<id>_<secret>`.
    pub secret: SecretString,
}

/// A token as it is kept in memory.
#[derive(Clone, Debug)]
pub(crate) struct StoredToken {
    token: ApiToken,
    hash: Vec<u8>,
    used: Arc<LastUse>,
}

/// The last use of a token, in milliseconds; 0 stands for never. Every request notes it, the store learns of it now and then.
#[derive(Debug, Default)]
struct LastUse {
    at: AtomicI64,
    stored: AtomicI64,
}

/// The issuers and profiles of a token.
// stored: as JSON in api_tokens.scopes
#[derive(Default, Deserialize, Serialize)]
struct Scopes {
    #[serde(default)]
    issuers: Scope,
    #[serde(default)]
    profiles: Scope,
}

/// What every token's text begins with.
const PREFIX: &str = "chy_";
/// Octets of the identifier and of the secret.
const ID_LEN: usize = 8;
const SECRET_LEN: usize = 32;

impl Authority {
    /// Makes a token.
    pub async fn create_api_token(&self, principal: &Principal, new: NewApiToken) -> Result<NewSecret> {
        let permit = permit::to_manage_tokens(principal)?;
        let at = self.inner().clock.now();
        if new.name.trim().is_empty() || new.name.len() > 100 || new.name.chars().any(char::is_control) {
            let message = "a token needs a name of at most 100 characters";
            return Err(Refusal::of_requester("name_invalid", message).into());
        }
        if new.expires_at.is_some_and(|end| end <= at) {
            return Err(
                Refusal::of_requester("expiry_invalid", "the token would end before it begins").into(),
            );
        }
        self.check_scopes(&new)?;
        let (id, secret) = (random::<ID_LEN>()?, random::<SECRET_LEN>()?);
        let (id, secret) = (hexadecimal(&*id), Zeroizing::new(hexadecimal(&*secret)));
        let token = ApiToken {
            id: id.clone(),
            name: new.name,
            role: new.role,
            issuers: new.issuers,
            profiles: new.profiles,
            created_at: at,
            expires_at: new.expires_at,
            revoked_at: None,
            last_used_at: None,
        };
        let stored = StoredToken {
            token: token.clone(),
            hash: hash_of(&secret),
            used: Arc::default(),
        };
        self.to_the_end(|authority| async move { authority.keep_token(&permit, stored).await })
            .await?;
        Ok(NewSecret {
            token,
            secret: SecretString::from(format!("{PREFIX}{id}_{}", *secret)),
        })
    }

    /// A scope that names nothing is a slip of the pen: the token would be refused everywhere.
    fn check_scopes(&self, new: &NewApiToken) -> Result<()> {
        for name in new.issuers.names() {
            if self.issuer(name).is_err() {
                let message = format!("there is no issuer `{name}` for the token's scope");
                return Err(Refusal::of_requester("unknown_issuer", message).into());
            }
        }
        for name in new.profiles.names() {
            if self.profile(name).is_err() {
                let message = format!("there is no profile `{name}` for the token's scope");
                return Err(Refusal::of_requester("unknown_profile", message).into());
            }
        }
        Ok(())
    }

    /// All tokens, oldest first, the revoked ones too.
    #[expect(
        clippy::unused_async,
        reason = "where a use case looks things up is not its callers' business"
    )]
    pub async fn list_api_tokens(&self, principal: &Principal) -> Result<Vec<ApiToken>> {
        permit::check_reads_tokens(principal)?;
        let tokens = self.inner().tokens.load();
        let mut tokens: Vec<ApiToken> = tokens.values().map(StoredToken::listed).collect();
        tokens.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
        Ok(tokens)
    }

    /// Revokes a token. Revoking it again changes nothing.
    pub async fn revoke_api_token(&self, principal: &Principal, id: &str) -> Result<ApiToken> {
        let permit = permit::to_manage_tokens(principal)?;
        let id = id.to_owned();
        self.to_the_end(|authority| async move { authority.end_token(&permit, id).await })
            .await
    }

    /// The principal that a bearer token stands for. From memory; the comparison takes the same time wherever the
    /// difference is.
    pub fn authenticate(&self, bearer: &str) -> Result<Principal> {
        let refused = |code, message: &str| Error::Unauthenticated {
            code,
            message: message.to_owned(),
        };
        let unknown = || refused("token_invalid", "the token is not known");
        let (id, secret) = bearer
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('_'))
            .ok_or_else(unknown)?;
        let tokens = self.inner().tokens.load();
        let stored = tokens.get(id).ok_or_else(unknown)?;
        if !bool::from(hash_of(secret).ct_eq(&stored.hash)) {
            return Err(unknown());
        }
        let token = &stored.token;
        if token.revoked_at.is_some() {
            return Err(refused("token_revoked", "the token was revoked"));
        }
        let now = self.inner().clock.now();
        if token.expires_at.is_some_and(|end| end <= now) {
            return Err(refused("token_expired", "the token has ended"));
        }
        stored.used.at.store(now.as_millisecond(), Ordering::Relaxed);
        Ok(Principal {
            id: token.id.clone(),
            name: token.name.clone(),
            role: token.role,
            issuers: token.issuers.clone(),
            profiles: token.profiles.clone(),
        })
    }

    async fn keep_token(&self, permit: &Permit<action::ManageTokens>, stored: StoredToken) -> Result<()> {
        let _one_at_a_time = self.inner().table_changes.lock().await;
        let token = &stored.token;
        let scopes = Scopes {
            issuers: token.issuers.clone(),
            profiles: token.profiles.clone(),
        };
        let scopes = serde_json::to_string(&scopes).map_err(Error::internal)?;
        let details = json!({
            "name": token.name, "role": token.role, "scopes": scopes,
            "expires_at": token.expires_at.map(|end| end.to_string()),
        });
        let entry = audit::entry(
            token.created_at,
            permit.actor(),
            "token.create",
            &token.id,
            audit::OK,
            &details,
        );
        let row = TokenRow {
            id: token.id.clone(),
            name: token.name.clone(),
            role: token.role.to_string(),
            scopes,
            hash: stored.hash.clone(),
            created_at: token.created_at.as_millisecond(),
            expires_at: token.expires_at.map(Timestamp::as_millisecond),
            revoked_at: None,
            last_used_at: None,
        };
        self.change(entry, move |tx| store::tokens::insert(tx, &row))
            .await?;
        self.change_tokens(&stored);
        Ok(())
    }

    async fn end_token(&self, permit: &Permit<action::ManageTokens>, id: String) -> Result<ApiToken> {
        let _one_at_a_time = self.inner().table_changes.lock().await;
        let stored = self.inner().tokens.load().get(&id).cloned();
        let mut stored = stored.ok_or_else(|| Error::not_found("API token", &id))?;
        if stored.token.revoked_at.is_some() {
            return Ok(stored.listed());
        }
        let at = self.inner().clock.now();
        let details = json!({ "name": stored.token.name });
        let entry = audit::entry(at, permit.actor(), "token.revoke", &id, audit::OK, &details);
        self.change(entry, move |tx| {
            store::tokens::revoke(tx, &id, at.as_millisecond())
        })
        .await?;
        stored.token.revoked_at = Some(at);
        self.change_tokens(&stored);
        Ok(stored.listed())
    }

    /// Tells the store which tokens were used since it was told last.
    pub(crate) async fn note_token_uses(&self) -> Result<()> {
        let tokens = self.inner().tokens.load_full();
        let fresh: Vec<(String, i64, Arc<LastUse>)> = tokens
            .iter()
            .map(|(id, stored)| (id, stored.used.at.load(Ordering::Relaxed), &stored.used))
            .filter(|(_, at, used)| *at > used.stored.load(Ordering::Relaxed))
            .map(|(id, at, used)| (id.clone(), at, Arc::clone(used)))
            .collect();
        if fresh.is_empty() {
            return Ok(());
        }
        let told: Vec<(String, i64)> = fresh.iter().map(|(id, at, _)| (id.clone(), *at)).collect();
        let write = self.inner().store.write(move |tx| {
            told.iter()
                .try_for_each(|(id, at)| store::tokens::touch(tx, id, *at))
        });
        write.await?;
        for (_, at, used) in fresh {
            used.stored.store(at, Ordering::Relaxed);
        }
        Ok(())
    }

    fn change_tokens(&self, stored: &StoredToken) {
        self.inner().tokens.rcu(|tokens| {
            let mut tokens = HashMap::clone(tokens);
            tokens.insert(stored.token.id.clone(), stored.clone());
            tokens
        });
    }

    pub(crate) async fn load_tokens(&self) -> Result<()> {
        let rows = self.inner().store.read(store::tokens::all).await?;
        let known = self.inner().tokens.load();
        let tokens = rows.into_iter().map(|row| {
            let mut stored = StoredToken::from_row(row)?;
            // Requests under way note their use there.
            if let Some(known) = known.get(&stored.token.id) {
                let stored_use = stored.used.at.load(Ordering::Relaxed);
                known.used.at.fetch_max(stored_use, Ordering::Relaxed);
                stored.used = Arc::clone(&known.used);
            }
            Ok((stored.token.id.clone(), stored))
        });
        let tokens: HashMap<String, StoredToken> = tokens.collect::<Result<_>>()?;
        self.inner().tokens.store(Arc::new(tokens));
        Ok(())
    }
}

impl StoredToken {
    /// As it is listed, with its last use.
    fn listed(&self) -> ApiToken {
        let at = self.used.at.load(Ordering::Relaxed);
        ApiToken {
            last_used_at: (at > 0).then(|| from_millis(at)),
            ..self.token.clone()
        }
    }

    fn from_row(row: TokenRow) -> Result<Self> {
        let corrupt =
            |what: &str| Error::Internal(format!("the stored token {} has an unreadable {what}", row.id));
        let scopes: Scopes = serde_json::from_str(&row.scopes).map_err(|_| corrupt("scope"))?;
        let token = ApiToken {
            role: row.role.parse().map_err(|_| corrupt("role"))?,
            issuers: scopes.issuers,
            profiles: scopes.profiles,
            created_at: from_millis(row.created_at),
            expires_at: row.expires_at.map(from_millis),
            revoked_at: row.revoked_at.map(from_millis),
            last_used_at: None,
            id: row.id,
            name: row.name,
        };
        let used = LastUse {
            at: row.last_used_at.unwrap_or_default().into(),
            stored: row.last_used_at.unwrap_or_default().into(),
        };
        Ok(Self {
            token,
            hash: row.hash,
            used: Arc::new(used),
        })
    }
}

/// The secret has 256 random bits, so one round of SHA-256 is enough: there is nothing to guess.
fn hash_of(secret: &str) -> Vec<u8> {
    pki::DigestAlgorithm::Sha256.digest(secret.as_bytes())
}

fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>> {
    let mut octets = Zeroizing::new([0; N]);
    aws_lc_rs::rand::fill(&mut *octets).map_err(|_| Error::internal("the system gives no random octets"))?;
    Ok(octets)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    #[test]
    fn the_oldest_scopes_are_read() {
        let scopes: Scopes = serde_json::from_str("{}").unwrap();
        assert_eq!((scopes.issuers, scopes.profiles), (Scope::All, Scope::All));
        let scopes: Scopes = serde_json::from_str(r#"{"issuers":{"only":["a"]},"profiles":"all"}"#).unwrap();
        assert!(scopes.issuers.contains("a") && !scopes.issuers.contains("b"));
    }
}
