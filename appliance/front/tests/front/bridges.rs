//! Bridges, honest and hostile, as the API meets them: over TLS with a certificate and over TLS without.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use courier_wire::{ASSERTION_HEADER, ASSERTION_TYPE, BRIDGE_PROTOCOL, attested_request};
use jose::{Header, SigningKey, dpop};
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use serde_json::{Value, json};
use tokio_rustls::TlsConnector;

use crate::couriers::{courier, record, told};
use crate::holder::Holder;
use crate::house::{Api, House, Reply};
use crate::wire;

/// Where the courier of these tests is.
pub(crate) const CLIENT: &str = "203.0.113.7";
const REGISTER: &str = "/api/v1/courier/bridges/register";
const RENEW: &str = "/api/v1/courier/bridges/renew";
pub(crate) const PREFLIGHT: &str = "/api/v1/courier/preflight";
pub(crate) const SIGN_IN: &str = "/api/v1/courier/auth";

/// A key and the certificate that it was given.
pub(crate) struct Instance {
    pub(crate) id: String,
    holder: Holder,
    pem: String,
}

async fn token(admin: &Api) -> String {
    token_of(admin, json!({ "bridge": "dmz", "issuer": "issuing" })).await
}

async fn token_of(admin: &Api, wanted: Value) -> String {
    let made = admin.post("/api/v1/bridge-tokens", wanted).await;
    assert_eq!(made.status, 201, "{}", made.json);
    made.json["token"].as_str().unwrap().to_owned()
}

pub(crate) async fn register(house: &House, admin: &Api) -> Instance {
    register_with(house, token(admin).await).await
}

/// An instance that waits for approval.
pub(crate) async fn register_pending(house: &House, admin: &Api) -> Instance {
    let wanted = json!({ "bridge": "dmz", "issuer": "issuing", "needs_approval": true });
    register_with(house, token_of(admin, wanted).await).await
}

async fn register_with(house: &House, token: String) -> Instance {
    let holder = Holder::new();
    let body = json!({ "token": token, "csr_pem": holder.csr(&[]), "version": "1.0.0" });
    let given = house.api_with(None).post(REGISTER, body).await;
    assert_eq!(given.status, 201, "{}", given.json);
    Instance::of(&given.json, holder)
}

impl Instance {
    fn of(given: &Value, holder: Holder) -> Self {
        Self {
            id: given["instance"].as_str().unwrap().to_owned(),
            holder,
            pem: given["certificate_pem"].as_str().unwrap().to_owned(),
        }
    }

    fn certified(&self) -> CertifiedKey {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(self.pem.as_bytes())
            .map(Result::unwrap)
            .collect();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.holder.pkcs8().to_vec()));
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
        CertifiedKey::new(chain, key)
    }

    /// An assertion with changes, which may be lies.
    pub(crate) fn assertion(
        &self,
        house: &House,
        method: &str,
        path: &str,
        body: &str,
        change: &dyn Fn(&mut Value),
    ) -> String {
        let text = attested_request(method, "bridge.example", path, &sha256(body.as_bytes()));
        let mut claims = json!({
            "iss": self.id, "client_ip": CLIENT, "iat": house.authority.clock().now().as_second(),
            "jti": uuid::Uuid::new_v4().to_string(), "request": base64url(&sha256(&text)),
        });
        change(&mut claims);
        let key = SigningKey::from_pkcs8_der(self.holder.pkcs8()).unwrap();
        let mut header = Header::new(key.algorithm());
        header.typ = Some(ASSERTION_TYPE.to_owned());
        key.sign(&header, claims.to_string().as_bytes(), &SystemRandom::new())
            .unwrap()
    }

    /// A request as this instance sends it, with these headers; status and code, or the answer.
    pub(crate) async fn send(
        &self,
        house: &House,
        head: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, Value) {
        let mut stream = self.connect(house).await;
        let mut request = format!(
            "{head} HTTP/1.1\r\nHost: bridge.example\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            write!(request, "{name}: {value}\r\n").unwrap();
        }
        wire::send(&mut stream, &format!("{request}\r\n{body}")).await;
        let answer = wire::rest(&mut stream).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    /// A request that it forwards and attests.
    pub(crate) async fn forward(
        &self,
        house: &House,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, Value) {
        let assertion = self.assertion(house, method, path, body, &|_| {});
        let mut all = headers.to_vec();
        all.push((ASSERTION_HEADER, &assertion));
        self.send(house, &format!("{method} {path}"), &all, body).await
    }

    async fn connect(&self, house: &House) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
        let (stream, _) = handshake(house, self.certified(), &[BRIDGE_PROTOCOL, b"http/1.1"]).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(BRIDGE_PROTOCOL));
        stream
    }
}

/// Shows a certificate when it is asked for one, and remembers that it was.
#[derive(Debug)]
struct Asked(Arc<CertifiedKey>, Arc<AtomicBool>);

impl ResolvesClientCert for Asked {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.1.store(true, Ordering::SeqCst);
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

async fn handshake(
    house: &House,
    certified: CertifiedKey,
    protocols: &[&[u8]],
) -> (tokio_rustls::client::TlsStream<tokio::net::TcpStream>, bool) {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(house.root_pem.as_bytes()).unwrap())
        .unwrap();
    let asked = Arc::new(AtomicBool::new(false));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_cert_resolver(Arc::new(Asked(Arc::new(certified), Arc::clone(&asked))));
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let stream = wire::connect(house.addresses.api).await;
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap();
    (stream, asked.load(Ordering::SeqCst))
}

fn sha256(octets: &[u8]) -> [u8; 32] {
    digest(&SHA256, octets).as_ref().try_into().unwrap()
}

fn base64url(octets: &[u8]) -> String {
    // The same alphabet and no padding: what a DPoP hash of a token is written in.
    jose::Thumbprint(octets.try_into().unwrap()).to_string()
}

fn code(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["error"]["code"].as_str().unwrap_or("none"))
}

#[tokio::test]
async fn an_instance_registers_once_renews_itself_and_is_retired() {
    let house = House::open().await;
    let admin = house.admin().await;
    let token = token(&admin).await;
    let (nobody, holder) = (house.api_with(None), Holder::new());
    let with = |token: &str, csr: &str| nobody.post(REGISTER, json!({ "token": token, "csr_pem": csr }));
    assert_eq!(
        told(&with("chb_00", &holder.csr(&[])).await),
        (401, "INVALID_CREDENTIALS")
    );
    assert_eq!(told(&with(&token, "no request").await), (422, "BAD_CSR"));
    let given = with(&token, &holder.csr(&["dns:somebody.example.com"])).await;
    assert_eq!(
        given.status, 201,
        "a request that could not be granted uses nothing up: {}",
        given.json
    );
    assert_eq!(
        told(&with(&token, &holder.csr(&[])).await),
        (401, "INVALID_CREDENTIALS")
    );
    let instance = Instance::of(&given.json, holder);
    let leaf = pki::Certificate::parse_all(instance.pem.as_bytes())
        .unwrap()
        .remove(0);
    let names: Vec<String> = leaf
        .subject_alt_names()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        names,
        [format!("uri:urn:uuid:{}", instance.id)],
        "its name is not its own choice"
    );

    let next = Holder::new();
    let body = json!({ "csr_pem": next.csr(&[]), "version": "1.2.3" });
    assert_eq!(
        told(&nobody.post(RENEW, body.clone()).await),
        (401, "BRIDGE_NOT_REGISTERED")
    );
    let renewed = instance
        .send(&house, &format!("POST {RENEW}"), &[], &body.to_string())
        .await;
    assert_eq!(renewed.0, 200, "{renewed:?}");
    let renewed = Instance::of(&renewed.1, next);
    assert_eq!(renewed.id, instance.id);
    assert_eq!(
        instance.forward(&house, "GET", "/api/v1/health", &[], "").await.0,
        200
    );
    assert_eq!(
        renewed.forward(&house, "GET", "/api/v1/health", &[], "").await.0,
        200
    );
    // Nobody renews through it: it would be its own certificate.
    let stolen = instance
        .forward(&house, "POST", RENEW, &[], &body.to_string())
        .await;
    assert_eq!(code(&stolen), (404, "NOT_FOUND"));

    let listed = admin.get_ok("/api/v1/bridges").await;
    let one = &listed["items"][0];
    assert_eq!(
        (one["bridge"].as_str(), one["status"].as_str()),
        (Some("dmz"), Some("active"))
    );
    assert_eq!(
        (one["id"].as_str(), one["version"].as_str()),
        (Some(instance.id.as_str()), Some("1.2.3"))
    );
    assert!(one["seen_at"].is_string() && one["certificate_ends_at"].is_string());
    let path = format!("/api/v1/bridges/{}", instance.id);
    for _ in 0..2 {
        assert_eq!(admin.delete(&path).await.status, 204);
    }
    for ended in [&instance, &renewed] {
        let answer = ended.forward(&house, "GET", "/api/v1/health", &[], "").await;
        assert_eq!(code(&answer), (401, "BRIDGE_NOT_REGISTERED"));
    }
    let certificate = admin
        .get_ok(&format!("/api/v1/certificates/{}", leaf.serial()))
        .await;
    assert_eq!(certificate["status"], "revoked", "{certificate}");
    assert_eq!(
        admin.get_ok("/api/v1/bridges").await["items"][0]["status"],
        "retired"
    );
}

#[tokio::test]
async fn tokens_are_for_admins_and_for_a_day_at_most() {
    let house = House::open().await;
    let admin = house.admin().await;
    let code = |reply: &Reply| reply.json["error"]["code"].as_str().unwrap().to_owned();
    let make = |body: Value| admin.post("/api/v1/bridge-tokens", body);
    assert_eq!(
        code(&make(json!({ "bridge": "a", "minutes": 1441 })).await),
        "lifetime_invalid"
    );
    assert_eq!(code(&make(json!({ "bridge": "a b" })).await), "name_invalid");
    assert_eq!(
        make(json!({ "bridge": "a", "issuer": "nobody" })).await.status,
        404
    );
    let operator = house.api("operator", ca::Role::Operator).await;
    let refused = operator
        .post("/api/v1/bridge-tokens", json!({ "bridge": "a" }))
        .await;
    assert_eq!(refused.status, 403);
    assert_eq!(operator.get("/api/v1/bridges").await.status, 200);
    assert_eq!(operator.delete("/api/v1/bridges/x").await.status, 400);
    let nobody = admin
        .delete(&format!("/api/v1/bridges/{}", uuid::Uuid::new_v4()))
        .await;
    assert_eq!(nobody.status, 404);
}

#[tokio::test]
async fn nobody_but_a_bridge_is_asked_for_a_certificate() {
    let house = House::open().await;
    let admin = house.admin().await;
    let instance = register(&house, &admin).await;
    for (protocols, is_asked) in [
        (&[&b"h2"[..], b"http/1.1"][..], false),
        (&[][..], false),
        (&[BRIDGE_PROTOCOL, b"http/1.1"][..], true),
    ] {
        let (_, asked) = handshake(&house, instance.certified(), protocols).await;
        assert_eq!(asked, is_asked, "{protocols:?}");
    }
}

/// A courier that may come from one address, and the body with which it signs in.
async fn bound_courier(admin: &Api, key: &Holder) -> Value {
    let mut narrow = record();
    narrow["allowed_ips"] = json!([format!("{CLIENT}/32")]);
    let mut body = courier(admin, "web01", narrow).await;
    let key = SigningKey::from_pkcs8_der(key.pkcs8()).unwrap();
    body["proof_key"] = serde_json::from_str(&key.jwk().to_json()).unwrap();
    body
}

#[tokio::test]
async fn what_a_bridge_says_counts_once_and_for_one_request() {
    let house = House::open().await;
    let admin = house.admin().await;
    let (instance, other) = (register(&house, &admin).await, register(&house, &admin).await);
    let body = bound_courier(&admin, &Holder::new()).await.to_string();
    let post = format!("POST {SIGN_IN}");
    let attest = |change: &dyn Fn(&mut Value)| instance.assertion(&house, "POST", SIGN_IN, &body, change);
    let good = attest(&|_| {});
    let opened = instance
        .send(&house, &post, &[(ASSERTION_HEADER, &good)], &body)
        .await;
    assert_eq!(
        (opened.0, &opened.1["session"]["token_type"]),
        (200, &json!("DPoP")),
        "{opened:?}"
    );

    let refused = (401, "BRIDGE_ASSERTION_INVALID");
    let replayed = instance
        .send(&house, &post, &[(ASSERTION_HEADER, &good)], &body)
        .await;
    assert_eq!(code(&replayed), refused, "it counts once");
    let now = house.authority.clock().now().as_second();
    let lies: [&dyn Fn(&mut Value); 6] = [
        &|claims| claims["iat"] = (now - 120).into(),
        &|claims| claims["iat"] = (now + 120).into(),
        &|claims| claims["iss"] = other.id.as_str().into(),
        &|claims| claims["jti"] = "".into(),
        &|claims| claims["client_ip"] = "nowhere".into(),
        &|claims| claims["more"] = true.into(),
    ];
    for (index, lie) in lies.into_iter().enumerate() {
        let answer = instance
            .send(&house, &post, &[(ASSERTION_HEADER, &attest(lie))], &body)
            .await;
        assert_eq!(code(&answer), refused, "{index}");
    }
    let fresh = attest(&|_| {});
    let altered = body.replace("\"uuid\"", " \"uuid\"");
    let answer = instance
        .send(&house, &post, &[(ASSERTION_HEADER, &fresh)], &altered)
        .await;
    assert_eq!(code(&answer), refused, "another body");
    let answer = instance
        .send(
            &house,
            "POST /api/v1/courier/auth?x=1",
            &[(ASSERTION_HEADER, &fresh)],
            &body,
        )
        .await;
    assert_eq!(code(&answer), refused, "another address");
    let answer = other
        .send(&house, &post, &[(ASSERTION_HEADER, &fresh)], &body)
        .await;
    assert_eq!(code(&answer), refused, "another instance's connection");
    let twice = [
        (ASSERTION_HEADER, fresh.as_str()),
        (ASSERTION_HEADER, fresh.as_str()),
    ];
    assert_eq!(code(&instance.send(&house, &post, &twice, &body).await), refused);
    assert_eq!(
        code(&instance.send(&house, &post, &[], &body).await),
        refused,
        "nothing is said"
    );
    let admins = instance.forward(&house, "GET", "/api/v1/issuers", &[], "").await;
    assert_eq!(code(&admins), (404, "NOT_FOUND"));
    // It counts still: nothing of the above used it up.
    let late = instance
        .send(&house, &post, &[(ASSERTION_HEADER, &fresh)], &body)
        .await;
    assert_eq!(late.0, 200, "{late:?}");
}

#[tokio::test]
async fn nobody_else_says_where_a_request_came_from() {
    let house = House::open().await;
    let admin = house.admin().await;
    let instance = register(&house, &admin).await;
    let body = bound_courier(&admin, &Holder::new()).await;
    let text = body.to_string();
    let assertion = instance.assertion(&house, "POST", SIGN_IN, &text, &|_| {});
    let nobody = house.api_with(None);
    let spoofed = nobody
        .request(reqwest::Method::POST, SIGN_IN)
        .header("host", "bridge.example")
        .header("forwarded", format!("for={CLIENT}"))
        .header("x-forwarded-for", CLIENT)
        .header("x-real-ip", CLIENT)
        .header(ASSERTION_HEADER, &assertion)
        .header("content-type", "application/json")
        .body(text.clone());
    let spoofed = Reply::to(spoofed).await;
    assert_eq!(
        told(&spoofed),
        (401, "IP_NOT_ALLOWED"),
        "what a stranger says is not read"
    );
    // A certificate of the same CA that is no instance's, and one that is nobody's.
    let holder = Holder::new();
    let issued = admin
        .post_ok("/api/v1/certificates", json!({ "csr_pem": holder.csr(&["dns:a.example.com"]), "profile": "tls-client", "issuer_id": "issuing" }))
        .await;
    let stranger = Instance {
        id: instance.id.clone(),
        holder,
        pem: issued["certificate_pem"].as_str().unwrap().to_owned(),
    };
    let answer = stranger.forward(&house, "POST", SIGN_IN, &[], &text).await;
    assert_eq!(code(&answer), (401, "BRIDGE_NOT_REGISTERED"));
    // The address that a registered one says is the one that counts.
    let elsewhere = instance.assertion(&house, "POST", SIGN_IN, &text, &|claims| {
        claims["client_ip"] = "203.0.113.8".into();
    });
    let answer = instance
        .send(
            &house,
            &format!("POST {SIGN_IN}"),
            &[(ASSERTION_HEADER, &elsewhere)],
            &text,
        )
        .await;
    assert_eq!(code(&answer), (401, "IP_NOT_ALLOWED"));
    assert_eq!(instance.forward(&house, "POST", SIGN_IN, &[], &text).await.0, 200);
}

#[tokio::test]
async fn a_token_alone_is_worth_nothing_to_a_bridge() {
    let house = House::open().await;
    let admin = house.admin().await;
    let instance = register(&house, &admin).await;
    let key = Holder::new();
    let mut body = courier(&admin, "web01", record()).await;
    let plain = instance
        .forward(&house, "POST", SIGN_IN, &[], &body.to_string())
        .await;
    assert_eq!(code(&plain), (403, "PROOF_REQUIRED"));
    let direct = house.api_with(None).post_ok(SIGN_IN, body.clone()).await;
    let bearer = format!("Bearer {}", direct["session"]["token"].as_str().unwrap());
    let orders = "/api/v1/courier/orders";
    let here = instance.assertion(&house, "GET", orders, "", &|claims| {
        claims["client_ip"] = "127.0.0.1".into();
    });
    let asked = [
        ("Authorization", bearer.as_str()),
        (ASSERTION_HEADER, here.as_str()),
    ];
    let carried = instance.send(&house, &format!("GET {orders}"), &asked, "").await;
    assert_eq!(code(&carried), (403, "PROOF_REQUIRED"));

    let signing = SigningKey::from_pkcs8_der(key.pkcs8()).unwrap();
    body["proof_key"] = serde_json::from_str(&signing.jwk().to_json()).unwrap();
    let opened = instance
        .forward(&house, "POST", SIGN_IN, &[], &body.to_string())
        .await;
    let token = opened.1["session"]["token"].as_str().unwrap().to_owned();
    let dpop = format!("DPoP {token}");
    let proof = |key: &SigningKey| proof_of(&house, key, &token);
    let good = proof(&signing);
    let asked = [("Authorization", dpop.as_str()), ("DPoP", good.as_str())];
    assert_eq!(instance.forward(&house, "GET", orders, &asked, "").await.0, 200);
    let again = instance.forward(&house, "GET", orders, &asked, "").await;
    assert_eq!(
        code(&again),
        (401, "PROOF_INVALID"),
        "the bridge has a proof that was used"
    );
    let own = proof(&SigningKey::from_pkcs8_der(instance.holder.pkcs8()).unwrap());
    let forged = [("Authorization", dpop.as_str()), ("DPoP", own.as_str())];
    assert_eq!(
        code(&instance.forward(&house, "GET", orders, &forged, "").await),
        (401, "PROOF_INVALID")
    );

    // A bridge that puts its own key in place of the courier's opens a session that takes no proof of the courier: it notices.
    let bridge_key = SigningKey::from_pkcs8_der(instance.holder.pkcs8()).unwrap();
    body["proof_key"] = serde_json::from_str(&bridge_key.jwk().to_json()).unwrap();
    let swapped = instance
        .forward(&house, "POST", SIGN_IN, &[], &body.to_string())
        .await;
    let token = swapped.1["session"]["token"].as_str().unwrap().to_owned();
    let (dpop, proof) = (format!("DPoP {token}"), proof_of(&house, &signing, &token));
    let asked = [("Authorization", dpop.as_str()), ("DPoP", proof.as_str())];
    assert_eq!(
        code(&instance.forward(&house, "GET", orders, &asked, "").await),
        (401, "PROOF_INVALID")
    );
}

fn proof_of(house: &House, key: &SigningKey, token: &str) -> String {
    proof_for(house, key, token, ("GET", "/api/v1/courier/orders"), None)
}

pub(crate) fn proof_for(
    house: &House,
    key: &SigningKey,
    token: &str,
    (method, path): (&str, &str),
    body: Option<&str>,
) -> String {
    let proof = dpop::Request {
        method,
        url: &format!("https://bridge.example{path}"),
        access_token_hash: Some(&dpop::access_token_hash(token)),
        now: house.authority.clock().now().as_second(),
        id: &uuid::Uuid::new_v4().to_string(),
        body: body.map(str::as_bytes),
    };
    dpop::build(key, &proof, &SystemRandom::new()).unwrap()
}
