//! A courier that is signed in: the session, its proof key, and one silent new session when the old one is gone.

use std::sync::Arc;

use courier_wire::{AuthRequest, Challenge, Opened, Secret};
use tokio::sync::{Mutex, OnceCell};
use uuid::Uuid;

use super::call::Call;
use super::credential::credential;
use super::exchange::{Client, Pass};
use super::{Answer, Fault};
use crate::auth::proof::ProofKey;
use crate::auth::{self, Appliance, Context, Environment, Method, Pending, Places, Presented, certificate};
use crate::platform_key::Recipient;

/// What was presented is wrong.
const INVALID_CREDENTIALS: &str = "INVALID_CREDENTIALS";

/// Who signs in, and how.
pub struct Principal {
    /// The courier.
    pub uuid: Uuid,
    /// The method with its settings.
    pub method: Method,
    /// The variables.
    pub environment: Box<dyn Environment>,
    /// Files and addresses that are built in.
    pub places: Places,
    /// Whether the session is bound to a key of this run.
    pub has_proof: bool,
    /// The name of this machine, for the audit log of the appliance.
    pub hostname: String,
}

impl std::fmt::Debug for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Principal")
            .field("uuid", &self.uuid)
            .field("method", &self.method)
            .field("has_proof", &self.has_proof)
            .finish_non_exhaustive()
    }
}

impl Principal {
    /// What signs in.
    fn program(&self) -> courier_wire::Client {
        courier_wire::Client {
            name: "courier".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            os: std::env::consts::OS.to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
            hostname: self.hostname.clone(),
        }
    }
}

/// A courier at the appliance.
#[derive(Debug)]
pub struct Courier {
    client: Client,
    principal: Principal,
    identity: OnceCell<String>,
    session: Mutex<Option<Arc<Session>>>,
}

/// What the appliance gave.
#[derive(Debug)]
struct Session {
    word: &'static str,
    token: Secret,
    /// The key that it is bound to, made for it.
    proof: Option<ProofKey>,
}

impl Courier {
    /// A courier that has not signed in yet.
    pub fn new(client: Client, principal: Principal) -> Self {
        Self {
            client,
            principal,
            identity: OnceCell::new(),
            session: Mutex::new(None),
        }
    }

    /// Signs in.
    pub async fn sign_in(&self) -> Result<(), Fault> {
        let mut held = self.session.lock().await;
        *held = Some(Arc::new(self.new_session().await?));
        Ok(())
    }

    /// Makes a call within the session, signing in when there is none, and once more when it is gone.
    pub async fn call(&self, call: &Call) -> Result<Answer, Fault> {
        let session = self.current(None).await?;
        match self.within(&session, call).await {
            Err(Fault::Refused(refusal)) if refusal.is_session_expired() => {
                tracing::debug!("the session is gone: signing in again");
                let session = self.current(Some(&session)).await?;
                self.within(&session, call).await
            }
            done => done,
        }
    }

    /// The session's word for whom a key is to be encrypted to (`recipient_proof`). It counts once.
    pub async fn vouch_for(&self, recipient: &Recipient) -> Result<String, Fault> {
        let session = self.current(None).await?;
        let Some(proof) = &session.proof else {
            return Err(Fault::Setting(
                "a key of the appliance needs a session with a key of its own".to_owned(),
            ));
        };
        let now = self.client.clock().now();
        let word = recipient.prove(proof, session.token.expose(), now);
        word.map_err(|fault| Fault::Setting(fault.to_string()))
    }

    /// Ends the session, where there is one. The appliance ends it by itself later, so that a failure is only told.
    pub async fn sign_out(&self) {
        let Some(session) = self.session.lock().await.take() else {
            return;
        };
        let ended = match Call::post("/api/v1/courier/auth/revoke", &serde_json::json!({})) {
            Ok(call) => self.within(&session, &call).await.map(|_| ()),
            Err(fault) => Err(fault),
        };
        if let Err(fault) = ended {
            tracing::debug!(%fault, "the session was not ended");
        }
    }

    /// The client beneath.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The session, made anew when there is none or when this one is gone.
    async fn current(&self, gone: Option<&Arc<Session>>) -> Result<Arc<Session>, Fault> {
        let mut held = self.session.lock().await;
        if let Some(session) = held.as_ref()
            && gone.is_none_or(|gone| !Arc::ptr_eq(gone, session))
        {
            return Ok(Arc::clone(session));
        }
        let session = Arc::new(self.new_session().await?);
        *held = Some(Arc::clone(&session));
        Ok(session)
    }

    async fn within(&self, session: &Session, call: &Call) -> Result<Answer, Fault> {
        let pass = Pass {
            token: Some((session.word, &session.token)),
            proof: session.proof.as_ref(),
        };
        self.client.perform_with(call, pass).await
    }

    async fn new_session(&self) -> Result<Session, Fault> {
        match self.open_session().await {
            Err(Fault::Refused(refusal))
                if refusal.code == INVALID_CREDENTIALS && self.principal.method.falls_back() =>
            {
                tracing::warn!(
                    "the appliance does not accept the installed certificate: signing in as `auth` says"
                );
                self.open_session().await
            }
            opened => opened,
        }
    }

    async fn open_session(&self) -> Result<Session, Fault> {
        let proof = self.principal.has_proof.then(ProofKey::generate).transpose()?;
        let thumbprint = proof.as_ref().map(ProofKey::thumbprint);
        let context = Context {
            uuid: self.principal.uuid,
            environment: self.principal.environment.as_ref(),
            places: &self.principal.places,
            appliance: self,
            now: self.client.clock().now(),
            thumbprint: thumbprint.as_deref(),
        };
        let presented = self.principal.method.present(&context).await?;
        let request = AuthRequest {
            uuid: self.principal.uuid.to_string(),
            method: match &presented {
                // In the place of the secret, where earlier runs installed one.
                Presented::Certificate { .. } => certificate::METHOD,
                _ => self.principal.method.name(),
            }
            .to_owned(),
            credential: credential(presented),
            proof_key: proof.as_ref().map(ProofKey::jwk),
            client: Some(self.principal.program()),
        };
        let mut call = Call::post("/api/v1/courier/auth", &request)?;
        // A signed challenge is taken once.
        if request.credential.challenge_jws.is_none() {
            call = call.repeatable();
        }
        let pass = Pass {
            token: None,
            proof: proof.as_ref(),
        };
        let opened: Opened = self.client.perform_with(&call, pass).await?.json()?;
        let malformed = |reason: &str| Fault::Malformed {
            endpoint: "the appliance".to_owned(),
            reason: reason.to_owned(),
        };
        // A hop that took the proof key out of the request shows here.
        let word = match (opened.session.token_type.to_ascii_lowercase().as_str(), &proof) {
            ("dpop", Some(_)) => "DPoP",
            ("bearer", None) => "Bearer",
            _ => return Err(malformed("the session is not bound as it was asked for")),
        };
        let token = opened.session.token;
        Ok(Session {
            word,
            token: token.ok_or_else(|| malformed("the session has no token"))?,
            proof,
        })
    }
}

impl Appliance for Courier {
    fn identity(&self) -> Pending<'_, Result<String, auth::Fault>> {
        Box::pin(async move {
            let identity = self
                .identity
                .get_or_try_init(|| async { self.client.health().await.map(|health| health.identity) })
                .await
                .map_err(|fault| auth::Fault::Appliance(Box::new(fault)))?;
            Ok(identity.clone())
        })
    }

    fn challenge(&self) -> Pending<'_, Result<String, auth::Fault>> {
        Box::pin(async move {
            let asked = async {
                let body = serde_json::json!({ "uuid": self.principal.uuid });
                let call = Call::post("/api/v1/courier/auth/challenge", &body)?.repeatable();
                let challenge: Challenge = self.client.perform(&call).await?.json()?;
                Ok(challenge.nonce)
            };
            asked
                .await
                .map_err(|fault: Fault| auth::Fault::Appliance(Box::new(fault)))
        })
    }
}
