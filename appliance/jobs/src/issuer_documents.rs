//! Documents of those whose tokens couriers show: descriptions of OpenID providers, key sets, bundles of SPIFFE.
//!
//! An address comes from a credential that an operator made, or from the issuer's own description. It is asked by HTTPS, verified by the
//! roots that the operator gives and by nothing else; without TLS only this machine itself is asked.

use std::net::IpAddr;
use std::time::Duration;

use ca::courier::{DocumentFetch, Fetching, MOST_DOCUMENT, RequestSend, Sending, SignedRequest};
use reqwest::header::CONTENT_ENCODING;
use reqwest::{Client, Response, Url};

use crate::web_client::{self, chain};

/// How long an issuer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Fetches documents from whom these roots certify; without roots from this machine alone.
pub fn issuer_documents(roots: Option<&[u8]>) -> Result<DocumentFetch, String> {
    let client = web_client::client(roots)?;
    let has_roots = roots.is_some();
    Ok(DocumentFetch::new(move |address| -> Fetching {
        let client = client.clone();
        Box::pin(async move {
            let url = checked(&address, has_roots)?;
            let fetched = tokio::time::timeout(TIMEOUT, fetch(&client, url)).await;
            fetched.unwrap_or_else(|_| Err("no answer in time".to_owned()))
        })
    }))
}

/// Sends requests that couriers signed, to whom these roots certify; without roots to this machine alone.
pub fn signed_requests(roots: Option<&[u8]>) -> Result<RequestSend, String> {
    let client = web_client::client(roots)?;
    let has_roots = roots.is_some();
    Ok(RequestSend::new(move |request| -> Sending {
        let client = client.clone();
        Box::pin(async move {
            let url = checked(&request.url, has_roots)?;
            let sent = tokio::time::timeout(TIMEOUT, send(&client, url, request)).await;
            sent.unwrap_or_else(|_| Err("no answer in time".to_owned()))
        })
    }))
}

async fn send(client: &Client, url: Url, request: SignedRequest) -> Result<(u16, Vec<u8>), String> {
    let mut sent = client.post(url).body(request.body);
    for (name, value) in &request.headers {
        // The client says the host by itself.
        if name != "host" {
            sent = sent.header(name, value.as_str());
        }
    }
    let answer = sent.send().await;
    let answer = answer.map_err(|error| chain(&error.without_url()))?;
    Ok((answer.status().as_u16(), body(answer).await?))
}

fn checked(address: &str, has_roots: bool) -> Result<Url, String> {
    let url = Url::parse(address).map_err(|error| format!("no address: {error}"))?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_here = host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it has a user in it, who would be sent along".to_owned());
    }
    match url.scheme() {
        "https" if has_roots => Ok(url),
        "https" => Err("couriers.tls_roots names no authorities that may certify it".to_owned()),
        "http" if is_here => Ok(url),
        _ => Err("it is neither https:// nor on this machine".to_owned()),
    }
}

async fn fetch(client: &Client, url: Url) -> Result<Vec<u8>, String> {
    let answer = client.get(url).send().await;
    let answer = answer.map_err(|error| chain(&error.without_url()))?;
    if answer.status() != 200 {
        return Err(format!("it answers {}", answer.status().as_u16()));
    }
    body(answer).await
}

/// The body of an answer, as far as one is taken, and as it was sent.
async fn body(mut answer: Response) -> Result<Vec<u8>, String> {
    if answer.headers().contains_key(CONTENT_ENCODING) {
        return Err("it answers in a coding that nobody asked for".to_owned());
    }
    let too_much = || Err(format!("it answers more than {MOST_DOCUMENT} octets"));
    let fits = |length| usize::try_from(length).is_ok_and(|length| length <= MOST_DOCUMENT);
    if !answer.content_length().is_none_or(fits) {
        return too_much();
    }
    let mut document = Vec::new();
    while let Some(part) = answer
        .chunk()
        .await
        .map_err(|error| chain(&error.without_url()))?
    {
        if document.len() + part.len() > MOST_DOCUMENT {
            return too_much();
        }
        document.extend_from_slice(&part);
    }
    Ok(document)
}

#[cfg(test)]
mod tests {
    use super::checked;

    #[test]
    fn only_https_and_this_machine_are_asked() {
        for (address, has_roots, is_asked) in [
            ("https://idp.example/keys", true, true),
            ("https://idp.example/keys", false, false),
            ("http://127.0.0.1:8080/keys", false, true),
            ("http://[::1]:8080/keys", false, true),
            ("http://idp.example/keys", true, false),
            ("http://localhost/keys", true, false),
            ("http://169.254.169.254/latest", true, false),
            ("https://user:secret@idp.example/keys", true, false),
            ("https://user@idp.example/keys", true, false),
            ("http://:secret@127.0.0.1:8080/keys", true, false),
            ("file:///etc/passwd", true, false),
            ("nonsense", true, false),
        ] {
            assert_eq!(checked(address, has_roots).is_ok(), is_asked, "{address}");
        }
    }
}
