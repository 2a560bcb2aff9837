//! Asking an endpoint that gives tokens.
//!
//! Such an endpoint is somebody else's: it is asked over HTTPS, or over HTTP when it is this machine or its link (metadata services);
//! redirects are not followed, since a token must not be fetched from where an answer points to; answers are bounded.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Url};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{Fault, token_file};

/// Longest answer read, in octets.
pub(crate) const MAX_ANSWER_LEN: usize = 64 * 1024;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(30);

/// A question to an endpoint.
pub(crate) struct Question {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<Zeroizing<String>>,
}

/// What the endpoint said.
pub(crate) struct Answer {
    /// The endpoint, without its query.
    pub(crate) endpoint: String,
    /// The status of HTTP.
    pub(crate) status: u16,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) body: Zeroizing<Vec<u8>>,
}

impl Question {
    /// A question that asks.
    pub(crate) fn get(url: Url) -> Self {
        Self::new(Method::GET, url)
    }

    /// A question with a form.
    pub(crate) fn form(url: Url, fields: &[(&str, &str)]) -> Self {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        let mut question = Self::new(Method::POST, url);
        question.body = Some(Zeroizing::new(form.finish()));
        question.headers.insert(
            reqwest::header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        question
    }

    /// A question of another method.
    pub(crate) fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: None,
        }
    }

    /// With a header, whose value is told to nobody.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Result<Self, Fault> {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| Fault::Setting(format!("{name:?} is no name of a header")))?;
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| Fault::Setting(format!("the value of the header {name} cannot be sent")))?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(self)
    }

    /// With a body that was made before, which a signature covers.
    pub(crate) fn with_body(mut self, body: String) -> Self {
        self.body = Some(Zeroizing::new(body));
        self
    }

    /// Asks, past every proxy when the endpoint is near, and trusting the roots of a file besides those of the system when one is given.
    pub(crate) async fn ask(self, ca_file: Option<&Path>) -> Result<Answer, Fault> {
        let endpoint = bare(&self.url);
        let is_near = is_near(&self.url);
        if self.url.scheme() != "https" && !(self.url.scheme() == "http" && is_near) {
            return Err(Fault::Endpoint {
                endpoint,
                reason: "only https is spoken beyond this machine and its link",
            });
        }
        let unreachable = |cause: reqwest::Error| Fault::Unreachable {
            endpoint: endpoint.clone(),
            cause: Box::new(cause.without_url()),
        };
        let client = client(is_near, ca_file)?;
        let mut request = client.request(self.method, self.url).headers(self.headers);
        if let Some(body) = &self.body {
            request = request.body(body.as_bytes().to_vec());
        }
        let mut response = request.send().await.map_err(unreachable)?;
        let mut body = Zeroizing::new(Vec::with_capacity(MAX_ANSWER_LEN));
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len().saturating_add(chunk.len()) > MAX_ANSWER_LEN {
                return Err(Fault::TooLong {
                    what: format!("the answer of {endpoint}"),
                    limit: MAX_ANSWER_LEN,
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status: response.status().as_u16(),
            headers: std::mem::take(response.headers_mut()),
            endpoint,
            body,
        })
    }
}

impl Answer {
    /// The answer, when it is what was asked for.
    pub(crate) fn good(self) -> Result<Self, Fault> {
        if self.status == 200 {
            return Ok(self);
        }
        Err(Fault::Answered {
            endpoint: self.endpoint,
            status: self.status,
        })
    }

    /// Its body as text.
    pub(crate) fn text(&self) -> Result<&str, Fault> {
        std::str::from_utf8(&self.body)
            .map_err(|_| Fault::Malformed(format!("{} answered something that is no text", self.endpoint)))
    }

    /// Its body as JSON.
    pub(crate) fn json(&self) -> Result<Wiped, Fault> {
        serde_json::from_slice(&self.body)
            .map(Wiped)
            .map_err(|_| Fault::Malformed(format!("{} answered something that is no JSON", self.endpoint)))
    }

    /// A text of its JSON, found by the first of several pointers that leads to one (RFC 6901).
    pub(crate) fn token(&self, pointers: &[&str]) -> Result<secrecy::SecretString, Fault> {
        let json = self.json()?;
        pointers
            .iter()
            .find_map(|pointer| json.0.pointer(pointer)?.as_str())
            .filter(|token| !token.is_empty())
            .map(secrecy::SecretString::from)
            .ok_or_else(|| {
                Fault::Malformed(format!(
                    "the answer of {} has no text at {}",
                    self.endpoint,
                    pointers.join(", ")
                ))
            })
    }
}

/// JSON whose texts are wiped when it goes.
pub(crate) struct Wiped(pub(crate) Value);

impl Drop for Wiped {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

fn wipe(value: &mut Value) {
    use zeroize::Zeroize as _;
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(values) => values.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A URL from settings or the environment.
pub(crate) fn url(text: &str, what: &str) -> Result<Url, Fault> {
    Url::parse(text).map_err(|_| Fault::Setting(format!("{what} is no URL")))
}

/// Whether a host is this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether a host is this machine or on its link, where metadata services are.
pub(crate) fn is_near(url: &Url) -> bool {
    is_loopback(url)
        || match url.host() {
            Some(url::Host::Ipv4(address)) => address.is_link_local(),
            // RFC 4291 §2.5.6, and the address of the metadata service of EC2 and EKS in fd00:ec2::/32.
            Some(url::Host::Ipv6(address)) => {
                let [first, second, ..] = address.segments();
                first & 0xffc0 == 0xfe80 || (first == 0xfd00 && second == 0x0ec2)
            }
            _ => false,
        }
}

/// A URL for messages: without user, query and fragment, where secrets may stand.
fn bare(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{host}{port}{}", url.scheme(), url.path())
}

fn client(is_near: bool, ca_file: Option<&Path>) -> Result<Client, Fault> {
    let broken = |cause| Fault::Setting(format!("the trust anchors cannot be used: {cause}"));
    let extra = match ca_file {
        None => Vec::new(),
        Some(path) => {
            let pem = token_file::octets(path, "token_endpoint_ca_file", token_file::MAX_FILE_LEN)?;
            crate::client::trust::anchors(&pem).map_err(|fault| Fault::Setting(fault.to_string()))?
        }
    };
    let tls = crate::client::trust::ordinary(&extra).map_err(|fault| broken(fault.to_string()))?;
    let mut builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        .http1_only();
    if is_near {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|cause| broken(cause.to_string()))
}

/// Whether an address is one that an endpoint of containers may have.
pub(crate) fn is_container_host(url: &Url) -> bool {
    let address = match url.host() {
        Some(url::Host::Ipv4(address)) => IpAddr::V4(address),
        Some(url::Host::Ipv6(address)) => IpAddr::V6(address),
        _ => return is_loopback(url),
    };
    address.is_loopback()
        || ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"]
            .iter()
            .any(|known| known.parse() == Ok(address))
}

#[cfg(test)]
mod tests;
