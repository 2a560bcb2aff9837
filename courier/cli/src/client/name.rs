//! The name that a server is told and verified with, where it is not the host of its URL.
//!
//! The HTTP client takes that name from the URL. So it is asked for a URL with the name, finds the address of the real host under it, and
//! tells the real host in the header of that name.

use std::net::{IpAddr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::Fault;

/// One address of the appliance.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    /// As the settings have it: what proofs and messages name.
    pub(super) shown: Url,
    /// As the HTTP client is asked for it.
    pub(super) asked: Url,
    /// The header `Host`, where the client would tell another.
    pub(super) host: Option<String>,
}

impl Endpoint {
    /// An endpoint, legal to speak to: HTTPS, or HTTP on this machine.
    pub(super) fn new(url: &Url, server_name: Option<&str>) -> Result<Self, Fault> {
        if !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some()
        {
            return Err(Fault::Setting(
                "base_url and fallback_urls have neither user nor query nor fragment".to_owned(),
            ));
        }
        let is_plain = url.scheme() == "http" && is_loopback(url);
        if url.scheme() != "https" && !is_plain {
            return Err(Fault::Setting(format!("{url} is not https")));
        }
        let mut asked = url.clone();
        let mut host = None;
        if let Some(name) = server_name.filter(|_| !is_plain) {
            host = url.host_str().map(|host| match url.port() {
                Some(port) => format!("{host}:{port}"),
                None => host.to_owned(),
            });
            asked
                .set_host(Some(name))
                .map_err(|_| Fault::Setting("tls_server_name is no name of a host".to_owned()))?;
        }
        Ok(Self {
            shown: url.clone(),
            asked,
            host,
        })
    }

    /// The URLs of a path below it: the one that is shown, and the one that is asked.
    pub(super) fn at(&self, path: &str) -> Result<(String, Url), Fault> {
        let below = |url: &Url| format!("{}{path}", url.as_str().trim_end_matches('/'));
        let asked =
            Url::parse(&below(&self.asked)).map_err(|_| Fault::Setting(format!("{path} is no path")))?;
        Ok((below(&self.shown), asked))
    }
}

/// Finds the real host under the name.
pub(super) struct Alias {
    /// The real host.
    pub(super) host: String,
}

impl Resolve for Alias {
    fn resolve(&self, _name: Name) -> Resolving {
        let host = self.host.clone();
        Box::pin(async move {
            let bare = host.trim_start_matches('[').trim_end_matches(']');
            if let Ok(address) = bare.parse::<IpAddr>() {
                return Ok(Box::new(std::iter::once(SocketAddr::new(address, 0))) as Addrs);
            }
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
