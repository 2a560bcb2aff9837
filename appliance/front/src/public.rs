//! The public listener: plain HTTP for relying parties, without a router.
//!
//! Paths (all under `/.well-known/pki/`): `crl/{issuer}[/{shard}][/delta]`, `ocsp/{issuer}[/…]`, `ca/{issuer}`. The issuer is named by its
//! identifier or its name. What these serve is signed, so plain HTTP is right: RFC 5280 §8 warns of the loops HTTPS makes.

use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use ca::{Authority, IssuerEntry};
use futures_util::future::Either;
use http::header::{ALLOW, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::ca_certificate::CaFiles;
use crate::metrics::{PublicMetrics, Route};
use crate::public_body::PublicBody;
use crate::settings::Limits;
use crate::turns::Turns;
use crate::{crl, limits, ocsp};

const PREFIX: &str = "/.well-known/pki/";

/// An answer of this listener.
pub(crate) type Answer = Response<Full<Bytes>>;

/// An answer that is there already, or one that is waited for.
pub(crate) type Answering =
    Either<Ready<Response<PublicBody>>, Pin<Box<dyn Future<Output = Response<PublicBody>> + Send>>>;

/// What the public listener answers with.
#[derive(Debug)]
pub(crate) struct Public {
    pub(crate) authority: Authority,
    pub(crate) limits: Limits,
    pub(crate) ca_files: CaFiles,
    pub(crate) turns: Turns,
    metrics: PublicMetrics,
}

impl Public {
    pub(crate) fn new(authority: Authority, metrics: PublicMetrics, limits: Limits) -> Self {
        Self {
            authority,
            limits,
            ca_files: CaFiles::default(),
            turns: Turns::default(),
            metrics,
        }
    }

    /// Answers one request; there is always an answer. Of an answer to HEAD hyper sends the head alone.
    ///
    /// What is at hand is there when this returns: nothing is put on the heap or moved about for what does not wait.
    pub(crate) fn answer(self: &Arc<Self>, request: Request<Incoming>, peer: SocketAddr) -> Answering {
        let began = Instant::now();
        if let Some(answer) = self.at_hand(&request) {
            self.note(began, Route::Ocsp, request.method(), request.uri(), &answer, peer);
            return Either::Left(ready(answer.map(PublicBody::from)));
        }
        let public = Arc::clone(self);
        let (head, mut body) = request.into_parts();
        Either::Right(Box::pin(async move {
            let _in_flight = public.metrics.begin();
            let (route, answer) = if limits::names_one_host(&head.headers, head.version) {
                public.route(&head, &mut body).await
            } else {
                let text = "A request of HTTP/1.1 has one Host header (RFC 9112 §3.2).\n";
                let answer = plain(StatusCode::BAD_REQUEST, text);
                (Route::Nowhere, answer.map(PublicBody::from))
            };
            public.note(began, route, &head.method, &head.uri, &answer, peer);
            answer
        }))
    }

    /// Counts an answered request.
    fn note<B>(
        &self,
        began: Instant,
        route: Route,
        method: &Method,
        uri: &Uri,
        answer: &Response<B>,
        peer: SocketAddr,
    ) {
        let (took, status) = (began.elapsed(), answer.status());
        self.turns.asked();
        self.metrics.count(took, route, method, status);
        tracing::debug!(
            %peer, %method, path = uri.path(), status = status.as_u16(),
            took_us = took.as_micros(), "public request",
        );
    }

    fn at_hand<B>(&self, request: &Request<B>) -> Option<Answer> {
        if *request.method() == Method::POST {
            return None;
        }
        let Place::Ocsp { issuer, rest } = Place::of(request.uri().path()) else {
            return None;
        };
        limits::names_one_host(request.headers(), request.version())
            .then(|| ocsp::at_hand(self, issuer, rest, request.method(), request.headers()))
            .flatten()
    }

    async fn route(&self, head: &Parts, body: &mut Incoming) -> (Route, Response<PublicBody>) {
        let (route, answer) = match Place::of(head.uri.path()) {
            Place::Healthz => (Route::Healthz, get(head, || plain(StatusCode::OK, "ok\n"))),
            Place::Ocsp { issuer, rest } => (Route::Ocsp, ocsp::answer(self, issuer, rest, head, body).await),
            Place::Crl { issuer, part } => {
                return (Route::Crl, get(head, || crl::answer(self, issuer, part, head)));
            }
            Place::Ca(issuer) => (Route::Ca, get(head, || self.ca_files.answer(self, issuer, head))),
            Place::Nowhere => (Route::Nowhere, not_found()),
        };
        (route, answer.map(PublicBody::from))
    }

    pub(crate) fn issuer(&self, key: &str) -> Option<Arc<IssuerEntry>> {
        self.authority.issuer(key).ok()
    }
}

/// What a path stands for; `rest` is what is behind the issuer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place<'a> {
    Healthz,
    Ocsp { issuer: &'a str, rest: Option<&'a str> },
    Crl { issuer: &'a str, part: crl::Part },
    Ca(&'a str),
    Nowhere,
}

impl<'a> Place<'a> {
    pub(crate) fn of(path: &'a str) -> Self {
        if path == "/healthz" {
            return Self::Healthz;
        }
        let Some(rest) = path.strip_prefix(PREFIX) else {
            return Self::Nowhere;
        };
        let (service, rest) = cut(rest);
        let (issuer, rest) = cut(rest.unwrap_or_default());
        match (service, rest) {
            ("ocsp", rest) => Self::Ocsp { issuer, rest },
            ("crl", rest) => crl::Part::of(rest).map_or(Self::Nowhere, |part| Self::Crl { issuer, part }),
            ("ca", None) => Self::Ca(issuer),
            _ => Self::Nowhere,
        }
    }
}

/// What is before the first slash, and what is behind it. The search for a `char` costs several times as much.
fn cut(path: &str) -> (&str, Option<&str>) {
    let slash = path.bytes().position(|octet| octet == b'/');
    let parts = slash.and_then(|at| Some((path.get(..at)?, path.get(at + 1..)?)));
    parts.map_or((path, None), |(before, behind)| (before, Some(behind)))
}

fn get<B: From<Full<Bytes>>>(head: &Parts, answer: impl FnOnce() -> Response<B>) -> Response<B> {
    if head.method == Method::GET || head.method == Method::HEAD {
        answer()
    } else {
        not_allowed("GET, HEAD").map(B::from)
    }
}

/// A short text for people.
pub(crate) fn plain(status: StatusCode, text: &'static str) -> Answer {
    let mut answer = Response::new(Full::from(text));
    *answer.status_mut() = status;
    answer.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    answer
}

pub(crate) fn not_found() -> Answer {
    plain(StatusCode::NOT_FOUND, "There is nothing at this address.\n")
}

pub(crate) fn not_allowed(methods: &'static str) -> Answer {
    let mut answer = plain(
        StatusCode::METHOD_NOT_ALLOWED,
        "This method is not allowed at this address.\n",
    );
    answer
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(methods));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stands_for_one_place() {
        let place = |rest: &'static str| Place::of(rest);
        assert_eq!(place("/healthz"), Place::Healthz);
        let crl = |issuer, shard| Place::Crl {
            issuer,
            part: crl::Part {
                shard,
                is_delta: false,
            },
        };
        let delta = |issuer, shard| Place::Crl {
            issuer,
            part: crl::Part {
                shard,
                is_delta: true,
            },
        };
        assert_eq!(place("/.well-known/pki/crl/root/delta"), delta("root", None));
        assert_eq!(
            place("/.well-known/pki/crl/root/3/delta.crl"),
            delta("root", Some(3))
        );
        assert_eq!(place("/.well-known/pki/crl/root.crl"), crl("root.crl", None));
        assert_eq!(place("/.well-known/pki/crl/root/12"), crl("root", Some(12)));
        assert_eq!(place("/.well-known/pki/crl/root/0.crl"), crl("root", Some(0)));
        assert_eq!(place("/.well-known/pki/ca/root"), Place::Ca("root"));
        let ocsp = |issuer, rest| Place::Ocsp { issuer, rest };
        assert_eq!(place("/.well-known/pki/ocsp/root"), ocsp("root", None));
        assert_eq!(place("/.well-known/pki/ocsp/root/"), ocsp("root", Some("")));
        assert_eq!(
            place("/.well-known/pki/ocsp/root/MEI/a=="),
            ocsp("root", Some("MEI/a=="))
        );
        for nowhere in [
            "/",
            "/.well-known/pki/crl/root/x",
            "/.well-known/pki/crl/root/",
            "/.well-known/pki/crl/root/01",
            "/.well-known/pki/crl/root/+1",
            "/.well-known/pki/crl/root/1/2",
            "/.well-known/pki/est/root",
            "/healthz/",
        ] {
            assert_eq!(place(nowhere), Place::Nowhere);
        }
    }
}
