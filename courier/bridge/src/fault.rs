//! What the bridge itself answers: errors in the envelope that couriers read.

use bytes::Bytes;
use courier_wire::{Envelope, Reasons};
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body_util::Full;
use uuid::Uuid;

/// An answer that is not the appliance's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The status of HTTP.
    pub(crate) status: u16,
    /// The code of the protocol.
    pub(crate) code: &'static str,
    /// One sentence for people.
    pub(crate) message: &'static str,
    /// Whether the same may succeed later, and then after how many seconds.
    pub(crate) retry_after: Option<u64>,
    /// The methods that are taken, where it is about them (RFC 9110 §15.5.6).
    pub(crate) allow: Option<&'static str>,
    /// How the metrics call it.
    pub(crate) outcome: &'static str,
}

impl Fault {
    const fn new(status: u16, code: &'static str, message: &'static str, outcome: &'static str) -> Self {
        Self {
            status,
            code,
            message,
            retry_after: None,
            allow: None,
            outcome,
        }
    }

    /// Nothing that is forwarded.
    pub(crate) const NOT_FOUND: Self =
        Self::new(404, "NOT_FOUND", "the bridge forwards nothing there", "not_found");
    /// Not as HTTP wants it.
    pub(crate) const BAD_REQUEST: Self = Self::new(
        400,
        "MALFORMED_REQUEST",
        "the bridge takes requests with one Host, a path and a body in no coding but `chunked`",
        "bad_request",
    );
    /// Nothing that couriers ask with.
    pub(crate) const METHOD: Self = Self {
        allow: Some("GET, HEAD, POST"),
        ..Self::new(
            405,
            "MALFORMED_REQUEST",
            "the bridge forwards GET, HEAD and POST",
            "bad_request",
        )
    };
    /// A body that is too long.
    pub(crate) const TOO_LARGE: Self =
        Self::new(413, "MALFORMED_REQUEST", "the body is too long", "too_large");
    /// A body that does not come.
    pub(crate) const TOO_SLOW: Self =
        Self::new(408, "BODY_TIMEOUT", "the body did not come in time", "too_slow");
    /// Nothing but CONNECT is served.
    pub(crate) const CONNECT_ONLY: Self = Self {
        allow: Some("CONNECT"),
        ..Self::new(
            405,
            "MALFORMED_REQUEST",
            "the bridge opens tunnels: CONNECT, or TLS to the name of the appliance",
            "bad_request",
        )
    };
    /// A tunnel to somebody else.
    pub(crate) const OTHER_HOST: Self = Self::new(
        403,
        "BRIDGE_TARGET_NOT_ALLOWED",
        "the bridge opens tunnels to its appliance alone",
        "other_host",
    );
    /// The appliance cannot be reached.
    pub(crate) const UNREACHABLE: Self = Self {
        retry_after: Some(5),
        ..Self::new(
            502,
            "BRIDGE_UPSTREAM_UNAVAILABLE",
            "the bridge does not reach the appliance",
            "unreachable",
        )
    };
    /// The appliance says nothing.
    pub(crate) const UNANSWERED: Self = Self {
        retry_after: Some(5),
        ..Self::new(
            504,
            "BRIDGE_UPSTREAM_TIMEOUT",
            "the appliance did not answer the bridge in time",
            "unanswered",
        )
    };
    /// Something of the bridge's own is wrong.
    pub(crate) const BROKEN: Self = Self {
        retry_after: Some(60),
        ..Self::new(
            503,
            "BRIDGE_BROKEN",
            "the bridge cannot sign for the request",
            "broken",
        )
    };

    /// Too many requests.
    pub(crate) const fn limited(seconds: u64) -> Self {
        Self {
            retry_after: Some(if seconds == 0 { 1 } else { seconds }),
            ..Self::new(
                429,
                "RATE_LIMITED",
                "too many requests: try again later",
                "limited",
            )
        }
    }

    /// As an answer.
    pub(crate) fn answer(self) -> Response<Full<Bytes>> {
        let request_id = Uuid::new_v4().to_string();
        let envelope = Envelope {
            success: false,
            error: Reasons {
                code: self.code.to_owned(),
                message: self.message.to_owned(),
                retryable: self.retry_after.is_some(),
                details: Vec::new(),
                request_id,
            },
        };
        let body = serde_json::to_vec(&envelope).unwrap_or_default();
        let mut answer = Response::new(Full::new(Bytes::from(body)));
        *answer.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(methods) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(methods));
        }
        answer
    }
}
