//! A simulated appliance: it speaks TLS, asks for certificates, remembers what it was asked, and signs for bridges with the CA of the
//! test bed.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use crate::bed::Bed;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) certificate: Option<Vec<u8>>,
}

pub(crate) struct SimAppliance {
    pub(crate) at: SocketAddr,
    state: Arc<State>,
}

struct State {
    asked: Mutex<Vec<Asked>>,
    used: Mutex<Vec<String>>,
    bed: Arc<Bed>,
    /// A request to `/api/v1/courier/wait` is here, and may be answered.
    pub(crate) arrived: Notify,
    go_on: Notify,
}

impl SimAppliance {
    pub(crate) async fn start(bed: &Arc<Bed>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let state = Arc::new(State {
            asked: Mutex::default(),
            used: Mutex::default(),
            bed: Arc::clone(bed),
            arrived: Notify::new(),
            go_on: Notify::new(),
        });
        let acceptor = TlsAcceptor::from(Arc::new(config(bed)));
        let serving = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, state) = (acceptor.clone(), Arc::clone(&serving));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let shown = stream.get_ref().1.peer_certificates();
                    let shown = shown.and_then(|all| all.first()).map(|leaf| leaf.to_vec());
                    let service = service_fn(move |request| {
                        let (state, shown) = (Arc::clone(&state), shown.clone());
                        async move { Ok::<_, Infallible>(state.answer(request, shown).await) }
                    });
                    let connection = hyper::server::conn::http1::Builder::new();
                    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { at, state }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap().clone()
    }

    pub(crate) async fn arrived(&self) {
        tokio::time::timeout(Duration::from_secs(20), self.state.arrived.notified())
            .await
            .expect("the request arrives");
    }

    pub(crate) fn go_on(&self) {
        self.state.go_on.notify_one();
    }
}

impl State {
    async fn answer(
        &self,
        request: Request<Incoming>,
        certificate: Option<Vec<u8>>,
    ) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let asked = Asked {
            method: head.method.to_string(),
            target: head.uri.to_string(),
            headers: head.headers,
            body,
            certificate,
        };
        // What the bridge says of itself is not what somebody asked.
        let is_own = !asked.headers.contains_key(courier_wire::ASSERTION_HEADER);
        if is_own && head.uri.path() == "/api/v1/courier/bridges/heartbeat" {
            let standing = r#"{"success":true,"status":"active","next_seconds":60}"#;
            return Response::new(Full::new(Bytes::from(standing)));
        }
        self.asked.lock().unwrap().push(asked.clone());
        let (status, body) = match head.uri.path() {
            "/api/v1/courier/wait" => {
                self.arrived.notify_one();
                self.go_on.notified().await;
                (200, "waited".to_owned())
            }
            "/api/v1/courier/bridges/register" | "/api/v1/courier/bridges/renew" => self.certify(&asked),
            _ => (200, "{\"status\":\"ok\"}".to_owned()),
        };
        let answer = Response::builder()
            .status(status)
            .header("Keep-Alive", "timeout=5")
            .header("X-Answer", "1");
        answer.body(Full::new(Bytes::from(body))).unwrap()
    }

    fn certify(&self, asked: &Asked) -> (u16, String) {
        let body: serde_json::Value = serde_json::from_slice(&asked.body).unwrap();
        let is_known = asked.certificate.is_some();
        if let Some(token) = body["token"].as_str() {
            let mut used = self.used.lock().unwrap();
            if used.iter().any(|one| one == token) {
                let no =
                    r#"{"success":false,"error":{"code":"INVALID_CREDENTIALS","message":"no such token"}}"#;
                return (401, no.to_owned());
            }
            used.push(token.to_owned());
        } else if !is_known {
            return (401, "{}".to_owned());
        }
        let csr = format!("{}.csr", uuid::Uuid::new_v4());
        self.bed.write(&csr, body["csr_pem"].as_str().unwrap());
        let pem = self.bed.sign(&csr, "client", "20260101000000Z");
        let instance = self.instance_of(asked);
        let given = serde_json::json!({
            "success": true, "instance": instance, "certificate_pem": pem, "not_after": "2099-01-01T00:00:00Z",
        });
        (200, given.to_string())
    }

    /// The instance of an earlier request, or a new one.
    fn instance_of(&self, asked: &Asked) -> String {
        let known = std::fs::read_to_string(self.bed.path("instance"));
        match (asked.certificate.is_some(), known) {
            (true, Ok(known)) => known,
            _ => uuid::Uuid::new_v4().to_string(),
        }
    }
}

fn config(bed: &Bed) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(bed.path("ca.pem")).unwrap())
        .unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()
        .unwrap();
    let chain = vec![CertificateDer::from_pem_file(bed.path("tls.pem")).unwrap()];
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(bed.path("tls.key")).unwrap())
        .unwrap();
    config.alpn_protocols = vec![courier_wire::BRIDGE_PROTOCOL.to_vec(), b"http/1.1".to_vec()];
    config
}
