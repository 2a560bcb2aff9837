//! The appliance under load, whether it is one of our own or one that runs already: its doors, its token, what its API says.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use ocsp::{CertId, HashAlgorithm, Nonce, Request, der_to_get_path};
use pki::{Certificate, Serial};
use reqwest::Method;
use serde_json::{Value, json};

use crate::appliance::Appliance;
use crate::cpu::Group;
use crate::csr;
use crate::http::Door;

/// An appliance that runs already, as the command line names it.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    pub(crate) server: String,
    pub(crate) public: String,
    pub(crate) token_file: PathBuf,
    pub(crate) ca_bundle: PathBuf,
}

/// The appliance.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) api: Door,
    pub(crate) public: Door,
    /// Processes whose CPU is measured; none of an appliance on another machine.
    pub(crate) groups: Vec<Group>,
    pub(crate) issuer: String,
    pub(crate) profile: String,
    /// The address of the REST API.
    pub(crate) api_url: String,
    /// The file with the roots of its certificate.
    pub(crate) ca_bundle: PathBuf,
    client: reqwest::Client,
    public_url: String,
    token: String,
}

impl Target {
    /// An appliance of our own.
    pub(crate) fn own(appliance: &Appliance) -> Result<Self> {
        let state = appliance.state();
        let remote = Remote {
            server: appliance.api_url(),
            public: appliance.public_url(),
            token_file: state.join("admin.token"),
            ca_bundle: state.join("ca-bundle.pem"),
        };
        let mut target = Self::of(&remote, "issuing", "tls-server")?;
        target.groups = appliance.groups()?;
        Ok(target)
    }

    /// An appliance that runs already.
    pub(crate) fn of(remote: &Remote, issuer: &str, profile: &str) -> Result<Self> {
        let read = |path: &Path| std::fs::read(path).with_context(|| format!("reading {}", path.display()));
        let roots = reqwest::Certificate::from_pem_bundle(&read(&remote.ca_bundle)?)?;
        let client = reqwest::Client::builder()
            .tls_certs_only(roots)
            .no_proxy()
            .build()?;
        Ok(Self {
            api: Door::of_url(&remote.server, &remote.ca_bundle)?,
            public: Door::of_url(&remote.public, &remote.ca_bundle)?,
            groups: Vec::new(),
            issuer: issuer.to_owned(),
            profile: profile.to_owned(),
            ca_bundle: remote.ca_bundle.clone(),
            client,
            api_url: remote.server.trim_end_matches('/').to_owned(),
            public_url: remote.public.trim_end_matches('/').to_owned(),
            token: String::from_utf8(read(&remote.token_file)?)?.trim().to_owned(),
        })
    }

    /// Asks the API; the JSON of the answer.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let text = self.text(method, path, body.map(|body| body.to_string())).await?;
        serde_json::from_str(&text).with_context(|| format!("the answer of {path}"))
    }

    async fn text(&self, method: Method, path: &str, body: Option<String>) -> Result<String> {
        let request = self.client.request(method, format!("{}{path}", self.api_url));
        let mut request = request.bearer_auth(&self.token);
        if let Some(body) = body {
            let kind = if path.ends_with("/batch") {
                "application/x-ndjson"
            } else {
                "application/json"
            };
            request = request.header("content-type", kind).body(body);
        }
        let response = request.send().await?;
        let (status, text) = (response.status(), response.text().await?);
        ensure!(status.is_success(), "{path}: {status}: {text}");
        Ok(text)
    }

    /// A file of the public listener.
    pub(crate) async fn fetch(&self, path: &str) -> Result<Vec<u8>> {
        let response = self
            .client
            .get(format!("{}{path}", self.public_url))
            .send()
            .await?;
        ensure!(response.status().is_success(), "{path}: {}", response.status());
        Ok(response.bytes().await?.to_vec())
    }

    /// A request of the REST API for the raw client.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Vec<u8> {
        let token = format!("Authorization: Bearer {}\r\n", self.token);
        self.api
            .post(path, "application/json", &token, body.to_string().as_bytes())
    }

    /// An order with this request.
    pub(crate) fn order(&self, csr_pem: &str) -> Value {
        json!({ "csr_pem": csr_pem, "profile": self.profile, "issuer_id": self.issuer })
    }

    /// Issues many certificates; their identifiers and serials.
    pub(crate) async fn issue(&self, count: usize) -> Result<Vec<(String, Serial)>> {
        let line = self.order(&csr::request()?).to_string() + "\n";
        let mut issued = Vec::with_capacity(count);
        while issued.len() < count {
            let lines = line.repeat((count - issued.len()).min(500));
            let answer = self
                .text(Method::POST, "/api/v1/certificates/batch", Some(lines))
                .await?;
            for line in answer.lines() {
                let line: Value = serde_json::from_str(line)?;
                let text = |name: &str| line.pointer(name).and_then(Value::as_str);
                let id = text("/certificate/id").with_context(|| format!("a certificate: {line}"))?;
                let pem = text("/certificate/certificate_pem").context("a certificate")?;
                issued.push((id.to_owned(), Certificate::parse(pem.as_bytes())?.serial()));
            }
        }
        Ok(issued)
    }

    /// The OCSP side of the issuer.
    pub(crate) async fn ocsp(&self) -> Result<Ocsp> {
        let issuer = self
            .ask(Method::GET, &format!("/api/v1/issuers/{}", self.issuer), None)
            .await?;
        let text = |name: &str| {
            issuer
                .get(name)
                .and_then(Value::as_str)
                .with_context(|| format!("{name} of the issuer"))
        };
        Ok(Ocsp {
            id: text("id")?.to_owned(),
            key: text("key_fingerprint")?.to_owned(),
            certificate: Certificate::parse(text("certificate_pem")?.as_bytes())?,
            door: self.public.clone(),
        })
    }
}

/// The OCSP side of an issuer.
#[derive(Clone, Debug)]
pub(crate) struct Ocsp {
    pub(crate) id: String,
    /// The fingerprint of the issuer's key.
    pub(crate) key: String,
    pub(crate) certificate: Certificate,
    door: Door,
}

impl Ocsp {
    pub(crate) fn cert_id(&self, serial: Serial) -> CertId {
        let subject = self.certificate.subject().der();
        CertId::for_issuer(
            HashAlgorithm::Sha1,
            subject,
            self.certificate.public_key(),
            serial,
        )
    }

    fn path(&self) -> String {
        format!("/.well-known/pki/ocsp/{}", self.id)
    }

    /// A GET for every serial.
    pub(crate) fn gets(&self, serials: &[Serial]) -> Result<Arc<Vec<Vec<u8>>>> {
        let get = |serial: &Serial| -> Result<Vec<u8>> {
            let der = Request::new(self.cert_id(*serial)).to_der()?;
            Ok(self
                .door
                .get(&format!("{}/{}", self.path(), der_to_get_path(&der))))
        };
        Ok(Arc::new(serials.iter().map(get).collect::<Result<_>>()?))
    }

    /// A POST for every serial, with a nonce each or without.
    pub(crate) fn posts(&self, serials: &[Serial], is_nonced: bool) -> Result<Arc<Vec<Vec<u8>>>> {
        let post = |serial: &Serial| -> Result<Vec<u8>> {
            let mut request = Request::new(self.cert_id(*serial));
            if is_nonced {
                request = request.with_nonce(Nonce::new(&[0x5a; 32])?);
            }
            Ok(self
                .door
                .post(&self.path(), "application/ocsp-request", "", &request.to_der()?))
        };
        Ok(Arc::new(serials.iter().map(post).collect::<Result<_>>()?))
    }
}
