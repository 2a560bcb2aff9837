//! A registered instance with its key and certificate, in hands that do with it what they like: what it sends, what it attests, and
//! over which connection.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

use super::message::{Answer, Request};
use crate::api::Api;
use crate::harness::Appliance;

/// What a bridge offers in ALPN.
const PROTOCOL: &[u8] = b"chancery-bridge/1";
pub(super) const ASSERTION: &str = "chancery-bridge-assertion";
/// Where couriers of these tests are.
pub(super) const HERE: &str = "127.0.0.1";

pub(super) struct Instance {
    pub(super) id: String,
    /// The token that it registered with.
    pub(super) token: String,
    key: EcdsaKeyPair,
    as_itself: Arc<ClientConfig>,
    as_nobody: Arc<ClientConfig>,
    port: u16,
}

impl Instance {
    /// Registers with a token of the operator's.
    pub(super) fn register(appliance: &Appliance, name: &str) -> Self {
        let api = Api::new(appliance);
        let (status, made) = api.post("bridge-tokens", &json!({ "bridge": "dmz", "issuer": "issuing" }));
        assert_eq!(status, 201, "{made}");
        let csr = std::fs::read_to_string(appliance.csr(name, "/CN=instance", None)).unwrap();
        let pem = std::fs::read(appliance.file(&format!("{name}.key"))).unwrap();
        let key = PrivateKeyDer::from_pem_slice(&pem).unwrap();
        let token = made["token"].as_str().unwrap().to_owned();
        let as_nobody = client(appliance, None, &[b"http/1.1"]);
        let mut instance = Self {
            id: String::new(),
            token,
            key: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.secret_der()).unwrap(),
            as_itself: Arc::clone(&as_nobody),
            as_nobody,
            port: appliance.api_url().rsplit_once(':').unwrap().1.parse().unwrap(),
        };
        let body = json!({ "token": instance.token, "csr_pem": csr, "version": "1.0.0" });
        let given = instance.send_as_nobody(&Request::post("/api/v1/courier/bridges/register", &body));
        assert_eq!(given.status, 201, "{given:?}");
        let given = given.json();
        let chain = CertificateDer::pem_slice_iter(given["certificate_pem"].as_str().unwrap().as_bytes());
        let chain = chain.map(Result::unwrap).collect();
        instance.as_itself = client(appliance, Some((chain, key)), &[PROTOCOL, b"http/1.1"]);
        given["instance"].as_str().unwrap().clone_into(&mut instance.id);
        instance
    }

    /// Forwards a request as an honest bridge does.
    pub(super) fn forward(&self, request: &Request) -> Answer {
        self.send(&request.with(ASSERTION, &self.attest(request, HERE)))
    }

    /// Sends a request as it is, over a connection with the certificate of the instance.
    pub(super) fn send(&self, request: &Request) -> Answer {
        self.exchange(&self.as_itself, request)
    }

    /// Sends a request as it is, as anybody may.
    pub(super) fn send_as_nobody(&self, request: &Request) -> Answer {
        self.exchange(&self.as_nobody, request)
    }

    /// What it attests of a request: that it came from there.
    pub(super) fn attest(&self, request: &Request, client: &str) -> String {
        let mut text = format!("{}\n{}\n{}\n", request.method, request.host(), request.target).into_bytes();
        text.extend_from_slice(digest(&SHA256, &request.body).as_ref());
        let claims = json!({
            "iss": self.id, "client_ip": client, "iat": jiff::Timestamp::now().as_second(),
            "jti": uuid::Uuid::new_v4().to_string(),
            "request": URL_SAFE_NO_PAD.encode(digest(&SHA256, &text)),
        });
        let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = json!({ "alg": "ES256", "typ": "chancery-bridge+jwt" });
        let signed = format!("{}.{}", encoded(&header), encoded(&claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn exchange(&self, config: &Arc<ClientConfig>, request: &Request) -> Answer {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::clone(config), name).unwrap();
        let mut line = StreamOwned::new(connection, stream);
        line.write_all(&request.octets()).unwrap();
        line.flush().unwrap();
        let mut octets = Vec::new();
        // The end of the connection need not be a polite one.
        let _ = line.read_to_end(&mut octets);
        Answer::read(&octets)
    }
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn client(appliance: &Appliance, identity: Option<Identity>, protocols: &[&[u8]]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let bundle = std::fs::read(appliance.state().join("ca-bundle.pem")).unwrap();
    for root in CertificateDer::pem_slice_iter(&bundle) {
        roots.add(root.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config)
}
