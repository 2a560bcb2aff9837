//! `GET /.well-known/pki/crl/{issuer}`: the CRL of an issuer in DER (RFC 5280 §4.2.1.13, RFC 2585), or in PEM when asked.

use ca::{Authority, IssuerEntry};
use http::{Request, StatusCode};
use hyper::body::Incoming;

use crate::ca_certificate::wants_pem;
use crate::conditional::Cacheable;
use crate::public::{Answer, plain};

pub(crate) fn answer(authority: &Authority, issuer: &IssuerEntry, request: &Request<Incoming>) -> Answer {
    let Some(crl) = authority.current_crl(issuer.id) else {
        return plain(StatusCode::NOT_FOUND, "This issuer has not published a CRL yet.\n");
    };
    let (body, media_type, etag) = if wants_pem(request) {
        let pem = pki::pem::encode("X509 CRL", &crl.der);
        (pem.into(), "application/x-pem-file", crl.etag.replacen('"', "\"pem-", 1))
    } else {
        (crl.der.clone(), "application/pkix-crl", crl.etag.clone())
    };
    Cacheable { body, media_type, etag, modified: crl.this_update, expires: Some(crl.next_update) }
        .respond(request.headers(), authority.clock().now())
}
