//! `GET /.well-known/pki/ca/{issuer}`: the certificate of an issuer in DER (RFC 5280 §4.2.2.1), or in PEM when asked.

use ca::{Authority, IssuerEntry};
use http::header::ACCEPT;
use http::{Request, StatusCode};
use hyper::body::Incoming;

use crate::conditional::{Cacheable, etag};
use crate::public::{Answer, plain};

pub(crate) fn answer(authority: &Authority, issuer: &IssuerEntry, request: &Request<Incoming>) -> Answer {
    let Some(certificate) = &issuer.certificate else {
        return plain(StatusCode::NOT_FOUND, "This issuer waits for its certificate.\n");
    };
    let digest = certificate.fingerprint_sha256();
    let (body, media_type, etag) = if wants_pem(request) {
        (certificate.pem().into(), "application/x-pem-file", etag(&digest).replacen('"', "\"pem-", 1))
    } else {
        (certificate.der().to_vec().into(), "application/pkix-cert", etag(&digest))
    };
    Cacheable { body, media_type, etag, modified: certificate.not_before(), expires: None }
        .respond(request.headers(), authority.clock().now())
}

/// Whether a client asks for PEM: by the suffix `.pem`, `?format=pem`, or its Accept header.
pub(crate) fn wants_pem(request: &Request<Incoming>) -> bool {
    let uri = request.uri();
    let by_query = uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "format=pem"));
    let accepts = request.headers().get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    by_query || uri.path().ends_with(".pem") || accepts.into_iter().any(|value| value.contains("pem-file"))
}
