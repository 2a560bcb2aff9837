//! What the bridge asks for itself: its certificate, and whether the appliance is there.

use std::time::Duration;

use bytes::Bytes;
use courier_wire::{BridgeCertificate, BridgeHeartbeat, BridgeStanding, Envelope};
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Appliance, Speaker};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long it may take to say that it is there.
const LOOK: Duration = Duration::from_secs(5);
/// Longest answer, in octets.
const MAX_ANSWER: usize = 256 * 1024;

/// Why the appliance did not give what was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ExchangeFault {
    /// It cannot be reached.
    #[error("the appliance cannot be reached: {0}")]
    Unreachable(String),
    /// It says no.
    #[error("the appliance refuses: {message} ({code})")]
    Refused {
        /// Its code.
        code: String,
        /// Its sentence.
        message: String,
    },
    /// It says something that is not understood.
    #[error("the answer of the appliance is not understood: {0}")]
    Malformed(String),
}

/// Asks for a certificate.
pub(crate) async fn certificate(
    appliance: &Appliance,
    speaker: &Speaker,
    path: &str,
    body: &impl Serialize,
) -> Result<BridgeCertificate, ExchangeFault> {
    post(appliance, speaker, path, body, PATIENCE).await
}

/// Says that this instance is at work.
pub(crate) async fn heartbeat(
    appliance: &Appliance,
    speaker: &Speaker,
    path: &str,
    beat: &BridgeHeartbeat,
) -> Result<BridgeStanding, ExchangeFault> {
    post(appliance, speaker, path, beat, LOOK).await
}

async fn post<T: DeserializeOwned>(
    appliance: &Appliance,
    speaker: &Speaker,
    path: &str,
    body: &impl Serialize,
    patience: Duration,
) -> Result<T, ExchangeFault> {
    let body = serde_json::to_vec(body).map_err(|fault| ExchangeFault::Malformed(fault.to_string()))?;
    let (status, answer) = exchange(appliance, speaker, Method::POST, path, body, patience).await?;
    if status.is_success() {
        return serde_json::from_slice(&answer).map_err(|fault| ExchangeFault::Malformed(fault.to_string()));
    }
    Err(match serde_json::from_slice::<Envelope>(&answer) {
        Ok(envelope) => ExchangeFault::Refused {
            code: envelope.error.code,
            message: envelope.error.message,
        },
        Err(_) => ExchangeFault::Malformed(format!("status {status}")),
    })
}

/// Whether the appliance says that it is there.
pub(crate) async fn health(appliance: &Appliance, speaker: &Speaker) -> Result<(), ExchangeFault> {
    let asked = exchange(
        appliance,
        speaker,
        Method::GET,
        "/api/v1/health",
        Vec::new(),
        LOOK,
    );
    let (status, _) = asked.await?;
    if status.is_success() {
        Ok(())
    } else {
        Err(ExchangeFault::Malformed(format!("status {status}")))
    }
}

async fn exchange(
    appliance: &Appliance,
    speaker: &Speaker,
    method: Method,
    path: &str,
    body: Vec<u8>,
    patience: Duration,
) -> Result<(StatusCode, Bytes), ExchangeFault> {
    let base = appliance.base();
    let request = Request::builder()
        .method(method)
        .uri(format!("{base}{path}"))
        .header(HOST, base.trim_start_matches("https://"))
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|fault| ExchangeFault::Malformed(fault.to_string()))?;
    let asked = async {
        let answer = speaker
            .request(request)
            .await
            .map_err(|fault| ExchangeFault::Unreachable(with_causes(&fault)))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
        let body = body.map_err(|fault| ExchangeFault::Unreachable(fault.to_string()))?;
        Ok((status, body.to_bytes()))
    };
    tokio::time::timeout(patience, asked)
        .await
        .unwrap_or_else(|_| Err(ExchangeFault::Unreachable("it does not answer".to_owned())))
}

/// An error with what led to it.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
