//! One request: looked at, read, attested, forwarded.

use std::convert::Infallible;
use std::net::IpAddr;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use http::request::Parts;
use http::{Method, Request, Response, Uri, Version};
use http_body_util::{BodyExt as _, Either, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};

use super::{Terminate, headers, path};
use crate::clock;
use crate::fault::Fault;
use crate::identity::Attested;

/// What is answered: the appliance's answer as it comes, or one of ours.
type Answer = Response<Either<Incoming, Full<Bytes>>>;

/// All that couriers, and clients of ACME, ask with.
const METHODS: [Method; 3] = [Method::GET, Method::HEAD, Method::POST];

impl Terminate {
    /// Answers one request.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        client: IpAddr,
    ) -> Result<Answer, Infallible> {
        let method = request.method().clone();
        let path: String = request.uri().path().chars().take(200).collect();
        let (answer, outcome) = match self.forward(request, client).await {
            Ok(answer) => (answer.map(Either::Left), "forwarded"),
            Err(fault) => (refusal(fault), fault.outcome),
        };
        self.metrics.request(outcome);
        tracing::info!(%client, %method, path, status = answer.status().as_u16(), outcome, "answered");
        Ok(answer)
    }

    async fn forward(&self, request: Request<Incoming>, client: IpAddr) -> Result<Response<Incoming>, Fault> {
        self.rate
            .count(client)
            .map_err(|wait| Fault::limited(wait.as_secs()))?;
        let (mut head, body) = request.into_parts();
        let (host, target) = self.look_at(&head)?;
        let body = self.read(body).await?;
        let at_work = self.shared.at_work().ok_or(Fault::BROKEN)?;
        let attested = Attested {
            client,
            method: head.method.as_str(),
            host: &host,
            target: &target,
            body: &body,
        };
        let assertion = at_work
            .identity
            .attest(&attested, clock::now())
            .ok_or(Fault::BROKEN)?;
        let assertion = HeaderValue::from_str(&assertion).map_err(|_| Fault::BROKEN)?;
        headers::strip_request(&mut head.headers);
        headers::tell_origin(&mut head.headers, client, &host);
        // As it is attested, also where the client named it in `Connection`.
        let told = HeaderValue::from_str(&host).map_err(|_| Fault::BAD_REQUEST)?;
        head.headers.insert(HOST, told);
        head.headers.insert(courier_wire::ASSERTION_HEADER, assertion);
        let uri = format!("{}{target}", self.shared.appliance.base());
        head.uri = uri.parse::<Uri>().map_err(|_| Fault::BAD_REQUEST)?;
        head.version = Version::HTTP_11;
        head.extensions.clear();
        let asked = at_work
            .speaker
            .request(Request::from_parts(head, Full::new(body)));
        let answered = tokio::time::timeout(self.limits.answer_timeout, asked).await;
        let answered = answered.map_err(|_| Fault::UNANSWERED)?;
        let mut answer = answered.map_err(|error| {
            let error = crate::upstream::with_causes(&error);
            tracing::warn!(error, "the appliance cannot be reached");
            Fault::UNREACHABLE
        })?;
        headers::strip_hop(answer.headers_mut());
        Ok(answer)
    }

    /// Host and target of a request that is forwarded.
    fn look_at(&self, head: &Parts) -> Result<(String, String), Fault> {
        let mut hosts = head.headers.get_all(HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => host.to_str().map_err(|_| Fault::BAD_REQUEST)?,
            _ => return Err(Fault::BAD_REQUEST),
        };
        let is_host = |octet: u8| octet.is_ascii_alphanumeric() || b"-._:[]".contains(&octet);
        // RFC 9112 §3.2.2: an address with an authority is for a proxy that it is sent through.
        if host.is_empty() || !host.bytes().all(is_host) || head.uri.authority().is_some() {
            return Err(Fault::BAD_REQUEST);
        }
        if !is_framed_plainly(&head.headers) {
            return Err(Fault::BAD_REQUEST);
        }
        if !path::is_forwarded(head.uri.path(), self.has_acme) {
            return Err(Fault::NOT_FOUND);
        }
        if !METHODS.contains(&head.method) {
            return Err(Fault::METHOD);
        }
        let target = head.uri.path_and_query().ok_or(Fault::BAD_REQUEST)?;
        Ok((host.to_owned(), target.as_str().to_owned()))
    }

    /// The whole body. What is declared too long is refused before it is sent.
    async fn read(&self, body: Incoming) -> Result<Bytes, Fault> {
        let most = u64::try_from(self.limits.body).unwrap_or(u64::MAX);
        if body.size_hint().lower() > most {
            return Err(Fault::TOO_LARGE);
        }
        let read = Limited::new(body, self.limits.body).collect();
        let read = tokio::time::timeout(self.limits.body_timeout, read).await;
        match read.map_err(|_| Fault::TOO_SLOW)? {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(Fault::TOO_LARGE),
            Err(_) => Err(Fault::BAD_REQUEST),
        }
    }
}

/// Whether a body comes as it is, whole or in chunks: any other coding would be forwarded without the word that tells of it
/// (RFC 9112 §6.1).
fn is_framed_plainly(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    }
}

/// A request whose body was not read to its end leaves a connection that is worth nothing more.
fn refusal(fault: Fault) -> Answer {
    let mut answer = fault.answer().map(Either::Right);
    answer
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}
