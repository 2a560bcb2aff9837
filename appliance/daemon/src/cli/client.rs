//! The client of the REST API that the management subcommands use.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use reqwest::{Certificate, Client, Method};
use serde_json::Value;

use super::{Place, hint};
use crate::config::{Api as ApiConfig, Config};
use crate::files;

/// An answer that is not the wanted one.
#[derive(Debug)]
pub(crate) struct ApiFailure {
    code: String,
    message: String,
    retryable: bool,
    order_id: Option<String>,
    request_id: Option<String>,
    details: Value,
}

impl ApiFailure {
    /// Whether the same command may succeed later.
    pub(crate) fn is_retryable(&self) -> bool {
        self.retryable
    }

    /// Its stable code.
    pub(super) fn code(&self) -> &str {
        &self.code
    }

    /// What went wrong, without what to do about it.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// The fields that the API told, and what to do about it.
    pub(super) fn for_machines(&self) -> Value {
        let text = |text: &Option<String>| text.clone().map(Value::from);
        fields(&[
            ("code", Some(self.code.as_str().into())),
            ("message", Some(self.message.as_str().into())),
            ("retryable", Some(self.retryable.into())),
            ("hint", hint::for_code(&self.code).map(Value::from)),
            (
                "details",
                Some(self.details.clone()).filter(|details| !details.is_null()),
            ),
            ("order_id", text(&self.order_id)),
            ("request_id", text(&self.request_id)),
        ])
    }

    fn read(status: u16, body: &Value) -> Self {
        let text = |name: &str| {
            body.pointer(&format!("/error/{name}"))
                .and_then(Value::as_str)
                .map(ToOwned::to_owned)
        };
        Self {
            code: text("code").unwrap_or_else(|| format!("http_{status}")),
            message: text("message").unwrap_or_else(|| format!("the server answered {status}")),
            retryable: body
                .pointer("/error/retryable")
                .and_then(Value::as_bool)
                .unwrap_or(status >= 500),
            order_id: text("order_id"),
            request_id: text("request_id"),
            details: body.pointer("/error/details").cloned().unwrap_or_default(),
        }
    }
}

impl fmt::Display for ApiFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.code)?;
        if !self.details.is_null() {
            write!(f, "\n  details: {}", self.details)?;
        }
        if let Some(order) = &self.order_id {
            write!(f, "\n  more of it: chancery cert explain {order}")?;
        }
        if let Some(hint) = hint::for_code(&self.code) {
            write!(f, "\n  hint: {hint}")?;
        }
        if self.retryable {
            f.write_str("\n  the same command may succeed later")?;
        }
        match &self.request_id {
            Some(request) if self.code == "internal_error" => write!(f, "\n  request: {request}"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for ApiFailure {}

/// The client.
#[derive(Debug)]
pub(crate) struct Api {
    client: Client,
    server: String,
    token: String,
    /// The file with the roots that the server is checked with.
    roots: PathBuf,
}

impl Api {
    /// To the server that the command line, the environment or the configuration names.
    pub(crate) fn new(place: &Place) -> Result<Self> {
        let (server, bundle, token) = (&place.server, &place.ca_bundle, &place.token_file);
        if let (Some(server), Some(bundle), Some(token)) = (server, bundle, token) {
            return Self::to(server, bundle, token);
        }
        // The error stays of its own type, which says what exit status it means.
        let config = Config::load(&place.config).context(
            "no configuration says where the server is: correct --config, or name the server with --server, --token-file and \
             --ca-bundle",
        )?;
        let in_state = |given: &Option<PathBuf>, name: &str| {
            let given = given.clone();
            given.unwrap_or_else(|| config.path(Path::new(name)))
        };
        let server = server.clone().unwrap_or_else(|| own_url(&config.api));
        Self::to(
            &server,
            &in_state(bundle, "ca-bundle.pem"),
            &in_state(token, "admin.token"),
        )
    }

    /// To a server, checked with the roots of a file, with the token of a file.
    pub(crate) fn to(server: &str, bundle: &Path, token: &Path) -> Result<Self> {
        let pem = std::fs::read(bundle).with_context(|| {
            let bundle = bundle.display();
            format!("reading the roots {bundle}: name those of the server's certificate with --ca-bundle")
        })?;
        let roots = Certificate::from_pem_bundle(&pem).with_context(|| bundle.display().to_string())?;
        let client = Client::builder()
            .tls_certs_only(roots)
            .https_only(!is_here(server))
            .no_proxy()
            .connect_timeout(Duration::from_secs(10))
            .timeout(Duration::from_mins(5))
            .build()?;
        Ok(Self {
            client,
            server: server.trim_end_matches('/').to_owned(),
            token: files::first_line(token).with_context(|| {
                format!(
                    "{} has no API token: name its file with --token-file",
                    token.display()
                )
            })?,
            roots: bundle.to_owned(),
        })
    }

    /// Asks and gives the JSON of the answer.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let octets = self.octets(method, path, body).await?;
        if octets.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&octets).context("the server's answer is not JSON")
    }

    /// Asks and gives the octets of the answer.
    pub(crate) async fn octets(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Vec<u8>> {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.server))
            .bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| {
            let failure = self.unreached(&error);
            anyhow::Error::new(error).context(failure)
        })?;
        let status = response.status();
        let octets = response.bytes().await?.to_vec();
        if status.is_success() {
            return Ok(octets);
        }
        let body = serde_json::from_slice(&octets).unwrap_or_default();
        Err(ApiFailure::read(status.as_u16(), &body).into())
    }

    /// Why there was no answer.
    fn unreached(&self, error: &reqwest::Error) -> ApiFailure {
        let (code, message) = if is_of_unknown_root(error) {
            let message = format!(
                "the certificate of the server {} comes from a CA that {} does not have: name the file with its root by --ca-bundle (the \
                 server writes ca-bundle.pem into its state folder)",
                self.server,
                self.roots.display()
            );
            ("server_not_trusted", message)
        } else {
            let message = format!(
                "the server {} cannot be reached: is `chancery serve` running?",
                self.server
            );
            ("server_unreachable", message)
        };
        ApiFailure {
            retryable: code == "server_unreachable",
            code: code.to_owned(),
            message,
            order_id: None,
            request_id: None,
            details: Value::Null,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        self.ask(Method::GET, path, None).await
    }

    /// All items of a list, page by page.
    pub(crate) async fn all(&self, path: &str) -> Result<Value> {
        let mut items = Vec::new();
        let mut next = String::new();
        let with = if path.contains('?') { '&' } else { '?' };
        loop {
            let mut page = self.get(&format!("{path}{with}limit=1000{next}")).await?;
            if let Some(Value::Array(more)) = page.pointer_mut("/items").map(Value::take) {
                items.extend(more);
            }
            match page.pointer("/next").and_then(Value::as_str) {
                Some(cursor) => next = format!("&cursor={}", escape(cursor)),
                None => return Ok(Value::Array(items)),
            }
        }
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.ask(Method::POST, path, Some(body)).await
    }
}

/// Whether the certificate of the server comes from an authority that is not among the roots.
fn is_of_unknown_root(error: &reqwest::Error) -> bool {
    let mut at: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = at {
        if let Some(rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer)) =
            cause.downcast_ref()
        {
            return true;
        }
        // What an I/O error is made of is not its source.
        let within = cause
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        at = match within {
            Some(within) => Some(within),
            None => cause.source(),
        };
    }
    false
}

/// The address of the server on this machine, by a name that its certificate has.
fn own_url(api: &ApiConfig) -> String {
    if api.plain {
        return format!("http://{}", api.listen);
    }
    let has = |name: &&String| ["localhost", "127.0.0.1", "::1"].contains(&name.as_str());
    let name = api.names.iter().find(has).or_else(|| api.names.first());
    let name = name.map_or("localhost", String::as_str);
    let name = if name.contains(':') {
        format!("[{name}]")
    } else {
        name.to_owned()
    };
    format!("https://{name}:{}", api.listen.port())
}

/// Whether an address names this machine by a loopback address, to which plain HTTP may carry the token.
fn is_here(server: &str) -> bool {
    let url = reqwest::Url::parse(server).ok();
    let host = url.as_ref().and_then(reqwest::Url::host_str).unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    address.is_ok_and(|address| address.is_loopback())
}

/// A value in a query string: everything but unreserved characters is escaped (RFC 3986 §2.3).
pub(crate) fn escape(value: &str) -> String {
    let mut out = String::new();
    for octet in value.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            out.push(char::from(octet));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{octet:02X}");
        }
    }
    out
}

/// The fields that are given, as a JSON object.
pub(crate) fn fields(list: &[(&str, Option<Value>)]) -> Value {
    let given = list
        .iter()
        .filter_map(|(name, value)| Some(((*name).to_owned(), value.clone()?)));
    Value::Object(given.collect())
}
