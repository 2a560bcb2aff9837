//! `GET /.well-known/pki/ca/{issuer}`: the certificate of an issuer in DER (RFC 5280 §4.2.2.1), or in PEM when asked.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use ca::IssuerEntry;
use http::header::{ACCEPT, VARY};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use jiff::Timestamp;
use uuid::Uuid;

use crate::conditional::{Cacheable, etag};
use crate::public::{Answer, Public, not_found, plain};

/// The certificates of the issuers in the forms they are served in. An issuer is one certificate, which does not change
/// once it is there, so each is made once.
#[derive(Debug, Default)]
pub(crate) struct CaFiles {
    made: ArcSwap<HashMap<Uuid, Arc<CaFile>>>,
}

#[derive(Debug)]
struct CaFile {
    der: Bytes,
    der_etag: String,
    pem: Bytes,
    pem_etag: String,
    modified: Timestamp,
}

/// The forms of a certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Form {
    Der,
    Pem,
}

impl CaFiles {
    /// The answer for the issuer of this path segment.
    pub(crate) fn answer(&self, public: &Public, segment: &str, head: &Parts) -> Answer {
        let (key, form) = asked(segment, head);
        let Some(issuer) = public.issuer(key) else {
            return not_found();
        };
        let Some(file) = self.file(&issuer) else {
            return plain(StatusCode::NOT_FOUND, "This issuer waits for its certificate.\n");
        };
        let (body, media_type, etag) = match form {
            Form::Der => (&file.der, "application/pkix-cert", &file.der_etag),
            Form::Pem => (&file.pem, "application/x-pem-file", &file.pem_etag),
        };
        let answer = Cacheable {
            body: body.clone(),
            media_type,
            etag,
            modified: file.modified,
            expires: None,
        };
        let mut answer = answer.respond(&head.method, &head.headers, public.authority.clock().now());
        answer
            .headers_mut()
            .insert(VARY, HeaderValue::from_static("accept"));
        answer
    }

    fn file(&self, issuer: &IssuerEntry) -> Option<Arc<CaFile>> {
        if let Some(file) = self.made.load().get(&issuer.id) {
            return Some(Arc::clone(file));
        }
        let certificate = issuer.certificate.as_ref()?;
        let der_etag = etag(&certificate.fingerprint_sha256());
        let file = Arc::new(CaFile {
            der: Bytes::copy_from_slice(certificate.der()),
            pem: certificate.pem().into(),
            pem_etag: der_etag.replacen('"', "\"pem-", 1),
            der_etag,
            modified: certificate.not_before(),
        });
        self.made.rcu(|made| {
            let mut made = HashMap::clone(made);
            made.insert(issuer.id, Arc::clone(&file));
            made
        });
        Some(file)
    }
}

/// The issuer in a path segment, and the form that is asked for: by the suffix, else by the query, else by the headers.
pub(crate) fn asked<'a>(segment: &'a str, head: &Parts) -> (&'a str, Form) {
    let (key, by_suffix) = split_suffix(segment);
    let form = by_suffix
        .or_else(|| asked_by_query(head))
        .unwrap_or_else(|| accepted(head));
    (key, form)
}

/// A path segment without the file name suffix that some clients want to see, and the form the suffix stands for.
fn split_suffix(segment: &str) -> (&str, Option<Form>) {
    let suffixes = [
        (".der", Form::Der),
        (".crt", Form::Der),
        (".cer", Form::Der),
        (".pem", Form::Pem),
    ];
    let found = suffixes
        .into_iter()
        .find_map(|(suffix, form)| Some((segment.strip_suffix(suffix)?, form)));
    found.map_or((segment, None), |(key, form)| (key, Some(form)))
}

fn asked_by_query(head: &Parts) -> Option<Form> {
    head.uri.query()?.split('&').find_map(|pair| match pair {
        "format=pem" => Some(Form::Pem),
        "format=der" => Some(Form::Der),
        _ => None,
    })
}

fn accepted(head: &Parts) -> Form {
    let mut accepted = head
        .headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let is_pem = accepted.any(|value| {
        value.contains("application/x-pem-file") || value.contains("application/pem-certificate-chain")
    });
    if is_pem { Form::Pem } else { Form::Der }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(uri: &str, accept: &str) -> Parts {
        let request = http::Request::builder().uri(uri).header(ACCEPT, accept).body(());
        request.unwrap_or_default().into_parts().0
    }

    #[test]
    fn the_form_is_asked_for_in_three_ways() {
        assert_eq!(split_suffix("root.pem"), ("root", Some(Form::Pem)));
        assert_eq!(split_suffix("root.crt"), ("root", Some(Form::Der)));
        assert_eq!(split_suffix("root"), ("root", None));
        assert_eq!(asked_by_query(&head("/x?a=b&format=pem", "*/*")), Some(Form::Pem));
        assert_eq!(asked_by_query(&head("/x?format=jks", "*/*")), None);
        assert_eq!(
            accepted(&head("/x", "text/html, application/x-pem-file")),
            Form::Pem
        );
        assert_eq!(accepted(&head("/x", "*/*")), Form::Der);
    }
}
