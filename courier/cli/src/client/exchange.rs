//! Making a call: which address is asked, how often, and how much of an answer is read.

use std::sync::OnceLock;

use courier_wire::Secret;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH,
};
use zeroize::Zeroizing;

use super::answer::{Answer, Refusal};
use super::call::Call;
use super::name::{Alias, Endpoint};
use super::retry::wait;
use super::settings::{Clock, Settings};
use super::{Fault, trust};
use crate::auth::proof::ProofKey;

/// Longest answer read, in octets.
pub(super) const MAX_ANSWER_LEN: usize = 1024 * 1024;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const DPOP: HeaderName = HeaderName::from_static("dpop");

/// What lets a call through: the token of a session, and the key that it is bound to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pass<'a> {
    /// The word before the token, and the token.
    pub(super) token: Option<(&'a str, &'a Secret)>,
    /// The proof key.
    pub(super) proof: Option<&'a ProofKey>,
}

/// The client towards the appliance.
#[derive(Debug)]
pub struct Client {
    endpoints: Vec<Endpoint>,
    /// Made when somebody is asked: reading the roots of the system is most of what a run with nothing to do would cost.
    lines: OnceLock<Vec<Line>>,
    settings: Settings,
}

/// One address and what speaks to it.
#[derive(Debug)]
struct Line {
    endpoint: Endpoint,
    http: reqwest::Client,
}

impl Client {
    /// A client with these settings; nobody is asked yet.
    pub fn new(settings: Settings) -> Result<Self, Fault> {
        let name = settings.tls_server_name.as_deref();
        if name.is_some() && settings.proxy.is_some() {
            return Err(Fault::Setting(
                "tls_server_name and proxy do not go together: the proxy would be told that name".to_owned(),
            ));
        }
        let urls = std::iter::once(&settings.base_url).chain(&settings.fallback_urls);
        let endpoints = urls.map(|url| Endpoint::new(url, name));
        Ok(Self {
            endpoints: endpoints.collect::<Result<_, Fault>>()?,
            lines: OnceLock::new(),
            settings,
        })
    }

    /// The addresses with what speaks to them.
    fn lines(&self) -> Result<&[Line], Fault> {
        if let Some(lines) = self.lines.get() {
            return Ok(lines);
        }
        let tls =
            trust::towards_appliance(&self.settings).map_err(|fault| Fault::Setting(fault.to_string()))?;
        let lines = self.endpoints.iter().map(|endpoint| {
            let http = http(&self.settings, endpoint, tls.clone())?;
            Ok(Line {
                endpoint: endpoint.clone(),
                http,
            })
        });
        let lines = lines.collect::<Result<_, Fault>>()?;
        Ok(self.lines.get_or_init(|| lines))
    }

    /// The clock that the calls go by.
    pub fn clock(&self) -> &Clock {
        &self.settings.clock
    }

    /// Makes a call that needs no session.
    pub async fn perform(&self, call: &Call) -> Result<Answer, Fault> {
        self.perform_with(call, Pass::default()).await
    }

    /// Makes a call, and again while that may help and does no harm.
    pub(super) async fn perform_with(&self, call: &Call, pass: Pass<'_>) -> Result<Answer, Fault> {
        let mut attempt = 0;
        loop {
            let fault = match self.once(call, pass).await {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            // Without a connection nothing was done, so that every call may be made again.
            let may_repeat = call.is_repeatable || matches!(fault, Fault::Unreachable { .. });
            if attempt >= self.settings.retries || !may_repeat || !fault.is_passing() {
                return Err(fault);
            }
            let asked = match &fault {
                Fault::Refused(refusal) => refusal.retry_after,
                _ => None,
            };
            let Some(wait) = wait(attempt, self.settings.retry_max_delay, asked, random()) else {
                return Err(fault);
            };
            tracing::debug!(%fault, ?wait, attempt, "the call is repeated");
            tokio::time::sleep(wait).await;
            attempt = attempt.saturating_add(1);
        }
    }

    /// One try: the addresses in order, another one only when there is no connection to the one before.
    async fn once(&self, call: &Call, pass: Pass<'_>) -> Result<Answer, Fault> {
        let mut last = None;
        for line in self.lines()? {
            match self.ask(line, call, pass).await {
                Err(fault @ Fault::Unreachable { .. }) => {
                    tracing::debug!(%fault, "the next address is tried");
                    last = Some(fault);
                }
                done => return done,
            }
        }
        Err(last.unwrap_or_else(|| Fault::Setting("there is no address".to_owned())))
    }

    async fn ask(&self, line: &Line, call: &Call, pass: Pass<'_>) -> Result<Answer, Fault> {
        let (shown, asked) = line.endpoint.at(&call.path)?;
        let name = line.endpoint.shown.as_str().trim_end_matches('/');
        let mut request = line
            .http
            .request(call.method.clone(), asked)
            .timeout(self.settings.request_timeout.saturating_add(call.longer))
            .headers(self.headers(call, pass, &shown)?);
        if let Some(host) = &line.endpoint.host {
            request = request.header(HOST, host);
        }
        if let Some(body) = &call.body {
            request = request.body(body.to_vec());
        }
        let of_exchange = |cause| Fault::of_exchange(cause, name);
        let mut response = request.send().await.map_err(of_exchange)?;
        let status = response.status();
        let mut body = Zeroizing::new(Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(of_exchange)? {
            if body.len().saturating_add(chunk.len()) > MAX_ANSWER_LEN {
                return Err(Fault::TooLong {
                    endpoint: name.to_owned(),
                    limit: MAX_ANSWER_LEN,
                });
            }
            body.extend_from_slice(&chunk);
        }
        let answer = Answer {
            endpoint: name.to_owned(),
            status: status.as_u16(),
            headers: std::mem::take(response.headers_mut()),
            body,
        };
        if status.is_success() || (answer.status == 304 && call.etag.is_some()) {
            return Ok(answer);
        }
        if status.is_redirection() {
            return Err(Fault::Redirected {
                endpoint: answer.endpoint,
                status: answer.status,
            });
        }
        let refusal = Refusal::read(&answer, self.clock().now());
        Err(Fault::Refused(Box::new(refusal)))
    }

    fn headers(&self, call: &Call, pass: Pass<'_>, shown: &str) -> Result<HeaderMap, Fault> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(call.accept));
        if call.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(key) = &call.idempotency_key {
            headers.insert(IDEMPOTENCY_KEY, plain(key)?);
        }
        if let Some(etag) = &call.etag {
            headers.insert(IF_NONE_MATCH, plain(etag)?);
        }
        if let Some((word, token)) = pass.token {
            headers.insert(AUTHORIZATION, secret(&format!("{word} {}", token.expose()))?);
        }
        if let Some(key) = pass.proof {
            let token = pass.token.map(|(_, token)| token.expose());
            let proof = key.prove(
                call.method.as_str(),
                shown,
                token,
                call.body.as_ref().map(|body| body.as_slice()),
                self.clock().now(),
            )?;
            headers.insert(DPOP, secret(&proof)?);
        }
        Ok(headers)
    }
}

fn http(
    settings: &Settings,
    endpoint: &Endpoint,
    tls: rustls::ClientConfig,
) -> Result<reqwest::Client, Fault> {
    let mut agent = format!("courier/{}", env!("CARGO_PKG_VERSION"));
    if let Some(suffix) = &settings.user_agent_suffix {
        agent.push(' ');
        agent.push_str(suffix);
    }
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .http1_only()
        .connect_timeout(settings.connect_timeout)
        .user_agent(agent);
    if let Some(proxy) = &settings.proxy {
        let proxy =
            reqwest::Proxy::all(proxy.clone()).map_err(|_| Fault::Setting("proxy is no URL".to_owned()))?;
        builder = builder.no_proxy().proxy(proxy);
    }
    if endpoint.host.is_some() {
        let host = endpoint.shown.host_str().unwrap_or_default().to_owned();
        builder = builder.no_proxy().dns_resolver(Alias { host });
    }
    builder.build().map_err(|cause| {
        let why = if cause.is_builder() {
            "user_agent_suffix or TLS cannot be used"
        } else {
            "it cannot be set up"
        };
        Fault::Setting(format!("the client: {why}"))
    })
}

fn plain(text: &str) -> Result<HeaderValue, Fault> {
    HeaderValue::from_str(text).map_err(|_| Fault::Setting("a header cannot be sent".to_owned()))
}

fn secret(text: &str) -> Result<HeaderValue, Fault> {
    let mut value = plain(text)?;
    value.set_sensitive(true);
    Ok(value)
}

/// A random number. Should there be none, the whole wait is kept.
fn random() -> u32 {
    let mut octets = [0xff; 4];
    match aws_lc_rs::rand::fill(&mut octets) {
        Ok(()) => u32::from_le_bytes(octets),
        Err(_) => u32::MAX,
    }
}
