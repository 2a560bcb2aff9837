//! Tokens of OpenID providers and of SPIFFE: the signature by a key of who is pinned, then every claim that is pinned.
//!
//! A token may be shown again while it is good: what lies in a file or comes from a metadata service is the same at every run.

use std::sync::Arc;

use jose::claims::{Claims, Expected};
use jose::{Jws, Thumbprint, VerifyKey};
use serde_json::Value;

use super::{NO_CREDENTIAL, Proved, Shown, Whom, first_right, stand_in};
use crate::authority::Authority;
use crate::courier::binding::{Binding, KeySource, SpiffeBinding, TokenBinding, is_of_a_cloud};
use crate::courier::credential::Credential;
use crate::courier::method::Method;
use crate::courier::platform::THUMBPRINT_URI;
use crate::courier::session::Denial;

/// How far clocks may be apart, in seconds.
pub(super) const SKEW: i64 = 60;
/// The longest life of a token, in seconds.
const LIFETIME: i64 = 24 * 60 * 60;
/// Where an OpenID provider describes itself.
const DISCOVERY: &str = "/.well-known/openid-configuration";

impl Authority {
    pub(super) async fn prove_token(
        &self,
        credentials: &[Credential],
        shown: &Shown,
        key: Option<&[u8; 32]>,
    ) -> Result<Proved, Denial> {
        let mut denial = Some(Denial::Unknown(NO_CREDENTIAL));
        for wanted in credentials.iter().filter_map(|one| one.binding.token()) {
            match check_named(wanted, shown) {
                Ok(()) => {
                    denial = None;
                    break;
                }
                Err(reason) => denial = Some(reason),
            }
        }
        if let (Some(denial), Shown::Token { token, .. }) = (denial, shown) {
            let issuer = said_issuer(token);
            return Err(self.prove_token_in_vain(token, issuer.as_deref(), denial).await);
        }
        first_right(credentials, |_, binding| async move {
            let Some(wanted) = binding.token() else {
                return Err(Denial::Unknown("the credential is of another method"));
            };
            self.judge_token(wanted, shown, key).await
        })
        .await
    }

    async fn judge_token(
        &self,
        wanted: &TokenBinding,
        shown: &Shown,
        key: Option<&[u8; 32]>,
    ) -> Result<Whom, Denial> {
        let Shown::Token {
            token,
            tenant_id,
            method,
            ..
        } = shown
        else {
            return Err(Denial::Unknown("no token was shown"));
        };
        check_named(wanted, shown)?;
        let claims = self.verified_claims(token, &wanted.issuer, &wanted.keys).await?;
        self.check_claims(&claims, Some(&wanted.issuer), &wanted.audiences)?;
        let is_of_cloud = claims.audiences().iter().any(|audience| is_of_a_cloud(audience));
        if is_of_cloud && (wanted.tenant_id.is_none() || wanted.resource.is_none()) {
            return Err(Denial::Unknown(
                "the token is for a cloud, where it could be used as well",
            ));
        }
        let subject = claims.subject().unwrap_or_default().to_owned();
        if wanted.subject.as_ref().is_some_and(|wanted| *wanted != subject) {
            return Err(Denial::Unknown("the subject is another one"));
        }
        // Entra names the tenant in its tokens. A cluster whose token is shown as it is knows of none: what the courier says is all there is.
        let is_named = *method == Method::AzureArc || is_of_entra(&wanted.issuer);
        let named = match claims.claim("tid") {
            None if !is_named => tenant_id.as_deref(),
            named => named.and_then(Value::as_str),
        };
        if wanted.tenant_id.is_some() && named != wanted.tenant_id.as_deref() {
            return Err(Denial::Unknown("the tenant of the token is another one"));
        }
        let differs = wanted
            .claims
            .iter()
            .any(|(name, value)| claims.claim(name) != Some(value));
        if differs {
            return Err(Denial::Unknown("a claim that is pinned is another one"));
        }
        let names_key = names_key(&claims, key);
        Ok(Whom { subject, names_key })
    }

    pub(super) async fn prove_spiffe_token(
        &self,
        credentials: &[Credential],
        token: &str,
        key: Option<&[u8; 32]>,
    ) -> Result<Proved, Denial> {
        if credentials.is_empty() {
            let denial = Denial::Unknown(NO_CREDENTIAL);
            return Err(self.prove_token_in_vain(token, None, denial).await);
        }
        first_right(credentials, |_, binding| async move {
            let Binding::Spiffe(wanted) = binding else {
                return Err(Denial::Unknown("the credential is of another method"));
            };
            self.judge_spiffe_token(wanted, token, key).await
        })
        .await
    }

    /// JWT-SVID §3 and §4: `sub` is the identity, `aud` has to be there, there is no `iss` to look at.
    async fn judge_spiffe_token(
        &self,
        wanted: &SpiffeBinding,
        token: &str,
        key: Option<&[u8; 32]>,
    ) -> Result<Whom, Denial> {
        let claims = self
            .verified_claims(token, &wanted.spiffe_id, &wanted.bundle)
            .await?;
        self.check_claims(&claims, None, &wanted.audiences)?;
        let subject = claims.subject().unwrap_or_default().to_owned();
        if wanted.admits(&subject) {
            let names_key = names_key(&claims, key);
            Ok(Whom { subject, names_key })
        } else {
            Err(Denial::Unknown("the identity is another one"))
        }
    }

    /// The claims of a token whose signature is right.
    pub(super) async fn verified_claims(
        &self,
        token: &str,
        issuer: &str,
        source: &KeySource,
    ) -> Result<Claims, Denial> {
        let jws = Jws::parse(token).map_err(|_| Denial::Unknown("the token cannot be read"))?;
        let address = match source {
            KeySource::Static(keys) => {
                let keys = jose::KeySet::parse(keys.to_string().as_bytes())
                    .map_err(|_| Denial::Unknown("the pinned keys cannot be read"))?;
                return claims_by(&jws, &keys).ok_or(Denial::Unknown("no pinned key made the signature"));
            }
            KeySource::Discovery => format!("{}{DISCOVERY}", issuer.trim_end_matches('/')),
            KeySource::Url(address) => address.clone(),
        };
        self.inner().couriers.issuer_keys.hear_of(issuer, source).await;
        let is_discovery = *source == KeySource::Discovery;
        let keys = self
            .keys_of(&address, is_discovery.then_some(issuer), false)
            .await?;
        if let Some(claims) = claims_by(&jws, &keys) {
            return Ok(claims);
        }
        // The issuer may have begun to use another key.
        let anew = self
            .keys_of(&address, is_discovery.then_some(issuer), true)
            .await?;
        let is_other = !Arc::ptr_eq(&keys, &anew);
        let claims = is_other.then(|| claims_by(&jws, &anew)).flatten();
        claims.ok_or(Denial::Unknown("no key of the issuer made the signature"))
    }

    fn check_claims(
        &self,
        claims: &Claims,
        issuer: Option<&str>,
        audiences: &[String],
    ) -> Result<(), Denial> {
        let audiences: Vec<&str> = if audiences.is_empty() {
            vec![&self.inner().settings.couriers.identity]
        } else {
            audiences.iter().map(String::as_str).collect()
        };
        let expected = Expected {
            issuer,
            audiences: &audiences,
            now: self.inner().clock.now().as_second(),
            skew: SKEW,
            max_lifetime: LIFETIME,
        };
        claims
            .check(&expected)
            .map_err(|_| Denial::Unknown("issuer, audience or time of the token is not right"))
    }
}

/// Whether an issuer is Microsoft Entra ID, in one of its clouds.
fn is_of_entra(issuer: &str) -> bool {
    let host = issuer.strip_prefix("https://").unwrap_or_default();
    let host = host.split('/').next().unwrap_or_default();
    [
        "sts.windows.net",
        "login.microsoftonline.com",
        "login.microsoftonline.us",
        "login.partner.microsoftonline.cn",
        "sts.chinacloudapi.cn",
    ]
    .contains(&host)
}

/// Whether what a courier says beside its token, and what the token says of its issuer, is what a credential names. Nothing is proved
/// by that.
fn check_named(wanted: &TokenBinding, shown: &Shown) -> Result<(), Denial> {
    let Shown::Token {
        token,
        tenant_id,
        resource,
        role_arn,
        ..
    } = shown
    else {
        return Err(Denial::Unknown("no token was shown"));
    };
    if wanted.caller.is_some() {
        return Err(Denial::Unknown("the credential is for a signed request to AWS"));
    }
    let agrees = |said: &Option<String>, wanted: &Option<String>| match (said, wanted) {
        (Some(said), Some(wanted)) => said == wanted,
        _ => true,
    };
    if !agrees(tenant_id, &wanted.tenant_id) {
        return Err(Denial::Unknown("the tenant that is named is another one"));
    }
    if !agrees(resource, &wanted.resource) {
        return Err(Denial::Unknown("the resource that is named is another one"));
    }
    if wanted.role_arn.is_some() && *role_arn != wanted.role_arn {
        return Err(Denial::Unknown("the role that is named is another one"));
    }
    // Whoever does not even know the issuer is told nothing about it, not by waiting for it either.
    if said_issuer(token).as_deref() != Some(wanted.issuer.as_str()) {
        return Err(Denial::Unknown("the issuer is another one"));
    }
    Ok(())
}

/// From whom a token says that it is. Nothing is proved by that.
fn said_issuer(token: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Said {
        iss: String,
    }
    let jws = Jws::parse(token).ok()?;
    let said: Said = serde_json::from_slice(jws.unverified_payload()).ok()?;
    Some(said.iss)
}

/// Whether a token names the key of the session: as its confirmation (RFC 7800 §3.1), or as one of those it is for, by the thumbprint URI
/// (RFC 9278), where who gives tokens lets only that be said.
fn names_key(claims: &Claims, key: Option<&[u8; 32]>) -> bool {
    let Some(thumbprint) = key.map(|key| Thumbprint(*key).to_string()) else {
        return false;
    };
    let confirmed = claims.claim("cnf").and_then(|cnf| cnf.get("jkt"));
    let audience = format!("{THUMBPRINT_URI}{thumbprint}");
    confirmed.and_then(Value::as_str) == Some(&thumbprint) || claims.audiences().contains(&audience)
}

/// The claims, when one of the keys made the signature. Where none comes into question, a signature is verified all the same.
fn claims_by(jws: &Jws, keys: &jose::KeySet) -> Option<Claims> {
    let mut keys = keys.candidates(jws.header()).peekable();
    if keys.peek().is_none() {
        stand_in::verify(jws);
        return None;
    }
    keys.find_map(|key| VerifyKey::from_jwk(key).ok()?.verify(jws).ok())
        .and_then(|verified| Claims::from_verified(&verified).ok())
}
