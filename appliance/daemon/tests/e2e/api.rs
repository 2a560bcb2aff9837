//! A client of the REST API that keeps its connections.

use std::time::Duration;

use serde_json::Value;

use crate::harness::Appliance;

/// The API as the first administrator sees it. Each clone has connections of its own.
pub(crate) struct Api {
    http: reqwest::Client,
    url: String,
    token: String,
    runtime: tokio::runtime::Runtime,
}

impl Clone for Api {
    fn clone(&self) -> Self {
        Self {
            http: self.http.clone(),
            url: self.url.clone(),
            token: self.token.clone(),
            runtime: runtime(),
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

impl Api {
    /// How long one waits that is impatient.
    pub(crate) const SOON: Duration = Duration::from_secs(1);

    pub(crate) fn new(appliance: &Appliance) -> Self {
        Self::with_timeout(appliance, Duration::from_secs(20))
    }

    /// One that tries another address soon.
    pub(crate) fn impatient(appliance: &Appliance) -> Self {
        Self::with_timeout(appliance, Self::SOON)
    }

    fn with_timeout(appliance: &Appliance, timeout: Duration) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let read = |name: &str| std::fs::read_to_string(appliance.state().join(name)).unwrap();
        let roots = reqwest::Certificate::from_pem_bundle(read("ca-bundle.pem").as_bytes()).unwrap();
        let builder = reqwest::Client::builder().tls_certs_only(roots).no_proxy();
        Self {
            http: builder.timeout(timeout).build().unwrap(),
            url: format!("{}/api/v1", appliance.api_url()),
            token: read("admin.token").trim().to_owned(),
            runtime: runtime(),
        }
    }

    /// The status and the JSON of an answer; nothing when none came.
    pub(crate) fn try_post(&self, path: &str, body: &[u8]) -> Option<(u16, Value)> {
        let request = self
            .http
            .post(format!("{}/{path}", self.url))
            .header("content-type", "application/json")
            .body(body.to_vec());
        self.answer(request)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.try_post(path, body.to_string().as_bytes()).unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        self.answer(self.http.get(format!("{}/{path}", self.url)))
            .unwrap()
    }

    /// The status and the octets behind an address of the public listener; nothing when none came.
    pub(crate) fn fetch(&self, url: &str) -> Option<(u16, Vec<u8>)> {
        self.runtime.block_on(async {
            let answer = self.http.get(url).send().await.ok()?;
            let status = answer.status().as_u16();
            Some((status, answer.bytes().await.ok()?.to_vec()))
        })
    }

    /// The status and the text of an answer; nothing when none came, or not all of it.
    pub(crate) fn try_post_text(&self, path: &str, body: &[u8]) -> Option<(u16, String)> {
        let request = self.http.post(format!("{}/{path}", self.url)).body(body.to_vec());
        self.runtime.block_on(async {
            let answer = request.bearer_auth(&self.token).send().await.ok()?;
            Some((answer.status().as_u16(), answer.text().await.ok()?))
        })
    }

    /// What the API answers; nothing when none came.
    pub(crate) fn try_get(&self, path: &str) -> Option<(u16, Value)> {
        self.answer(self.http.get(format!("{}/{path}", self.url)))
    }

    /// Puts something.
    pub(crate) fn put(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.http.put(self.url_of(path)).json(body);
        self.answer(request)
            .unwrap_or_else(|| panic!("no answer to PUT {path}"))
    }

    /// The address of something in the API.
    pub(crate) fn url_of(&self, path: &str) -> String {
        format!("{}/{path}", self.url)
    }

    /// What the API answers to somebody else, who shows these headers; nothing when no answer came.
    pub(crate) fn try_ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: Option<&Value>,
    ) -> Option<(u16, Value)> {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.http.request(method, self.url_of(path));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        self.told(request)
    }

    fn answer(&self, request: reqwest::RequestBuilder) -> Option<(u16, Value)> {
        self.told(request.bearer_auth(&self.token))
    }

    fn told(&self, request: reqwest::RequestBuilder) -> Option<(u16, Value)> {
        self.runtime.block_on(async {
            let answer = request.send().await.ok()?;
            let status = answer.status().as_u16();
            let body = answer.bytes().await.ok()?;
            Some((status, serde_json::from_slice(&body).unwrap_or_default()))
        })
    }
}
