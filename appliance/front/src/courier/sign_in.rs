//! Signing in and out, and what the appliance says of itself.

use axum::Json;
use axum::extract::State;
use ca::courier::{Authentication, ClientFacts, CourierSession, Method, Shown, SignedRequest};
use courier_wire::{
    AuthRequest, Challenge, Courier, Credential, Envelope, Health, Opened, Secret, Session, Verified,
};
use http::StatusCode;
use secrecy::ExposeSecret as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::bearer::SignedIn;
use super::via::{ClientChain, Via};
use crate::api::{App, Peer};
use crate::extract::JsonBody;
use crate::problem::Problem;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(health))
        .routes(routes!(challenge))
        .routes(routes!(open))
        .routes(routes!(verify))
        .routes(routes!(revoke))
}

/// What the appliance says of itself to anybody.
#[utoipa::path(get, path = "/api/v1/health", operation_id = "courierHealth", tag = "courier", security(()),
    responses((status = 200, description = "It is there", body = Health)))]
async fn health(State(app): State<App>) -> Json<Health> {
    let is_ready = app.authority.health().await.is_ready;
    Json(Health {
        status: if is_ready { "ok" } else { "unavailable" }.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        api_versions: vec!["v1".to_owned()],
        server_time: app.authority.clock().now(),
        identity: app.authority.settings().couriers.identity.clone(),
    })
}

/// A challenge to sign: good for a minute, and once.
#[utoipa::path(post, path = "/api/v1/courier/auth/challenge", operation_id = "courierChallenge", tag = "courier", security(()),
    responses((status = 200, description = "A challenge", body = Challenge), (status = 503, description = "Try later", body = Envelope)))]
async fn challenge(State(app): State<App>) -> Result<Json<Challenge>, Problem> {
    let challenge = app.authority.courier_challenge().await?;
    Ok(Json(Challenge {
        success: true,
        nonce: challenge.nonce,
        expires_at: challenge.expires_at,
    }))
}

/// Open a session. Whatever is wrong with the credential is one answer.
#[utoipa::path(post, path = "/api/v1/courier/auth", operation_id = "courierSignIn", tag = "courier", security(()), request_body = AuthRequest,
    responses(
        (status = 200, description = "The session and, this once, its token", body = Opened),
        (status = 401, description = "INVALID_CREDENTIALS, METHOD_NOT_ENABLED, IP_NOT_ALLOWED", body = Envelope),
        (status = 403, description = "COURIER_DISABLED, PROOF_REQUIRED", body = Envelope),
        (status = 422, description = "VALIDATION_ERROR", body = Envelope),
        (status = 426, description = "CLIENT_TOO_OLD", body = Envelope),
        (status = 429, description = "RATE_LIMITED; `Retry-After` says when to try again", body = Envelope),
    ))]
async fn open(
    State(app): State<App>,
    peer: Option<axum::Extension<Peer>>,
    via: Option<axum::Extension<Via>>,
    chain: Option<axum::Extension<ClientChain>>,
    JsonBody(body): JsonBody<AuthRequest>,
) -> Result<Json<Opened>, Problem> {
    let client = body.client.unwrap_or_default();
    let known = |text: String| Some(text).filter(|text| !text.is_empty());
    let authentication = Authentication {
        courier: Uuid::try_parse(&body.uuid).map_err(|_| wrong("uuid", "is no UUID"))?,
        shown: shown(&body.method, body.credential, chain.map(|chain| chain.0))?,
        proof_key: body.proof_key,
        address: peer.map(|peer| peer.0.0.ip()),
        via: via.map(|via| via.0.0.bridge),
        client: ClientFacts {
            version: known(client.version),
            hostname: known(client.hostname),
        },
    };
    let opened = app.authority.authenticate_courier(authentication).await?;
    let token = Secret::from(opened.token.expose_secret().to_owned());
    Ok(Json(Opened {
        success: true,
        courier: courier(&opened.session),
        session: Session {
            token: Some(token),
            ..session(&app, &opened.session)
        },
    }))
}

/// How session and record stand.
#[utoipa::path(get, path = "/api/v1/courier/auth/verify", operation_id = "courierVerify", tag = "courier", security(("session" = [])),
    responses((status = 200, description = "They are good", body = Verified)))]
async fn verify(State(app): State<App>, SignedIn(own): SignedIn) -> Json<Verified> {
    Json(Verified {
        success: true,
        courier: courier(&own),
        method: own.method.name().to_owned(),
        session: session(&app, &own),
    })
}

/// End the session.
#[utoipa::path(post, path = "/api/v1/courier/auth/revoke", operation_id = "courierSignOut", tag = "courier", security(("session" = [])),
    responses((status = 204, description = "It has ended")))]
async fn revoke(State(app): State<App>, SignedIn(own): SignedIn) -> Result<StatusCode, Problem> {
    app.authority.end_courier_session(&own).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) fn courier(session: &CourierSession) -> Courier {
    Courier {
        uuid: session.courier.id.to_string(),
        name: session.courier.name.clone(),
        status: session.courier.status.to_string(),
    }
}

fn session(app: &App, session: &CourierSession) -> Session {
    let left = session.expires_at.duration_since(app.authority.clock().now());
    Session {
        token: None,
        token_type: if session.thumbprint.is_some() {
            "DPoP"
        } else {
            "Bearer"
        }
        .to_owned(),
        expires_at: session.expires_at,
        expires_in: left.as_secs().max(0),
    }
}

/// What a method shows, from the members that it has.
fn shown(method: &str, credential: Credential, chain: Option<ClientChain>) -> Result<Shown, Problem> {
    let method: Method = method
        .parse()
        .map_err(|_| wrong("method", "is no method of authentication"))?;
    let text = |name: &'static str, secret: Option<Secret>| {
        let secret = secret.ok_or_else(|| wrong(name, "is missing"))?;
        Ok::<_, Problem>(Zeroizing::new(secret.expose().to_owned()))
    };
    Ok(match method {
        Method::ClientSecret => Shown::Secret {
            client_id: credential
                .client_id
                .ok_or_else(|| wrong("credential.client_id", "is missing"))?,
            secret: text("credential.client_secret", credential.client_secret)?,
        },
        Method::Certificate if credential.challenge_jws.is_none() => {
            let ClientChain(chain) = chain.ok_or_else(|| {
                let missing = "is missing, and the connection shows no certificate: either there is none to show, \
                               TLS ends before the appliance, or `couriers.client_certificates` is off";
                wrong("credential.challenge_jws", missing)
            })?;
            Shown::TlsCertificate(chain.to_vec())
        }
        Method::Certificate => {
            Shown::Certificate(text("credential.challenge_jws", credential.challenge_jws)?)
        }
        Method::Spiffe if credential.svid_type.as_deref() == Some("x509") => {
            Shown::SpiffeCertificate(text("credential.challenge_jws", credential.challenge_jws)?)
        }
        Method::Spiffe => Shown::SpiffeToken(text("credential.token", credential.token)?),
        Method::AzureArc => Shown::Token {
            method,
            token: text("credential.access_token", credential.access_token)?,
            tenant_id: credential.tenant_id,
            resource: credential.resource,
            role_arn: None,
        },
        Method::AwsOidc if credential.signed_request.is_some() => {
            let request = credential.signed_request.map(|request| SignedRequest {
                method: request.method,
                url: request.url,
                headers: request
                    .headers
                    .into_iter()
                    .map(|(name, value)| (name, Zeroizing::new(value.expose().to_owned())))
                    .collect(),
                body: request.body,
            });
            Shown::SignedRequest(request.ok_or_else(|| wrong("credential.signed_request", "is missing"))?)
        }
        Method::AzureJwt | Method::AwsOidc | Method::OidcJwt => Shown::Token {
            method,
            token: text("credential.token", credential.token)?,
            tenant_id: credential.tenant_id,
            resource: None,
            role_arn: credential.role_arn,
        },
    })
}

/// A member that is wrong.
pub(super) fn wrong(field: &str, problem: &str) -> Problem {
    let details = serde_json::json!([{ "field": field, "problem": problem }]);
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "validation_error",
        format!("{field} {problem}"),
    )
    .with_details(details)
}
