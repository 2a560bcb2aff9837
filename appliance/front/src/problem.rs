//! Errors as the API tells them: the only place that turns the office's words into HTTP.
//!
//! Internal text never leaves; the request id always does, so that the log entry can be found.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use ca::Fault;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// The body of every error.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    /// Always false.
    success: bool,
    error: ErrorText,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorText {
    /// Stable code in snake_case.
    code: String,
    /// One sentence for people.
    message: String,
    /// Whether the same request may succeed later.
    retryable: bool,
    /// More of it, depending on the code; null when there is nothing more.
    details: Value,
    /// The order under which a refusal is recorded: see `GET /api/v1/orders/{id}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<Uuid>,
    /// Stands in the server's log as well.
    request_id: Uuid,
}

/// All that is told of a fault of the server.
const INTERNAL: &str = "Something failed inside the server; its log tells more under this request id.";

/// An error on its way out.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    message: String,
    retryable: bool,
    details: Value,
    order_id: Option<Uuid>,
    retry_after: Option<u64>,
    challenge: Challenge,
}

/// What a caller without a good token is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Challenge {
    /// A token (RFC 6750 §3).
    Bearer,
    /// A token that is bound to a key (RFC 9449 §7.1).
    BoundToken,
    /// Proof of that key.
    Proof,
}

impl Challenge {
    fn header(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer realm=\"chancery\"",
            Self::BoundToken => {
                concat!(
                    "DPoP realm=\"chancery\", error=\"invalid_token\", ",
                    "algs=\"ES256 ES384 ES512 EdDSA RS256 RS384 RS512 PS256 PS384 PS512\""
                )
            }
            Self::Proof => {
                concat!(
                    "DPoP realm=\"chancery\", error=\"invalid_dpop_proof\", ",
                    "algs=\"ES256 ES384 ES512 EdDSA RS256 RS384 RS512 PS256 PS384 PS512\""
                )
            }
        }
    }
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let retryable = status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::REQUEST_TIMEOUT;
        let message = message.into();
        Self {
            status,
            code,
            message,
            retryable,
            details: Value::Null,
            order_id: None,
            retry_after: None,
            challenge: Challenge::Bearer,
        }
    }

    pub(crate) fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(crate) fn unauthenticated(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", message)
    }

    /// A handler ran into a fault of the program; the panic hook has logged it.
    pub(crate) fn panicked() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", INTERNAL)
    }

    pub(crate) fn with_details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }

    /// The same with what a caller is asked for in the place of a token alone.
    pub(crate) fn with_challenge(mut self, challenge: Challenge) -> Self {
        self.challenge = challenge;
        self
    }

    /// The stable code.
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// The same under another code and status, with details that have another form.
    pub(crate) fn retold(mut self, status: StatusCode, code: &'static str, details: Value) -> Self {
        self.status = status;
        self.code = code;
        self.details = details;
        self.order_id = None;
        self
    }

    /// The status of HTTP.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn details(&self) -> &Value {
        &self.details
    }

    /// What is told of it, with the id of its request.
    pub(crate) fn text(self, request_id: Uuid) -> ErrorText {
        ErrorText {
            code: self.code.to_owned(),
            message: self.message,
            retryable: self.retryable,
            details: self.details,
            order_id: self.order_id,
            request_id,
        }
    }

    /// The whole answer, with the id of its request.
    pub(crate) fn render(self, request_id: Uuid) -> Response {
        let (status, retry_after, challenge) = (self.status, self.retry_after, self.challenge);
        let error = self.text(request_id);
        let body = serde_json::to_vec(&ErrorBody {
            success: false,
            error,
        })
        .unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge.header()));
        }
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<ca::Error> for Problem {
    fn from(error: ca::Error) -> Self {
        let (code, retryable, details, order_id) = (
            error.code(),
            error.is_retryable(),
            error.details(),
            error.order_id(),
        );
        let status = match &error {
            ca::Error::Refused(refusal) => match refusal.fault {
                Fault::Requester => StatusCode::BAD_REQUEST,
                Fault::Policy => StatusCode::UNPROCESSABLE_ENTITY,
                Fault::Us => StatusCode::SERVICE_UNAVAILABLE,
            },
            ca::Error::NotFound { .. } => StatusCode::NOT_FOUND,
            ca::Error::Conflict { .. } => StatusCode::CONFLICT,
            ca::Error::Forbidden { .. } => StatusCode::FORBIDDEN,
            ca::Error::Unauthenticated { .. } => StatusCode::UNAUTHORIZED,
            ca::Error::Gone { .. } => StatusCode::GONE,
            ca::Error::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            ca::Error::Overloaded { .. } | ca::Error::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let retry_after = match &error {
            ca::Error::Overloaded { retry_after } | ca::Error::RateLimited { retry_after } => {
                Some(retry_after.as_secs().max(1))
            }
            ca::Error::Unavailable { .. } if retryable => Some(5),
            _ => None,
        };
        let message = if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(%error, "a request met an internal error");
            INTERNAL.to_owned()
        } else {
            error.to_string()
        };
        Self {
            status,
            code,
            message,
            retryable,
            details,
            order_id,
            retry_after,
            challenge: Challenge::Bearer,
        }
    }
}

impl IntoResponse for Problem {
    /// The body is written by the outermost layer, which knows the request's id.
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        response.extensions_mut().insert(self);
        response
    }
}
