//! Many certificates in one request: an order a line, an answer a line (NDJSON).
//!
//! The orders are read before the first is carried out, so that a client may send everything before it begins to read; the
//! answers leave as they come, in the order of the orders.

use std::convert::Infallible;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use ca::Principal;
use futures_util::StreamExt as _;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::certificate_body::{CertificateBody, IssueBody};
use super::certificates;
use crate::api::{App, RequestId};
use crate::auth::Caller;
use crate::extract;
use crate::problem::{ErrorText, Problem};

/// Most orders in one request.
const MOST_ORDERS: usize = 1000;
/// Most octets of one request.
const MOST_OCTETS: usize = 16 << 20;
/// Orders of one request that are under way at the same time: what fills the commits of the store and the batches of the
/// signer, and leaves room for others.
const AT_ONCE: usize = 32;

/// What became of the order on one line.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BatchLine {
    /// The line of the order, from 1.
    line: usize,
    /// The certificate, when it was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<CertificateBody>,
    /// Why not, when it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorText>,
}

/// Issue many certificates: an order a line, at most 1000; the answer has a line for each, in the same order.
#[utoipa::path(
    post, path = "/api/v1/certificates/batch", operation_id = "issueCertificates", tag = "certificates",
    request_body(content = IssueBody, content_type = "application/x-ndjson", description = "One such object a line; empty lines are passed over"),
    responses((status = 200, description = "One such object a line", body = BatchLine, content_type = "application/x-ndjson")),
)]
pub(crate) async fn issue_batch(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Caller(caller): Caller,
    request: Request,
) -> Result<Response, Problem> {
    let mut octets = extract::read(request, MOST_OCTETS, app.limits.body_timeout).await?;
    let orders = orders(&Bytes::from(std::mem::take(&mut *octets)));
    if orders.len() > MOST_ORDERS {
        let message = format!("{} orders are more than {MOST_ORDERS}: divide them", orders.len());
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "batch_too_long",
            message,
        ));
    }
    let answers = futures_util::stream::iter(orders)
        .map(move |(line, order)| answer(app.clone(), caller.clone(), id, line, order))
        .buffered(AT_ONCE);
    let mut response = Response::new(Body::from_stream(answers.map(Ok::<_, Infallible>)));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

/// The lines that are not empty, with their numbers.
pub(super) fn orders(octets: &Bytes) -> Vec<(usize, Bytes)> {
    octets
        .split(|octet| *octet == b'\n')
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim_ascii()))
        .filter(|(_, line)| !line.is_empty())
        .map(|(number, line)| (number, octets.slice_ref(line)))
        .collect()
}

async fn answer(app: App, caller: Principal, id: RequestId, line: usize, order: Bytes) -> Bytes {
    let outcome = async {
        let body: IssueBody = extract::parse(&order)?;
        certificates::carry_out(&app, &caller, body).await
    };
    let (certificate, error) = match outcome.await {
        Ok(certificate) => (Some(certificate), None),
        Err(problem) => (None, Some(problem.text(id.0))),
    };
    let told = BatchLine {
        line,
        certificate,
        error,
    };
    let mut text = serde_json::to_vec(&told).unwrap_or_default();
    text.push(b'\n');
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_numbers() {
        let octets = Bytes::from_static(b"{1}\n\n  \r\n{4}\r\n{5}");
        let expected = [(1, "{1}"), (4, "{4}"), (5, "{5}")].map(|(line, text)| (line, Bytes::from(text)));
        assert_eq!(orders(&octets), expected);
        assert_eq!(orders(&Bytes::new()), []);
    }
}
