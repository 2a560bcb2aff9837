//! HTTPS to those whom the operator names: verified by the roots he gives and by nothing else, followed nowhere, past every proxy.

use std::fmt::Write as _;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client};

/// A client; without roots it reaches loopback addresses without TLS alone.
pub(crate) fn client(roots: Option<&[u8]>) -> Result<Client, String> {
    let roots = match roots {
        Some(pem) => {
            let roots = Certificate::from_pem_bundle(pem);
            let roots = roots.map_err(|error| format!("tls_roots: {}", chain(&error)))?;
            if roots.is_empty() {
                return Err("tls_roots: no certificate in it".to_owned());
            }
            roots
        }
        None => Vec::new(),
    };
    let builder = Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(Duration::from_secs(10))
        .tls_certs_only(roots);
    builder.build().map_err(|error| chain(&error))
}

/// An error with what it is due to.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(one) = cause {
        let _ = write!(text, ": {one}");
        cause = one.source();
    }
    text
}
