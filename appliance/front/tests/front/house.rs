//! A whole front: authority, three listeners, tokens of every role, and a client that trusts the root.

use std::net::SocketAddr;
use std::sync::Arc;

use ca::{
    Authority, Clock, CreateIssuing, CreateRoot, IssuerEntry, NewApiToken, Principal, Role, Scope, Settings,
    Signer,
};
use front::{Addresses, Front, FrontSettings, Limits, TlsIdentity};
use pki::KeyAlgorithm;
use reqwest::{Client, Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use token::KeyRing;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::holder::Holder;

/// Where relying parties are told to look, and how the house calls itself.
const BASE_URL: &str = "http://pki.example";

pub(crate) struct House {
    pub(crate) authority: Authority,
    pub(crate) addresses: Addresses,
    pub(crate) identity: TlsIdentity,
    pub(crate) root_pem: String,
    /// A client of the public listener; making one takes longer than most tests.
    pub(crate) plain: Client,
    stop: CancellationToken,
    served: Option<tokio::task::JoinHandle<()>>,
    folder: Option<tempfile::TempDir>,
}

impl House {
    pub(crate) async fn open() -> Self {
        Self::with(Limits::default()).await
    }

    pub(crate) async fn with(limits: Limits) -> Self {
        Self::at(Clock::system(), limits).await
    }

    /// With other settings of the authority.
    pub(crate) async fn with_settings(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::new(BASE_URL);
        change(&mut settings);
        let folder = tempfile::tempdir().unwrap();
        let signer = Signer::in_process(Arc::new(KeyRing::in_memory()));
        let store = store_bed::open(folder.path().join("store.db"));
        let authority = Authority::open(store, signer, Clock::system(), settings)
            .await
            .unwrap();
        make_issuers(&authority).await;
        let identity = identity(&authority).await;
        Self::serve(folder, authority, identity, Limits::default(), Handle::current())
    }

    /// Everything by this clock; certificates are still judged by the machine's.
    pub(crate) async fn at(clock: Clock, limits: Limits) -> Self {
        Self::new(clock, limits, Handle::current()).await
    }

    /// Relying parties are answered on this runtime.
    pub(crate) async fn answering_on(answering: Handle) -> Self {
        Self::new(Clock::system(), Limits::default(), answering).await
    }

    async fn new(clock: Clock, limits: Limits, answering: Handle) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = authority(&folder, Signer::in_process(Arc::new(KeyRing::in_memory())), clock).await;
        make_issuers(&authority).await;
        let identity = identity(&authority).await;
        Self::serve(folder, authority, identity, limits, answering)
    }

    /// A house whose root has so many revocations, and a list that has them all.
    pub(crate) async fn with_revocations(count: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = Arc::new(KeyRing::in_memory());
        let first = authority(&folder, Signer::in_process(Arc::clone(&keys)), Clock::system()).await;
        make_issuers(&first).await;
        let issuer_id = first.issuer("root").unwrap().id;
        first.drain().await;
        // The store is closed with the last clone of the authority.
        drop(first);
        write_revocations(&folder, issuer_id, count).await;
        let authority = authority(&folder, Signer::in_process(keys), Clock::system()).await;
        let published = authority.publish_crl(&Principal::local("test"), "root").await;
        assert_eq!(published.unwrap().entries as u64, count);
        let identity = identity(&authority).await;
        Self::serve(folder, authority, identity, Limits::default(), Handle::current())
    }

    /// The same house after its signer went away for good: the service that it asks does not listen.
    pub(crate) async fn without_signer(mut self) -> Self {
        self.begin_to_close();
        self.served.take().unwrap().await.unwrap();
        let (folder, identity) = (self.folder.take().unwrap(), self.identity.clone());
        // The store is closed with the last clone of the authority.
        drop(self);
        let signer = Signer::daemon(&folder.path().join("nobody.sock"));
        let authority = authority(&folder, signer, Clock::system()).await;
        Self::serve(folder, authority, identity, Limits::default(), Handle::current())
    }

    fn serve(
        folder: tempfile::TempDir,
        authority: Authority,
        identity: TlsIdentity,
        limits: Limits,
        answering: Handle,
    ) -> Self {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let settings = FrontSettings {
            public: anywhere,
            api: anywhere,
            is_api_plain: false,
            metrics: anywhere,
            limits,
        };
        let front = Front::bind(settings, authority.clone(), &identity, answering).unwrap();
        let (addresses, stop) = (front.addresses(), CancellationToken::new());
        let served = tokio::spawn(front.serve(stop.clone()));
        let root = authority.issuer("root").unwrap();
        Self {
            authority,
            addresses,
            identity,
            root_pem: root.certificate.as_ref().unwrap().pem(),
            plain: Client::builder().tls_certs_only([]).build().unwrap(),
            stop,
            served: Some(served),
            folder: Some(folder),
        }
    }

    /// A client of the API that trusts the root.
    pub(crate) fn client(&self) -> Client {
        self.client_builder().build().unwrap()
    }

    pub(crate) fn client_builder(&self) -> reqwest::ClientBuilder {
        let root = reqwest::Certificate::from_pem(self.root_pem.as_bytes()).unwrap();
        Client::builder().tls_certs_only([root])
    }

    /// The text of a new token.
    pub(crate) async fn token(&self, name: &str, role: Role, issuers: Scope, profiles: Scope) -> String {
        let new = NewApiToken {
            name: name.to_owned(),
            role,
            issuers,
            profiles,
            expires_at: None,
        };
        let made = self
            .authority
            .create_api_token(&Principal::local("test"), new)
            .await
            .unwrap();
        made.secret.expose_secret().to_owned()
    }

    /// The API as somebody in this role sees it.
    pub(crate) async fn api(&self, name: &str, role: Role) -> Api {
        let token = self.token(name, role, Scope::All, Scope::All).await;
        self.api_with(Some(token))
    }

    pub(crate) async fn admin(&self) -> Api {
        self.api("admin", Role::Admin).await
    }

    pub(crate) fn api_with(&self, token: Option<String>) -> Api {
        let base = format!("https://localhost:{}", self.addresses.api.port());
        Api {
            client: self.client(),
            base,
            token,
        }
    }

    pub(crate) fn public(&self, path: &str) -> String {
        format!("http://{}{path}", self.addresses.public)
    }

    pub(crate) fn issuer(&self, name: &str) -> Arc<IssuerEntry> {
        self.authority.issuer(name).unwrap()
    }

    /// The metrics as Prometheus gets them.
    pub(crate) async fn scrape(&self) -> String {
        let url = format!("http://{}/metrics", self.addresses.metrics);
        self.plain
            .get(url)
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap()
            .text()
            .await
            .unwrap()
    }

    /// The value of the metric whose line begins like this.
    pub(crate) async fn metric(&self, line_start: &str) -> u64 {
        let text = self.scrape().await;
        let mut lines = text
            .lines()
            .filter_map(|line| line.strip_prefix(line_start)?.strip_prefix(' '));
        lines.next().map_or(0, |value| value.parse().unwrap())
    }

    /// Tells the listeners to stop and waits for them.
    pub(crate) async fn close(mut self) {
        self.begin_to_close();
        self.served.take().unwrap().await.unwrap();
    }

    pub(crate) fn begin_to_close(&self) {
        self.stop.cancel();
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn authority(folder: &tempfile::TempDir, signer: Signer, clock: Clock) -> Authority {
    let store = store_bed::open(folder.path().join("store.db"));
    Authority::open(store, signer, clock, Settings::new(BASE_URL))
        .await
        .unwrap()
}

/// Different for each, and scattered, so that it cannot be compressed.
fn serial_of(number: u64) -> pki::Serial {
    let scattered = |factor: u64| u128::from(number.wrapping_add(1).wrapping_mul(factor));
    let octets = scattered(0x9e37_79b9_7f4a_7c15) << 64 | scattered(0xc2b2_ae3d_27d4_eb4f);
    pki::Serial::from_random(octets.to_be_bytes())
}

async fn write_revocations(folder: &tempfile::TempDir, issuer_id: uuid::Uuid, count: u64) {
    let store = store_bed::open(folder.path().join("store.db"));
    let now = Clock::system().now();
    let end = now + jiff::SignedDuration::from_hours(1000);
    let write = move |tx: &store::Tx<'_>| {
        for number in 0..count {
            let row = store::revocations::RevocationRow {
                issuer_id,
                serial: serial_of(number).as_bytes().to_vec(),
                revoked_at: now.as_millisecond(),
                reason: 4,
                invalidity_date: None,
                not_after: end.as_millisecond(),
                is_orphan: true,
            };
            store::revocations::put(tx, &row)?;
        }
        Ok(())
    };
    store.write(write).await.unwrap();
}

async fn make_issuers(authority: &Authority) {
    let admin = Principal::local("test");
    let root = CreateRoot {
        name: "root".to_owned(),
        subject: "CN=Test Root,O=Example".to_owned(),
        key_algorithm: KeyAlgorithm::P256,
        signature_algorithm: None,
        token: "software".to_owned(),
        validity: None,
        profile: None,
        crl: ca::CrlPlan::default(),
    };
    authority.create_root(&admin, root).await.unwrap();
    let issuing = CreateIssuing {
        name: "issuing".to_owned(),
        parent: "root".to_owned(),
        subject: "CN=Test Issuing,O=Example".to_owned(),
        key_algorithm: KeyAlgorithm::P256,
        signature_algorithm: None,
        token: "software".to_owned(),
        validity: None,
        profile: None,
        crl: ca::CrlPlan::default(),
    };
    authority.create_issuing(&admin, issuing).await.unwrap();
}

async fn identity(authority: &Authority) -> TlsIdentity {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    TlsIdentity::of(&authority.tls_certificate(&names, Some("issuing")).await.unwrap()).unwrap()
}

/// The API with a token.
pub(crate) struct Api {
    pub(crate) client: Client,
    base: String,
    token: Option<String>,
}

/// An answer with its JSON; `null` when it has none.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) json: Value,
    pub(crate) body: Vec<u8>,
}

impl Api {
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        Reply::to(self.request(Method::GET, path)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        Reply::to(self.request(Method::DELETE, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        Reply::to(self.request(Method::POST, path).json(&body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Reply {
        Reply::to(self.request(Method::PUT, path).json(&body)).await
    }

    /// A request that goes well.
    pub(crate) async fn get_ok(&self, path: &str) -> Value {
        self.get(path).await.ok()
    }

    pub(crate) async fn post_ok(&self, path: &str, body: Value) -> Value {
        self.post(path, body).await.ok()
    }

    /// A server certificate for a name.
    pub(crate) async fn enrol(&self, name: &str) -> Value {
        self.enrol_with(&Holder::new(), name).await
    }

    pub(crate) async fn enrol_with(&self, holder: &Holder, name: &str) -> Value {
        let csr = holder.csr(&[&format!("dns:{name}")]);
        self.post_ok(
            "/api/v1/certificates",
            serde_json::json!({"csr_pem": csr, "profile": "tls-server"}),
        )
        .await
    }
}

impl Reply {
    pub(crate) async fn to(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.unwrap().to_vec();
        let json = serde_json::from_slice(&body).unwrap_or_default();
        Self {
            status,
            headers,
            json,
            body,
        }
    }

    pub(crate) fn ok(self) -> Value {
        assert!(self.status.is_success(), "{}: {}", self.status, self.json);
        self.json
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Is an error in the envelope, with this status and this code; gives its `error`.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) -> &Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.json);
        let error = &self.json["error"];
        assert_eq!(self.json["success"], false, "{}", self.json);
        assert_eq!(error["code"], code, "{}", self.json);
        assert!(error["message"].as_str().unwrap().len() > 5);
        assert!(error["retryable"].is_boolean());
        assert!(error.get("details").is_some());
        assert_eq!(error["request_id"], self.header("x-request-id"));
        assert_eq!(self.header("content-type"), "application/json");
        error
    }
}
