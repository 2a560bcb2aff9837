//! The public listener: plain HTTP for relying parties, without a router.
//!
//! Paths (all under `/.well-known/pki/`): `crl/{issuer}`, `ocsp/{issuer}[/…]`, `ca/{issuer}`. The issuer is named by its
//! identifier or its name. What these serve is signed, so plain HTTP is right: RFC 5280 §8 warns of the loops HTTPS makes.

use std::sync::Arc;

use bytes::Bytes;
use ca::{Authority, IssuerEntry};
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::metrics::HttpMetrics;
use crate::settings::Limits;
use crate::{ca_certificate, crl, ocsp};

const PREFIX: &str = "/.well-known/pki/";

/// An answer of this listener.
pub(crate) type Answer = Response<Full<Bytes>>;

/// What the public listener answers with.
#[derive(Clone, Debug)]
pub(crate) struct Public {
    pub(crate) authority: Authority,
    pub(crate) limits: Limits,
    metrics: Arc<HttpMetrics>,
}

impl Public {
    pub(crate) fn new(authority: Authority, metrics: Arc<HttpMetrics>, limits: Limits) -> Self {
        Self { authority, limits, metrics }
    }

    /// Answers one request; there is always an answer.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Answer {
        let timed = self.metrics.begin("public");
        let method = request.method().clone();
        let (route, mut answer) = self.route(request).await;
        if method == Method::HEAD {
            *answer.body_mut() = Full::default();
        }
        let name = if [Method::GET, Method::HEAD, Method::POST].contains(&method) { method.as_str() } else { "other" };
        timed.end(route, name, answer.status().as_u16());
        answer
    }

    async fn route(&self, request: Request<Incoming>) -> (&'static str, Answer) {
        let path = request.uri().path();
        if path == "/healthz" {
            return ("healthz", plain(StatusCode::OK, "ok\n"));
        }
        let Some(rest) = path.strip_prefix(PREFIX) else { return ("none", not_found()) };
        let (service, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let (issuer, rest) = rest.split_once('/').map_or((rest, None), |(issuer, rest)| (issuer, Some(rest)));
        match (service, rest) {
            ("ocsp", rest) => {
                let rest = rest.map(ToOwned::to_owned);
                let Some(issuer) = self.issuer(issuer) else { return ("ocsp", not_found()) };
                ("ocsp", ocsp::answer(self, &issuer, rest.as_deref(), request).await)
            }
            ("crl", None) => ("crl", self.get(&request, issuer, crl::answer)),
            ("ca", None) => ("ca", self.get(&request, issuer, ca_certificate::answer)),
            _ => ("none", not_found()),
        }
    }

    fn get(
        &self,
        request: &Request<Incoming>,
        issuer: &str,
        answer: fn(&Authority, &IssuerEntry, &Request<Incoming>) -> Answer,
    ) -> Answer {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return not_allowed("GET, HEAD");
        }
        match self.issuer(strip_suffix(issuer)) {
            Some(issuer) => answer(&self.authority, &issuer, request),
            None => not_found(),
        }
    }

    fn issuer(&self, key: &str) -> Option<Arc<IssuerEntry>> {
        self.authority.issuer(key).ok()
    }
}

/// File name suffixes that some clients and proxies want to see.
fn strip_suffix(issuer: &str) -> &str {
    [".crl", ".crt", ".cer", ".der", ".pem"].iter().find_map(|suffix| issuer.strip_suffix(suffix)).unwrap_or(issuer)
}

/// A short text for people.
pub(crate) fn plain(status: StatusCode, text: &'static str) -> Answer {
    let mut answer = Response::new(Full::from(text));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

pub(crate) fn not_found() -> Answer {
    plain(StatusCode::NOT_FOUND, "There is nothing at this address.\n")
}

pub(crate) fn not_allowed(methods: &'static str) -> Answer {
    let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "This method is not allowed at this address.\n");
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    answer
}
